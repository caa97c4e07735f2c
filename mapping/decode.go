package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// Limits on what a body may demand.
const (
	maxDepth    = 100            // of nested objects and arrays
	maxAhead    = 24 * time.Hour // of the timestamp after receipt: a far future would freeze the record
	maxWarnings = 20             // per event; the rest is counted
)

// How an event that writes nothing ends.
const (
	statusSkipped = "skipped"
	statusDead    = "dead"

	reasonTestEvent       = "test_event"
	reasonUnsupportedType = "unsupported_type"
	reasonBadPayload      = "bad_payload"
	reasonBadKey          = "bad_key"
	reasonBadTimestamp    = "bad_timestamp"
)

// Decode turns a delivery into an Event. Its error is always an *EndedError:
// the event writes nothing, and Decode says how it ends.
//
// A member that is not what it should be does not fail the event: it becomes
// nil, and a warning names it.
func Decode(d Delivery) (*Event, error) {
	tree, detail := parseBody(d.Body)
	if detail != "" {
		return nil, &EndedError{statusDead, reasonBadPayload, detail}
	}
	p := partsOf(tree)
	if isPlaceholder(tree, p) {
		return nil, &EndedError{statusSkipped, reasonTestEvent, "the values are those of the published example"}
	}
	t, known := typeOf(p.typ)
	if !known {
		return nil, &EndedError{statusSkipped, reasonUnsupportedType, "the type is not one of those that are synced"}
	}
	e := p.envelope()
	if e.Key == "" {
		return nil, &EndedError{statusDead, reasonBadKey, "payload." + string(t.kind) + ".id is not a string of 1 to 128 bytes"}
	}
	if detail := badTimestamp(p.timestamp, e, d.ReceivedAt); detail != "" {
		return nil, &EndedError{statusDead, reasonBadTimestamp, detail}
	}
	return newEvent(d, e, t, tree), nil
}

// badTimestamp says why the timestamp of an event cannot be its version, "" when
// it can.
func badTimestamp(text string, e Envelope, received time.Time) string {
	if e.Timestamp.IsZero() {
		if _, readable := parseTime(text); readable {
			return fmt.Sprintf("timestamp is not in the years %d to %d", firstYear, lastYear)
		}
		return "timestamp is not a time such as 2026-03-02T09:14:55.120Z"
	}
	if !received.IsZero() && e.Timestamp.Sub(received) > maxAhead {
		return "timestamp is more than 24 hours after receipt: check the clocks of sender and receiver"
	}
	return ""
}

// parseBody decodes a body into maps, slices, strings, bools and json.Number.
// A detail that is not empty says why that was not possible.
func parseBody(body []byte) (tree map[string]any, detail string) {
	s := scanner{b: body}
	v := s.tree()
	switch {
	case s.depth > maxDepth:
		return nil, "the body is nested more than " + strconv.Itoa(maxDepth) + " levels deep"
	case s.wrong:
		return nil, "the body is not valid JSON"
	case !s.ended():
		return nil, "the body holds more than one JSON value"
	}
	const batch = "the body is a batch: send events one by one, not through a FIFO endpoint"
	tree, ok := v.(map[string]any)
	if _, list := v.([]any); list {
		return nil, batch
	} else if !ok {
		return nil, "the body is not a JSON object"
	}
	if typ, _ := tree["type"].(string); typ != "" {
		return tree, ""
	}
	if _, list := tree["data"].([]any); list {
		return nil, batch
	}
	return nil, "the body has no type: it is not an event"
}

// partsOf gathers from a decoded body what Peek scans for.
func partsOf(tree map[string]any) parts {
	var p parts
	p.id, _ = tree["id"].(string)
	p.typ, _ = tree["type"].(string)
	p.timestamp, _ = tree["timestamp"].(string)
	payload, _ := tree["payload"].(map[string]any)
	p.call = subjectOf(payload["call"])
	p.user = subjectOf(payload["user"])
	p.org = subjectOf(payload["org"])
	return p
}

func subjectOf(v any) *subject {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	id, _ := m["id"].(string)
	return &subject{id: id, user: subjectOf(m["user"])}
}

// newEvent builds the event of a body that passed every check.
func newEvent(d Delivery, e Envelope, t eventType, tree map[string]any) *Event {
	ev := &Event{
		ID:        d.ID,
		MessageID: d.MessageID,
		Type:      e.Type,
		Kind:      t.kind,
		Verb:      t.verb,
		Timestamp: e.Timestamp,
		Key:       e.Key,
		Lanes:     e.Lanes,
	}
	for _, id := range [...]string{e.ID, d.MessageID} {
		if ev.ID == "" {
			ev.ID = id
		}
	}
	payload, _ := tree["payload"].(map[string]any)
	f := filler{}
	switch t.kind {
	case KindCall:
		ev.Call = fillObject[Call](&f, payload["call"], "payload.call")
		ev.User = f.callUser(ev.Call, payload)
	case KindUser:
		ev.User = f.user(payload["user"], "payload.user")
	case KindOrg:
		ev.Org = fillObject[Org](&f, payload["org"], "payload.org")
	}
	ev.Raw = f.raw(tree, payload)
	ev.Warnings = f.result()
	return ev
}

// user fills the user of a user event, or of a call that shows it beside.
func (f *filler) user(v any, path string) *User {
	u := fillObject[User](f, v, path)
	f.checkEmail(u, path)
	return u
}

// checkEmail withdraws an e-mail address that is none: it would be refused by
// a CRM, or matched with somebody else.
func (f *filler) checkEmail(u *User, path string) {
	if u == nil || u.Email == nil {
		return
	}
	address, ok := validEmail(*u.Email)
	if !ok {
		f.warn(path+".email", "is not an e-mail address")
		u.Email = nil
		return
	}
	u.Email = &address
}

// callUser finds the user of a call inside the call or beside it, and puts it
// where expressions look for it.
func (f *filler) callUser(c *Call, payload map[string]any) *User {
	f.checkEmail(c.User, "payload.call.user")
	if c.User == nil {
		c.User = f.user(payload["user"], "payload.user")
	}
	if c.UserID == nil {
		f.set(&c.UserID, payload["userId"], "payload.userId")
	}
	if u := c.User; u != nil && u.ID != nil && c.UserID != nil && *u.ID != *c.UserID {
		f.warn("payload.call.userId", "differs from the id of the call's user, which is used")
	}
	return c.User
}

// validEmail returns the bare address of s; ok is false when it is none that
// can be written to: net/mail must read it, and its domain must have a dot.
func validEmail(s string) (address string, ok bool) {
	a, err := mail.ParseAddress(strings.TrimSpace(s))
	// A quoted local part may hold spaces and more; no CRM takes that.
	if err != nil || strings.ContainsAny(a.Address, " \t") || strings.Count(a.Address, "@") != 1 {
		return "", false
	}
	_, domain, _ := strings.Cut(a.Address, "@")
	dot := strings.IndexByte(domain, '.')
	return a.Address, dot > 0 && !strings.HasSuffix(domain, ".")
}

// raw converts the numbers of a decoded body for expressions, and lets the
// members of the payload be reached beside those of the envelope.
func (f *filler) raw(tree, payload map[string]any) map[string]any {
	f.plain(tree)
	for name, v := range payload {
		if _, taken := tree[name]; !taken {
			tree[name] = v
		}
	}
	return tree
}

// plain replaces every json.Number in v, in place, and returns v. Depth is
// bounded by maxDepth.
func (f *filler) plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			switch member.(type) {
			case map[string]any, []any, json.Number:
				v[name] = f.plain(member)
			}
		}
	case []any:
		for i, element := range v {
			v[i] = f.plain(element)
		}
	case json.Number:
		return f.number(v)
	}
	return v
}

// maxExact is the largest integer up to which float64 and JavaScript, from
// which the numbers come, hold every integer.
const maxExact = 1 << 53

// number returns an int for an integer of at most 2^53, else a float64, and
// nil for a number that is too large for both.
func (f *filler) number(n json.Number) any {
	if i, err := n.Int64(); err == nil && i >= -maxExact && i <= maxExact {
		return int(i)
	}
	x, err := n.Float64()
	if err != nil || math.IsInf(x, 0) {
		f.warn("raw", "holds a number that is out of range")
		return nil
	}
	return x
}
