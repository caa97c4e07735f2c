package app

import (
	"path/filepath"
	"testing"
	"time"

	"crmsync/connector/config"
	"crmsync/state"
	"crmsync/state/bolt"
)

// endedEvent stores an event received at one time and settled at another.
func endedEvent(t *testing.T, path, id string, received, settled time.Time) {
	t.Helper()
	now := received
	store, err := bolt.Open(path, bolt.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	lane := state.Lane{Object: "contact", Key: id}
	m := state.Message{MessageID: id, Type: "user.created", Key: id, Lanes: []state.Lane{lane}, Body: []byte("{}"), ReceivedAt: received}
	if _, err := store.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	claim, err := store.Claim(t.Context(), state.ClaimOptions{Max: 10})
	if err != nil || len(claim.Events) != 1 {
		t.Fatalf("claim: %v %v", claim, err)
	}
	now = settled
	done := state.Settlement{Seq: claim.Events[0].Seq, Status: state.Skipped, Reason: state.ReasonFiltered}
	if err := store.Settle(t.Context(), state.Batch{Settlements: []state.Settlement{done}}); err != nil {
		t.Fatal(err)
	}
}

// How long an event is kept counts from its settlement: one that waited for
// months for its CRM can still be looked at and replayed. A wall clock that was
// wrong keeps too much for a while, and takes nothing that is not old by both
// what it said then and what it says now.
func TestRetention_CountsFromTheSettlement(t *testing.T) {
	const day = 24 * time.Hour
	cfg := &config.Config{EventRetention: 90 * day, PayloadRetention: 7 * day}
	ago := func(days int) time.Time { return testNow.Add(-time.Duration(days) * day) }
	for _, tt := range []struct {
		name              string
		received, settled time.Time
		now               time.Time
		line, payload     bool
	}{
		{"fresh", ago(1), ago(1), testNow, true, true},
		{"a payload that is old", ago(8), ago(8), testNow, true, false},
		{"a line that is old", ago(91), ago(91), testNow, false, false},
		{"received long ago, settled lately", ago(200), ago(6), testNow, true, true},
		{"the payload of one received long ago", ago(200), ago(8), testNow, true, false},
		{"settled before it was received", ago(1), ago(91), testNow, false, false},
		{"settled while the clock was ahead", ago(1), ago(-400), testNow, true, true},
		{"and the clock is back where it was", ago(1), ago(-400), testNow.Add(491 * day), false, false},
		{"the clock jumps back", ago(8), ago(8), ago(300), true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "crmsync.db")
			endedEvent(t, path, "m1", tt.received, tt.settled)
			store, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			for range 2 { // the second finds nothing to do
				if _, err := store.Prune(t.Context(), outdated(cfg, tt.now)); err != nil {
					t.Fatal(err)
				}
			}
			e, err := store.Event(t.Context(), "m1")
			if line, payload := err == nil, e.Body != nil; line != tt.line || payload != tt.payload {
				t.Errorf("line kept %t, payload kept %t, want %t and %t", line, payload, tt.line, tt.payload)
			}
			s, err := store.Stats(t.Context())
			if err != nil || !s.Balanced() || s.Received != 1 {
				t.Errorf("counts %+v, %v", s, err)
			}
			if found, err := store.Verify(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
}
