package mapping

import (
	"strings"
	"time"

	"crmsync/crm"
)

// maxKey is the size of a natural key in bytes.
const maxKey = 128

// eventType is what a value of the member type means.
type eventType struct {
	kind Kind
	verb Verb
}

// eventTypes are the events that the platform publishes:
// https://svix.com/event-types/us/org_2rbenGnQR4cawk0hTjTEttKXDeI
var eventTypes = map[string]eventType{
	"call.completed": {KindCall, Completed},
	"user.created":   {KindUser, Created},
	"user.updated":   {KindUser, Updated},
	"user.deleted":   {KindUser, Deleted},
	"org.updated":    {KindOrg, Updated},
	"org.deleted":    {KindOrg, Deleted},
}

// typeOf looks a type up, whatever its case.
func typeOf(name string) (eventType, bool) {
	t, ok := eventTypes[name]
	if !ok {
		t, ok = eventTypes[strings.ToLower(name)]
	}
	return t, ok
}

// parts are the members of a body that decide about identity, order and lanes,
// before they are judged. Peek and Decode gather them in different ways.
type parts struct {
	id, typ, timestamp string
	call, user, org    *subject // nil unless an object
}

// subject is an object of the payload that has an id.
type subject struct {
	id   string
	user *subject // of calls
}

// envelope judges the parts.
func (p parts) envelope() Envelope {
	e := Envelope{Type: p.typ}
	if validID(p.id) {
		e.ID = p.id
	}
	e.Timestamp, _ = parseEventTime(p.timestamp)
	t, known := typeOf(p.typ)
	if !known {
		return e
	}
	s := p.subject(t.kind)
	if s == nil || !validKey(s.id) {
		return e
	}
	e.Key = s.id
	e.Lanes = []Lane{{t.kind.object(), s.id}}
	if u := p.callUser(); t.kind == KindCall && u != nil && validKey(u.id) {
		e.Lanes = append(e.Lanes, Lane{crm.Contact, u.id})
	}
	return e
}

// subject returns what an event of the kind is about.
func (p parts) subject(k Kind) *subject {
	switch k {
	case KindCall:
		return p.call
	case KindUser:
		return p.user
	default:
		return p.org
	}
}

// callUser returns the user of a call, which the published catalogue shows
// beside the call as well as inside it.
func (p parts) callUser() *subject {
	if p.call != nil && p.call.user != nil {
		return p.call.user
	}
	return p.user
}

// validID reports whether an envelope id matches ^[\x21-\x7e]{1,128}$.
func validID(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func validKey(s string) bool { return len(s) > 0 && len(s) <= maxKey }

// zoneless is the second of the two forms in which times arrive: without a
// zone, meant as UTC. Parsing accepts any fraction of a second.
const zoneless = "2006-01-02T15:04:05"

// parseTime reads both forms of a time, as UTC.
func parseTime(s string) (time.Time, bool) {
	layout := zoneless
	if strings.ContainsAny(s[min(len(zoneless), len(s)):], "Z+-") {
		layout = time.RFC3339
	}
	t, err := time.Parse(layout, s)
	return t.UTC(), err == nil
}

// The years whose times int64 nanoseconds hold from beginning to end.
const (
	firstYear = 1678
	lastYear  = 2261
)

// parseEventTime reads a time that orders events: stores may keep it as int64
// nanoseconds.
func parseEventTime(s string) (time.Time, bool) {
	t, ok := parseTime(s)
	if !ok || t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, false
	}
	return t, true
}
