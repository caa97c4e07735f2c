package mapping

import "strings"

// The portal of the sender has a test button that sends the published example
// of an event, correctly signed:
// https://docs.svix.com/receiving/using-app-portal/testing-events
// It proves that the way in works and must never be written.

// publishedIDs are the ids of those examples: of the event and its subject.
// https://svix.com/event-types/us/org_2rbenGnQR4cawk0hTjTEttKXDeI
var publishedIDs = map[string]bool{
	"f58413db-86fb-41b0-ba62-a23721fe7ac4": true, // call.completed
	"3ba53534-23fa-41d8-ada1-db7385e40276": true,
	"1bb5caf1-75b6-41d2-bc4a-d144b40482e1": true, // its user
	"6ffa12e0-d91c-4d5b-8f52-53aac23d5798": true, // org.deleted
	"1f066d4b-1e7c-4836-8ea0-6ddcd6703995": true,
	"c9a3901c-09c6-45bf-a664-f0bd887d684d": true, // org.updated
	"05cd57ef-4d04-48d0-b15f-f97acff85e86": true,
	"f10bd340-f3aa-42a0-b5be-3f2addee29d0": true, // user.created
	"ae7fc971-691f-40b8-84b5-11f3608bd64d": true,
	"b9bfa132-af83-4adc-bb19-fa98cf35bf43": true, // user.deleted
	"56c8f39a-c6d8-46c9-9421-66342e826cb3": true,
	"d9940f84-0ff8-4c5f-ba6b-275ca45d842e": true, // user.updated
	"22b215c8-fccc-4228-b43a-4138826fa3ca": true,
}

// isPlaceholder reports whether a body is the published example of an event.
// An id of it, or the type "string", settles that. Else an organisation needs
// one placeholder value, any other event two, so that a person who is really
// called "String" is not lost.
func isPlaceholder(tree map[string]any, p parts) bool {
	if p.typ == "string" || publishedIDs[p.id] {
		return true
	}
	for _, s := range [...]*subject{p.call, p.user, p.org} {
		if s != nil && publishedIDs[s.id] {
			return true
		}
	}
	payload, _ := tree["payload"].(map[string]any)
	t, known := typeOf(p.typ)
	switch {
	case !known:
		return false
	case t.kind == KindOrg:
		return placeholders(payload["org"], "some string", "name", "status", "image") > 0
	case t.kind == KindUser:
		return userSignals(payload["user"]) > 1
	default:
		return callSignals(payload) > 1
	}
}

// callSignals counts the placeholder values of a call and its user.
func callSignals(payload map[string]any) int {
	call, _ := payload["call"].(map[string]any)
	n := placeholders(payload["call"], "string", "title") + userSignals(call["user"])
	if call["user"] == nil {
		n += userSignals(payload["user"])
	}
	analysis, _ := call["analysis"].([]any)
	for _, a := range analysis {
		n += placeholders(a, "string", "summary")
	}
	prospects, _ := call["prospects"].([]any)
	for _, p := range prospects {
		n += placeholders(p, "uri", "imageUrl") + placeholders(p, "string", "imageUrl")
	}
	return n
}

// userSignals counts the placeholder values of a user.
func userSignals(v any) int {
	n := placeholders(v, "string", "role", "status", "image") + placeholders(v, "uri", "image")
	user, _ := v.(map[string]any)
	email, isText := user["email"].(string)
	if isText && !strings.Contains(email, "@") && user["name"] == "string" {
		n++
	}
	return n
}

// placeholders counts the named members of an object that equal text.
func placeholders(v any, text string, names ...string) int {
	object, _ := v.(map[string]any)
	n := 0
	for _, name := range names {
		if object[name] == text {
			n++
		}
	}
	return n
}
