package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"crmsync/state"
)

// TestVerify_findsEveryKindOfDamage breaks one invariant at a time.
func TestVerify_findsEveryKindOfDamage(t *testing.T) {
	contact := state.Lane{Object: "contact", Key: "x"}
	tests := []struct {
		name   string
		damage func(g *group)
		want   string
	}{
		{"a line that does not decode", func(g *group) { g.put(inbox, seqKey(1), []byte("junk")) }, codeValue},
		{"a pending line in the ledger", func(g *group) {
			e, _ := g.event(inbox, 1)
			g.delete(inbox, seqKey(1))
			g.putEvent(ledger, &e)
		}, codeStatus},
		{"a line in both places", func(g *group) {
			e, _ := g.event(ledger, 2)
			g.putEvent(inbox, &e)
		}, codeStatus},
		{"an event id without entry", func(g *group) { g.delete(ids, packID("evt-a")) }, codeMissing},
		{"a message id without entry", func(g *group) { g.delete(messages, packID("msg_b")) }, codeMissing},
		{"an id that leads nowhere", func(g *group) { g.put(ids, packID("x"), seqKey(99)) }, codeDangling},
		{"an id that leads elsewhere", func(g *group) { g.put(messages, packID("x"), seqKey(1)) }, codeDangling},
		{"a pending event that is not queued", func(g *group) { g.delete(queue, queueKey(maskOf("contact"), 1)) }, codeMissing},
		{"a pending event with another mask", func(g *group) {
			g.delete(queue, queueKey(maskOf("contact"), 1))
			g.put(queue, queueKey(maskOf("company"), 1), []byte{})
		}, codeDangling},
		{"a pending event that is queued and delayed", func(g *group) {
			g.put(delayed, delayedKey(maskOf("contact"), time.Time{}, 1), []byte{})
		}, codeMissing},
		{"an ended event that is queued", func(g *group) { g.put(queue, queueKey(maskOf("contact"), 2), []byte{}) }, codeDangling},
		{"a delayed key of the wrong length", func(g *group) { g.put(delayed, []byte("x"), []byte{}) }, codeValue},
		{"a pending event without payload", func(g *group) { g.delete(bodies, seqKey(1)) }, codePayload},
		{"a dead event without payload", func(g *group) { g.delete(bodies, seqKey(2)) }, codePayload},
		{"a payload that does not unpack", func(g *group) { g.put(bodies, seqKey(1), []byte("\x05junk")) }, codeValue},
		{"a payload without line", func(g *group) { g.put(bodies, seqKey(99), []byte("x")) }, codeOrphan},
		{"a count that is off", func(g *group) { g.sums.Counts[state.Dead]++ }, codeTotals},
		{"a total that is off", func(g *group) { g.sums.Received++ }, codeTotals},
		{"a reason that is off", func(g *group) { g.sums.Reasons["dead/refused"]++ }, codeTotals},
		{"a waiting count that is off", func(g *group) { g.sums.Waiting++ }, codeTotals},
		{"a waiting entry that does not parse", func(g *group) { g.put(waiting, []byte("\xffx"), []byte{}) }, codeValue},
		{"a known target that is not ready", func(g *group) { g.delete(ready, laneKey(contact)) }, codeReady},
		{"a ready target that nobody waits for", func(g *group) { g.put(ready, []byte("\x01zz"), []byte{}) }, codeReady},
		{"a link that does not decode", func(g *group) { g.put(links, laneKey(contact), []byte("junk")) }, codeValue},
		{"a binding that does not decode", func(g *group) { g.put(singleton, keyBinding, []byte("junk")) }, codeValue},
		{"a pause that does not decode", func(g *group) { g.put(singleton, keyPaused, []byte("junk")) }, codeValue},
		{"a mark that does not decode", func(g *group) { g.put(doubt, laneKey(contact), []byte("junk")) }, codeValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := damagedStore(t, func(g *group) error { g.dirty = true; tt.damage(g); return nil })
			findings, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(findings, func(f state.Finding) bool { return f.Code == tt.want }) {
				t.Errorf("got %v, want %s", findings, tt.want)
			}
		})
	}
}

// damagedStore holds a pending event (1), a dead one (2) and a ready link, all
// well but for what damage did.
func damagedStore(t *testing.T, damage func(*group) error) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	x := state.Lane{Object: "contact", Key: "x"}
	prepare := func(g *group) error {
		g.claim(state.ClaimOptions{Max: 2})
		g.free(1)
		return g.settle(&state.Batch{
			Settlements: []state.Settlement{{Seq: 2, Status: state.Dead, Reason: state.ReasonRefused}},
			Links:       []state.Link{{Lane: x, RemoteID: "1"}},
			Waiting:     []state.Waiting{{Kind: state.WaitLink, Target: x, Record: state.Lane{Object: "activity", Key: "y"}}},
		})
	}
	for _, err := range inOneGroup(s, accepting(s, "a"), accepting(s, "b"), prepare) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if findings, err := s.Verify(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("before the damage: %v, %v", findings, err)
	}
	if errs := inOneGroup(s, damage); errs[0] != nil {
		t.Fatal(errs[0])
	}
	return s
}

// The pages of one commit are looked at while others are made: nobody waits, and
// what is written meanwhile is not taken for damage.
func TestVerify_keepsNoWriterWaiting(t *testing.T) {
	s := openTest(t, Options{})
	churn := func(round string) {
		for i := range 50 {
			if _, err := s.Accept(t.Context(), message(fmt.Sprintf("%s-%d", round, i))); err != nil {
				t.Fatal(err)
			}
		}
		claim, err := s.Claim(t.Context(), state.ClaimOptions{Max: 40})
		if err != nil {
			t.Fatal(err)
		}
		var b state.Batch
		for _, e := range claim.Events {
			b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: state.Skipped, Reason: state.ReasonFiltered})
		}
		if err := s.Settle(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prune(t.Context(), state.PruneOptions{EventsBefore: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	churn("before")
	v := &verifier{ctx: t.Context(), payloads: s.payloads}
	w, commit, err := s.freeze(v)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		churn(fmt.Sprint("during", i))
	}
	if err := errors.Join(w.run(), w.file.Close(), commit.Rollback()); err != nil {
		t.Fatal(err)
	}
	if len(v.findings) > 0 {
		t.Errorf("found %v", v.findings)
	}
}
