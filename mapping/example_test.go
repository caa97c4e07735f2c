package mapping_test

import (
	"errors"
	"fmt"

	"crmsync/crm"
	"crmsync/mapping"
)

const userCreated = `{"id":"9a3d5f7c","type":"user.created","timestamp":"2026-11-02T07:58:13.640027385",
	"payload":{"user":{"id":"d36a91e4","orgId":"e7a4d1c9","email":"lena.okafor@brightsales.example","name":"Lena Okafor"}}}`

func Example() {
	m, err := mapping.New(mapping.Config{Fields: map[crm.Object]map[string]mapping.Expression{
		crm.Contact: {
			"email":    {Source: "user.email", Variable: "CRMSYNC_MAP_CONTACT_email"},
			"lastname": {Source: "lastName(user.name)", Variable: "CRMSYNC_MAP_CONTACT_lastname"},
			"role":     {Source: "user.role", Variable: "CRMSYNC_MAP_CONTACT_role"},
		},
		crm.Company: {},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := mapping.Decode(mapping.Delivery{MessageID: "msg_1", Body: []byte(userCreated)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range m.Map(event, nil).Records {
		fmt.Println(r.Object, r.Key, r.Fields, r.Targets)
	}
	// Output:
	// contact d36a91e4 map[email:lena.okafor@brightsales.example lastname:Okafor] [{{company e7a4d1c9} false}]
}

func ExampleNew_mistake() {
	_, err := mapping.New(mapping.Config{Fields: map[crm.Object]map[string]mapping.Expression{
		crm.Contact: {"email": {Source: "lower(user.emial)", Variable: "CRMSYNC_MAP_CONTACT_email"}},
	}})
	fmt.Println(err)
	// Output:
	// CRMSYNC_MAP_CONTACT_email: type user has no field emial; did you mean "email"? (1:12)
	//  | lower(user.emial)
	//  | ...........^
}

func ExampleDecode_ended() {
	_, err := mapping.Decode(mapping.Delivery{Body: []byte(`{"type":"team.created"}`)})
	if ended, ok := errors.AsType[*mapping.EndedError](err); ok {
		fmt.Println(ended.Status, ended.Reason)
	}
	// Output:
	// skipped unsupported_type
}

func ExamplePeek() {
	e := mapping.Peek([]byte(userCreated))
	fmt.Println(e.ID, e.Type, e.Key, e.Lanes)
	// Output:
	// 9a3d5f7c user.created d36a91e4 [{contact d36a91e4}]
}
