package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
)

const propertyPath = "/crm/properties/2026-09/calls"

func property(name, rest string) string {
	return fmt.Sprintf(`{"name":%q,"label":"x","groupName":"callinformation",%s}`, name, rest)
}

func TestProperties_StandardOnesHaveTheirTypes(t *testing.T) {
	a := open(t, sandbox.Options{})
	got := a.must("GET", propertyPath, "")
	got.expect(t, 200)
	types := map[string]string{}
	for _, p := range got.results() {
		types[fmt.Sprint(p["name"])] = fmt.Sprint(p["type"], " ", p["fieldType"])
	}
	want := map[string]string{
		"hs_timestamp": "datetime date", "hs_call_duration": "number number", "hs_call_body": "string html",
		"hs_call_status": "enumeration select", "hs_call_title": "string text", "hubspot_owner_id": "enumeration select",
	}
	for name, kind := range want {
		if types[name] != kind {
			t.Errorf("%s is %q, want %q", name, types[name], kind)
		}
	}
	a.must("GET", propertyPath+"/hs_call_disposition", "").expect(t, 200, "f240bbac-87c9-4f6e-bf70-924b57d47db7")
	a.must("GET", propertyPath+"/hs_object_id", "").expect(t, 200, `"readOnlyValue":true`)
	a.must("GET", propertyPath+"/nonsense", "").expect(t, 404)
	a.must("GET", propertyPath+"?archived=true", "").expect(t, 200, `"results":[]`)
}

func TestProperties_Setup(t *testing.T) {
	a := open(t, sandbox.Options{Custom: map[string][]sandbox.Property{}})
	definition := strings.Replace(property("crmsync_id", `"type":"string","fieldType":"text","hasUniqueValue":true,"formField":false`), "callinformation", "crmsync", 1)
	a.must("POST", propertyPath, definition).expect(t, 400, "group")
	a.must("POST", propertyPath+"/groups", `{"name":"crmsync","label":"crmsync","displayOrder":-1}`).expect(t, 201)
	a.must("POST", propertyPath+"/groups", `{"name":"crmsync","label":"crmsync"}`).expect(t, 409, "OBJECT_ALREADY_EXISTS")
	a.must("GET", propertyPath+"/groups", "").expect(t, 200, `"crmsync"`)
	a.must("POST", propertyPath, definition).expect(t, 201, `"hasUniqueValue":true`)
	a.must("POST", propertyPath, definition).expect(t, 409, "OBJECT_ALREADY_EXISTS", "Properties.PROPERTY_WITH_NAME_EXISTS")
	a.objects("calls", "upsert", inputs(input("c", "t", `"hs_timestamp":"1"`))).expect(t, 200, `"new":true`)
	if a.Writes() != 3 {
		t.Errorf("got %d writes, want a group, a property and a record", a.Writes())
	}
	a.DeleteProperty("calls", "crmsync_id")
	a.objects("calls", "upsert", inputs(input("c", "t", `"hs_timestamp":"1"`))).expect(t, 400, "PROPERTY_DOESNT_EXIST", "crmsync_id")
}

func TestProperties_Refused(t *testing.T) {
	a := open(t, sandbox.Options{})
	boolOptions := `"options":[{"label":"Yes","value":"true","displayOrder":0,"hidden":false},{"label":"No","value":"%s","displayOrder":1,"hidden":false}]`
	tests := []struct{ name, body, word string }{
		{"label missing", `{"name":"x","type":"string","fieldType":"text","groupName":"callinformation"}`, "not set: [label]"},
		{"name in capitals", property("Score", `"type":"number","fieldType":"number"`), "name is not valid"},
		{"type unknown", property("x", `"type":"text","fieldType":"text"`), "does not go with"},
		{"field type of another type", property("x", `"type":"number","fieldType":"booleancheckbox"`), "does not go with"},
		{"bool without options", property("x", `"type":"bool","fieldType":"booleancheckbox"`), "true and false"},
		{"bool with other options", property("x", `"type":"bool","fieldType":"booleancheckbox",`+fmt.Sprintf(boolOptions, "no")), "true and false"},
		{"option without its order", property("x", `"type":"enumeration","fieldType":"select","options":[{"label":"A","value":"a","hidden":false}]`), "not set: [displayOrder]"},
		{"enumeration without options", property("x", `"type":"enumeration","fieldType":"select"`), "needs options"},
		{"unique bool", property("x", `"type":"bool","fieldType":"booleancheckbox","hasUniqueValue":true,`+fmt.Sprintf(boolOptions, "false")), "cannot be unique"},
		{"unknown member", property("x", `"type":"string","fieldType":"text","unique":true`), "Unrecognized field"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { a.must("POST", propertyPath, test.body).expect(t, 400, test.word) })
	}
	a.must("POST", propertyPath, property("flag", `"type":"bool","fieldType":"booleancheckbox",`+fmt.Sprintf(boolOptions, "false"))).expect(t, 201)
	for i := range 9 {
		a.must("POST", propertyPath, property(fmt.Sprint("u", i), `"type":"string","fieldType":"text","hasUniqueValue":true`)).expect(t, 201)
	}
	a.must("POST", propertyPath, property("u10", `"type":"string","fieldType":"text","hasUniqueValue":true`)).expect(t, 400, "10 unique")
}

func TestProperties_BatchCreate(t *testing.T) {
	a := open(t, sandbox.Options{})
	text := `"type":"string","fieldType":"text"`
	body := inputs(property("one", text), property("crmsync_id", text))
	a.must("POST", "/crm/v3/properties/calls/batch/create", body).expect(t, 207, `"name":"one"`, "OBJECT_ALREADY_EXISTS", `"numErrors":1`)
}

func TestOwners_Page(t *testing.T) {
	var owners []sandbox.Owner
	for i := range 250 {
		owners = append(owners, sandbox.Owner{ID: fmt.Sprint(500 + i), Email: fmt.Sprint("o", i, "@example.com"), Archived: i%50 == 7, Queue: i == 3})
	}
	a := open(t, sandbox.Options{Owners: owners})
	var got int
	after := ""
	for range 4 {
		page := a.must("GET", "/crm/owners/2026-09?limit=100&archived=false&after="+after, "")
		page.expect(t, 200)
		got += len(page.results())
		paging, _ := page.body["paging"].(map[string]any)
		next, _ := paging["next"].(map[string]any)
		if next == nil {
			break
		}
		after = fmt.Sprint(next["after"])
	}
	if got != 245 {
		t.Errorf("got %d owners, want 245", got)
	}
	a.must("GET", "/crm/owners/2026-09?email=O3@example.com", "").expect(t, 200, `"id":"503"`, `"type":"QUEUE"`)
	a.must("GET", "/crm/owners/2026-09?archived=true", "").expect(t, 200, `"id":"507"`)
	a.must("GET", "/crm/owners/2026-09?limit=501", "").expect(t, 400)
	a.must("GET", "/crm/owners/2026-09/503", "").expect(t, 200, "o3@example.com")
	a.must("GET", "/crm/owners/2026-09/1", "").expect(t, 404)
}

func TestAssociations(t *testing.T) {
	a := open(t, sandbox.Options{})
	call := a.AddRecord("calls", map[string]string{"hs_timestamp": "1"})
	contact := a.AddRecord("contacts", map[string]string{"firstname": "x"})
	pair := fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q}}]}`, call, contact)
	for range 2 {
		got := a.associations("calls", "0-1", "associate/default", pair)
		got.expect(t, 200, `"associationTypeId":194`, `"associationTypeId":193`)
		if len(got.results()) != 2 {
			t.Errorf("got %d results, want one per direction", len(got.results()))
		}
	}
	want := [][2]string{{call, contact}}
	if got := a.Associations("calls", "contacts"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got links %v, want %v", got, want)
	}
	if got := a.Associations("contacts", "calls"); len(got) != 1 {
		t.Errorf("got %v on the way back", got)
	}
	if a.Writes() != 3 {
		t.Errorf("got %d writes, want two records and one link", a.Writes())
	}
	a.associations("contacts", "calls", "read", `{"inputs":[{"id":"`+contact+`"},{"id":"1"}]}`).expect(t, 200, `"toObjectId":"`+call+`"`, `"typeId":193`, "NO_ASSOCIATIONS_FOUND")

	archive := fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":[{"id":%q}]}]}`, call, contact)
	for range 2 {
		a.associations("calls", "contacts", "archive", archive).expect(t, 204)
	}
	if got := a.Associations("calls", "contacts"); len(got) != 0 {
		t.Errorf("got %v after the removal", got)
	}
	a.associations("calls", "contacts", "archive", pair).expect(t, 400, "Invalid input JSON")
}

func TestAssociations_ErrorsNameTheRecordOnce(t *testing.T) {
	a := open(t, sandbox.Options{})
	call := a.AddRecord("calls", nil)
	contact := a.AddRecord("contacts", nil)
	body := inputs(
		fmt.Sprintf(`{"from":{"id":%q},"to":{"id":"404"}}`, call),
		fmt.Sprintf(`{"from":{"id":"405"},"to":{"id":%q}}`, contact),
		`{"from":{"id":"405"},"to":{"id":"404"}}`,
		fmt.Sprintf(`{"from":{"id":%q},"to":{"id":%q}}`, call, contact))
	got := a.associations("calls", "contacts", "associate/default", body)
	got.expect(t, 200, "crm.associations.INVALID_IDENTIFIER", `"id":["404"]`, `"id":["405"]`)
	if len(got.errors()) != 2 || len(got.results()) != 2 {
		t.Errorf("got %d errors and %d results, want 2 each: %s", len(got.errors()), len(got.results()), got.text)
	}
	a.version = "v3"
	a.associations("calls", "contacts", "associate/default", body).expect(t, 207)
}

func TestAssociations_LabelledAndLimited(t *testing.T) {
	a := open(t, sandbox.Options{})
	contact := a.AddRecord("contacts", nil)
	one, two := a.AddRecord("companies", nil), a.AddRecord("companies", nil)
	a.LimitAssociations("contacts", "companies", 1)
	labelled := func(to string, id int) string {
		return fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":%d}]}]}`, contact, to, id)
	}
	a.associations("contacts", "companies", "create", labelled(one, 1)).expect(t, 201, `"toObjectTypeId":"0-2"`)
	a.associations("contacts", "companies", "create", labelled(one, 2)).expect(t, 400, "not valid between")
	a.associations("contacts", "companies", "create", labelled(two, 1)).expect(t, 201, "ASSOCIATION_LIMIT_EXCEEDED")
	a.associations("contacts", "companies", "create", labelled(one, 279)).expect(t, 201)
	if got := a.Associations("contacts", "companies"); len(got) != 1 {
		t.Errorf("got %v, want one link", got)
	}
	a.associations("contacts", "contacts", "associate/default", `{"inputs":[{"from":{"id":"1"},"to":{"id":"2"}}]}`).expect(t, 400)
}

func TestAssociations_BatchSizes(t *testing.T) {
	a := open(t, sandbox.Options{})
	pairs := strings.Repeat(`{"from":{"id":"1"},"to":{"id":"2"}},`, 2001)
	ids := strings.Repeat(`{"id":"1"},`, 1001)
	a.associations("calls", "contacts", "associate/default", `{"inputs":[`+strings.TrimSuffix(pairs, ",")+`]}`).expect(t, 400, "maximum is 2000")
	a.associations("calls", "contacts", "read", `{"inputs":[`+strings.TrimSuffix(ids, ",")+`]}`).expect(t, 400, "maximum is 1000")
}

func TestDeleteRecord_TakesLinksAlong(t *testing.T) {
	a := open(t, sandbox.Options{})
	call, contact := a.AddRecord("calls", nil), a.AddRecord("contacts", nil)
	a.associations("calls", "contacts", "associate/default", fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q}}]}`, call, contact)).expect(t, 200)
	a.DeleteRecord("contacts", contact)
	if len(a.Associations("calls", "contacts")) != 0 || !a.Records("contacts")[0].Archived || a.Records("calls")[0].Archived {
		t.Error("deleting a contact has to remove its links and nothing else")
	}
}
