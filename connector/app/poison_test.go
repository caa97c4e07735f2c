package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmsync/connector"
	"crmsync/crm/sandbox"
	"crmsync/state"
)

// poisonUser is an event of one user, whose address HubSpot refuses if it is bad.
func poisonUser(i int, bad bool) string {
	address := fmt.Sprintf("rep%d@sales.example", i)
	if bad {
		address = fmt.Sprintf("rep%d@erased.example", i)
	}
	payload, _ := json.Marshal(map[string]any{"user": map[string]any{
		"id": fmt.Sprintf("user-%d", i), "orgId": "org-1", "email": address, "name": fmt.Sprintf("Marked Number%d", i),
	}})
	at := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000000000")
	return fmt.Sprintf(`{"id":"event-%d","type":"user.updated","timestamp":%q,"payload":%s}`, i, at, payload)
}

// HubSpot refuses some of many people. The others arrive, and each of the bad
// ones is dead with HubSpot's words, the property and the request, without a
// personal value. At the guard, or above, all of them wait instead.
func TestPoison_ThroughHubSpot(t *testing.T) {
	for _, tt := range []struct {
		name     string
		n        int
		bad      func(i int) bool
		dead     int64
		requests int
	}{
		{"one of 100", 100, func(i int) bool { return i == 42 }, 1, 6},
		{"ten of 100", 100, func(i int) bool { return i%10 == 3 }, 10, 6},
		{"each of 250", 250, func(int) bool { return true }, 0, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newFaultyWorld(t)
			for i := range tt.n {
				if tt.bad(i) {
					w.crm.Erase(fmt.Sprintf("rep%d@erased.example", i))
				}
			}
			if err := w.service.dispatch.Pause(t.Context()); err != nil { // so that they come as one batch
				t.Fatal(err)
			}
			for i := range tt.n {
				w.send(poisonUser(i, tt.bad(i)))
			}
			before := total(w.crm.Requests())
			if err := w.service.dispatch.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.eventually("all is decided", func() bool {
				return w.stats().Counts[state.Pending] == 0 || w.service.dispatch.CRMState().State == connector.StatePaused
			})
			s := w.stats()
			if tt.dead == 0 {
				if got := w.service.dispatch.CRMState(); s.Counts[state.Dead] != 0 || !strings.Contains(got.Reason, "CRMSYNC_MAP_CONTACT_email") {
					t.Errorf("%+v, %+v", s, got)
				}
			} else if s.Counts[state.Dead] != tt.dead || s.Counts[state.Applied] != int64(tt.n)-tt.dead {
				t.Errorf("%+v", s)
			}
			for i := range tt.n {
				if tt.dead > 0 && tt.bad(i) {
					wantRefusal(t, w, fmt.Sprintf("event-%d", i), "email")
				}
			}
			if n := total(w.crm.Requests()) - before; n > tt.requests {
				t.Errorf("%d requests, want %d at most", n, tt.requests)
			}
			w.stop()
		})
	}
}

// wantRefusal checks what the ledger says of a refused event.
func wantRefusal(t *testing.T, w *faultyWorld, id, field string) {
	t.Helper()
	ev, err := w.service.store.Event(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if ev.Status != state.Dead || ev.Reason != state.ReasonRefused || len(ev.Body) == 0 || len(ev.Records) == 0 {
		t.Errorf("%s: %+v", id, ev)
		return
	}
	if rec := ev.Records[0]; rec.Field != field || rec.RequestID == "" || !strings.Contains(ev.Error, rec.RequestID) {
		t.Errorf("%s: record %+v", id, rec)
	}
	if strings.Contains(ev.Error, "@") || strings.Contains(ev.Error, "Marked") {
		t.Errorf("%s says %q", id, ev.Error)
	}
}

// A record that crashes HubSpot waits alone; the others of its batch arrive.
func TestPoison_ThatCrashesHubSpot(t *testing.T) {
	w := newFaultyWorld(t)
	w.crm.Fault(sandbox.Fault{
		Op: "contacts/batch/upsert", Status: http.StatusInternalServerError, Body: "<html>rep42@sales.example</html>",
		Match: func(r sandbox.Request) bool { return strings.Contains(string(r.Body), `"user-42"`) },
	})
	if err := w.service.dispatch.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		w.send(poisonUser(i, false))
	}
	before := total(w.crm.Requests())
	if err := w.service.dispatch.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually("the others have arrived", func() bool { return w.stats().Counts[state.Applied] == 99 })
	// Each of at most 25 attempts is repeated at most twice by the transport.
	if n := total(w.crm.Requests()) - before; n > 75 {
		t.Errorf("%d requests", n)
	}
	ev, err := w.service.store.Event(t.Context(), "event-42")
	if err != nil || ev.Status != state.Pending || !strings.Contains(ev.Error, "500") || strings.Contains(ev.Error, "@") {
		t.Errorf("the bad one: %v, %+v", err, ev)
	}
	w.stop()
}
