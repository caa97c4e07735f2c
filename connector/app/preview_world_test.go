package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"crmsync/mapping"
	"crmsync/state"
)

// anyOf returns one of values.
func anyOf[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// accept stores n random events about few users, organisations and calls, in
// no order of time.
func (w *foretold) accept(n int) {
	w.t.Helper()
	r := w.random
	for range n {
		w.sent++
		at := time.Date(2025, 11, 1, 8, 0, r.IntN(4000), 0, time.UTC).Format("2006-01-02T15:04:05.000000000")
		user := w.user()
		kind, payload := "", map[string]any{}
		switch pick := r.IntN(20); {
		case pick < 2:
			kind, payload["org"] = anyOf(r, "org.updated", "org.updated", "org.deleted"), map[string]any{"id": fmt.Sprint("o", r.IntN(3)), "name": anyOf(r, "Bright", "Nord", "")}
		case pick < 11:
			kind, payload["user"] = anyOf(r, "user.created", "user.updated", "user.updated", "user.deleted"), user
		default:
			kind, payload["call"] = "call.completed", map[string]any{
				"id": fmt.Sprint("c", r.IntN(40)), "orgId": user["orgId"], "title": anyOf(r, "Discovery", "Demo", ""),
				"createdAt": at, "stats": map[string]any{"duration": 61.5}, "user": user,
				"analysis": []any{map[string]any{"analysisType": "general", "score": anyOf(r, 7.5, 3), "summary": "a < b & c"}},
			}
		}
		body, err := json.Marshal(map[string]any{"id": fmt.Sprint("e", w.sent), "type": kind, "timestamp": at, "payload": payload})
		if err != nil {
			w.t.Fatal(err)
		}
		w.keep(body)
	}
}

// user is a random user who lacks a few members.
func (w *foretold) user() map[string]any {
	r := w.random
	n := r.IntN(12)
	user := map[string]any{"id": fmt.Sprint("u", n), "orgId": anyOf(r, any("o0"), "o1", "o2", nil)}
	members := map[string][]any{
		// One of them is the neighbour's as well.
		"email": {fmt.Sprintf("p%d@sales.example", n), fmt.Sprintf("P%d@Sales.example", n), fmt.Sprintf("p%d@sales.example", (n+1)%12), "nowhere", "", nil},
		"name":  {"Jonas Weber", "Lena Okafor", "Ann", "", nil}, "role": {"Sales Rep", "Coach", "", nil},
		"streak": {0, 4.0, 11, nil}, "teamId": {"t1", "t2", nil}, "status": {"active", "invited"},
	}
	for _, member := range slices.Sorted(maps.Keys(members)) {
		if value := anyOf(r, members[member]...); value != nil || r.IntN(2) == 0 {
			user[member] = value
		}
	}
	return user
}

// keep stores an event as the receiver does.
func (w *foretold) keep(body []byte) {
	w.t.Helper()
	envelope := mapping.Peek(body)
	m := state.Message{
		ID: envelope.ID, MessageID: fmt.Sprint("msg_", w.sent), Type: envelope.Type, Key: envelope.Key,
		OccurredAt: envelope.Timestamp, Body: body, ReceivedAt: time.Now(),
	}
	for _, lane := range envelope.Lanes {
		m.Lanes = append(m.Lanes, state.Lane{Object: string(lane.Object), Key: lane.Key})
	}
	if _, err := w.store.Accept(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

// peopleWork lets people edit records in the CRM, clear fields and create
// contacts of their own.
func (w *foretold) peopleWork() {
	r := w.random
	edited := map[string][]string{
		"contacts": {"jobtitle", "lastname", "firstname", "crmsync_team_id"}, "companies": {"name"}, "calls": {"hs_call_title", "hs_call_body"},
	}
	for _, object := range slices.Sorted(maps.Keys(edited)) {
		for _, record := range w.server.Records(object) {
			if r.IntN(3) == 0 && !record.Archived {
				w.server.EditRecord(object, record.ID, map[string]string{anyOf(r, edited[object]...): anyOf(r, "by a person", "Coach", "")})
			}
		}
	}
	for _, object := range slices.Sorted(maps.Keys(edited)) {
		for _, record := range w.server.Records(object) {
			if r.IntN(12) == 0 && !record.Archived {
				w.server.DeleteRecord(object, record.ID)
			}
		}
	}
	taken := map[string]bool{}
	for _, record := range w.server.Records("contacts") {
		for address := range strings.SplitSeq(record.Properties["email"]+";"+record.Properties["hs_additional_emails"], ";") {
			taken[strings.ToLower(address)] = true
		}
	}
	contacts := w.server.Records("contacts")
	if email := fmt.Sprintf("p%d@sales.example", r.IntN(12)); len(contacts) > 0 && !taken[email] && r.IntN(3) == 0 {
		if c := contacts[r.IntN(len(contacts))]; !c.Archived {
			w.server.EditRecord("contacts", c.ID, map[string]string{"hs_additional_emails": email})
			taken[email] = true
		}
	}
	if email := fmt.Sprintf("p%d@sales.example", r.IntN(12)); !taken[email] {
		w.server.AddRecord("contacts", map[string]string{"email": email, "lastname": "Known", "jobtitle": anyOf(r, "Boss", "")})
	}
}
