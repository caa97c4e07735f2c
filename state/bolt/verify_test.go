package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// TestVerify_findsEveryKindOfDamage breaks one invariant at a time.
func TestVerify_findsEveryKindOfDamage(t *testing.T) {
	contact, activity := state.Lane{Object: "contact", Key: "x"}, state.Lane{Object: "activity", Key: "y"}
	contacts := maskOf("contact")
	tests := []struct {
		name   string
		damage func(g *group)
		code   string
		says   string
	}{
		{"a line that does not decode", func(g *group) { g.put(inbox, seqKey(1), []byte("junk")) }, codeValue, "inbox line 1"},
		{"a line that is cut off", func(g *group) { cut(g, ledger, seqKey(2)) }, codeValue, "ledger line 2"},
		{"a line of no status", func(g *group) { edit(g, ledger, seqKey(2), 1, 9) }, codeValue, "status code 9"},
		{"a line of another version", func(g *group) { edit(g, ledger, seqKey(2), 0, 9) }, codeValue, "not of version 1"},
		{"a line under a key that is no number", func(g *group) {
			g.put(ledger, []byte("x"), bytes.Clone(g.get(ledger, seqKey(2))))
		}, codeMissing, "event id of line 0 leads to line 2"},
		{"a line that is gone", func(g *group) { g.delete(ledger, seqKey(2)) }, codeDangling, "ids: an entry leads to line 2"},
		{"a pending line in the ledger", func(g *group) {
			e, _ := g.event(inbox, 1)
			g.delete(inbox, seqKey(1))
			g.putEvent(ledger, &e)
		}, codeStatus, "ledger line 1 is pending"},
		{"an ended line in the inbox", func(g *group) {
			e, _ := g.event(ledger, 2)
			g.delete(ledger, seqKey(2))
			g.putEvent(inbox, &e)
		}, codeStatus, "inbox line 2 is dead"},
		{"a line in both places", func(g *group) {
			e, _ := g.event(ledger, 2)
			g.putEvent(inbox, &e)
		}, codeStatus, "line 2 is pending and ended"},
		{"an ended line that never ended", func(g *group) {
			e, _ := g.event(ledger, 2)
			e.SettledAt = time.Time{}
			g.putEvent(ledger, &e)
		}, codeStatus, "ledger line 2 is dead, settled: false"},
		{"a pending line that has ended", func(g *group) {
			e, _ := g.event(inbox, 1)
			e.SettledAt = time.Unix(99, 0)
			g.putEvent(inbox, &e)
		}, codeStatus, "inbox line 1 is pending, settled: true"},
		{"a number that will be given again", func(g *group) { g.fail(g.bucket(inbox).SetSequence(1)) }, codeSequence, "would become line 2, there is a line 2"},

		{"an event id without entry", func(g *group) { g.delete(ids, packID("evt-a")) }, codeMissing, "event id of line 1"},
		{"a message id without entry", func(g *group) { g.delete(messages, packID("msg_b")) }, codeMissing, "message id of line 2"},
		{"two events of one id", func(g *group) { g.put(ids, packID("evt-a"), seqKey(2)) }, codeMissing, "event id of line 1 leads to line 2"},
		{"an event id that leads nowhere", func(g *group) { g.put(ids, packID("x"), seqKey(99)) }, codeDangling, "ids: an entry leads to line 99"},
		{"a message id that leads nowhere", func(g *group) { g.put(messages, packID("x"), seqKey(99)) }, codeDangling, "messages: an entry leads to line 99"},
		{"an event id that leads elsewhere", func(g *group) { g.put(ids, packID("x"), seqKey(1)) }, codeDangling, "ids: an entry leads to line 1"},
		{"a message id that leads elsewhere", func(g *group) { g.put(messages, packID("x"), seqKey(1)) }, codeDangling, "messages: an entry leads to line 1"},
		{"an id that leads to no number", func(g *group) { g.put(ids, packID("x"), []byte("x")) }, codeDangling, "ids: an entry leads to line 0"},
		{"an id of no known form", func(g *group) { g.put(messages, []byte("\x07x"), seqKey(1)) }, codeValue, "messages: id of unknown form 7"},

		{"a pending event that is not queued", func(g *group) { g.delete(queue, queueKey(contacts, 1)) }, codeMissing, "line 1: queued false, delayed false"},
		{"a pending event that is queued and delayed", func(g *group) {
			g.put(delayed, delayedKey(contacts, time.Time{}, 1), []byte{})
		}, codeMissing, "line 1: queued true, delayed true"},
		{"a pending event that is delayed to another time", func(g *group) {
			g.put(delayed, delayedKey(contacts, time.Unix(99, 0), 1), []byte{})
		}, codeDangling, "delayed: an entry leads to line 1, which is due at another time"},
		{"a pending event with another mask", func(g *group) {
			g.put(queue, queueKey(maskOf("company"), 1), []byte{})
		}, codeDangling, "queue: an entry of mask 2 leads to line 1"},
		{"an ended event that is queued", func(g *group) { g.put(queue, queueKey(contacts, 2), []byte{}) }, codeDangling, "queue: an entry of mask 4 leads to line 2"},
		{"an ended event that is delayed", func(g *group) { g.put(delayed, delayedKey(contacts, time.Time{}, 2), []byte{}) }, codeDangling, "delayed: an entry of mask 4 leads to line 2"},
		{"a queue entry that leads nowhere", func(g *group) { g.put(queue, queueKey(contacts, 99), []byte{}) }, codeDangling, "leads to line 99"},
		{"a delayed entry that leads nowhere", func(g *group) { g.put(delayed, delayedKey(contacts, time.Time{}, 99), []byte{}) }, codeDangling, "leads to line 99"},
		{"a queue key of the wrong length", func(g *group) { g.put(queue, []byte("x"), []byte{}) }, codeValue, "queue: key of 1 bytes"},
		{"a delayed key of the wrong length", func(g *group) { g.put(delayed, []byte("x"), []byte{}) }, codeValue, "delayed: key of 1 bytes"},

		{"a pending event without payload", func(g *group) { g.delete(bodies, seqKey(1)) }, codePayload, "line 1 (pending)"},
		{"a dead event without payload", func(g *group) { g.delete(bodies, seqKey(2)) }, codePayload, "line 2 (dead)"},
		{"a payload that does not unpack", func(g *group) { g.put(bodies, seqKey(1), []byte("\x05junk")) }, codeValue, "payload of line 1"},
		{"a payload that is cut off", func(g *group) { cut(g, bodies, seqKey(2)) }, codeValue, "payload of line 2"},
		{"a payload of another size", func(g *group) { edit(g, bodies, seqKey(2), 0, 99) }, codeValue, "payload of line 2"},
		{"a payload under a key that is no number", func(g *group) { g.put(bodies, []byte("x"), []byte("x")) }, codeOrphan, "payload 0 has no line"},
		{"a payload without line", func(g *group) { g.put(bodies, seqKey(99), []byte("x")) }, codeOrphan, "payload 99 has no line"},

		{"a count that is off", func(g *group) { g.sums.Counts[state.Dead]++ }, codeTotals, "2 events are counted as dead, lines and pruned ones make 1"},
		{"a pruned count that is off", func(g *group) { g.sums.Pruned[state.Stale]++ }, codeTotals, "0 events are counted as stale, lines and pruned ones make 1"},
		{"counts that are off together", func(g *group) { g.sums.Counts[state.Stale]--; g.sums.Pruned[state.Stale]--; g.sums.Received-- }, codeTotals, "stale: -1"},
		{"a count of no status", func(g *group) { g.sums.Counts["lost"]++ }, codeTotals, `counted as "lost"`},
		{"a total that is off", func(g *group) { g.sums.Received++ }, codeTotals, "3 events were received, the statuses add up to 2"},
		{"a negative total", func(g *group) { g.sums.Duplicates = -1 }, codeTotals, "duplicates: -1"},
		{"a negative count of rejections", func(g *group) { g.sums.Rejected["bad_id"] = -1 }, codeTotals, "rejected as bad_id: -1"},
		{"a reason that is off", func(g *group) { g.sums.Reasons["dead/refused"]++ }, codeTotals, "2 events are counted as dead/refused"},
		{"a reason that is lost", func(g *group) { delete(g.sums.Reasons, "dead/refused") }, codeTotals, "0 events are counted as dead/refused"},
		{"a waiting count that is off", func(g *group) { g.sums.Waiting++ }, codeTotals, "2 waiting links are counted, there are 1"},

		{"a count by mapping that is off", func(g *group) { g.sums.Mapped["\x03"]++ }, codeTotals, "2 records are counted as written by mapping 03, there are 1"},
		{"a count by mapping that is lost", func(g *group) { delete(g.sums.Mapped, "\x01") }, codeTotals, "0 records are counted as written by mapping 01, there are 1"},
		{"a count of no mapping", func(g *group) { g.sums.Mapped[""]++ }, codeTotals, "1 records are counted as written by mapping , there are 0"},
		{"a record that is not counted", func(g *group) {
			value, err := encodeLink(&state.Link{RemoteID: "3", Mapping: []byte{7}})
			g.fail(err)
			g.put(links, []byte("\x02z"), value)
		}, codeTotals, "0 records are counted as written by mapping 0207, there are 1"},

		{"a waiting entry that does not parse", func(g *group) { g.put(waiting, []byte("\xffx"), []byte{}) }, codeValue, "waiting entry of 2 bytes"},
		{"a waiting entry of no kind", func(g *group) {
			g.put(waiting, waitingKey(state.Waiting{Kind: 7, Target: contact, Record: activity}), []byte{})
		}, codeValue, "waiting: kind 7"},
		{"a waiting link without the record", func(g *group) { g.delete(links, laneKey(activity)) }, codeUnmade, "the activity that waits for a contact is not known"},
		{"a record without link that waits for a value", func(g *group) {
			g.put(waiting, waitingKey(state.Waiting{Kind: state.WaitValue, Target: contact, Record: state.Lane{Object: "company", Key: "z"}}), []byte{})
		}, codeUnmade, "the company that waits for a contact is not known"},
		{"a known target that is not ready", func(g *group) { g.delete(ready, laneKey(contact)) }, codeReady, "known true, in the index of ready ones false"},
		{"a ready target that is not known", func(g *group) { g.delete(links, laneKey(contact)) }, codeReady, "known false, in the index of ready ones true"},
		{"a ready target that nobody waits for", func(g *group) { g.put(ready, []byte("\x01zz"), []byte{}) }, codeReady, "a activity is ready although"},
		{"a ready target that does not parse", func(g *group) { g.put(ready, []byte("\x09zz"), []byte{}) }, codeValue, "ready: lane of 3 bytes"},

		{"a link that does not decode", func(g *group) { g.put(links, laneKey(contact), []byte("junk")) }, codeValue, "links:"},
		{"a link that is cut off", func(g *group) { cut(g, links, laneKey(contact)) }, codeValue, "links:"},
		{"a link of no object", func(g *group) { g.put(links, []byte("\x09x"), []byte{codecVersion, 0xa0}) }, codeValue, "links: lane of 2 bytes"},
		{"a mark that does not decode", func(g *group) { g.put(doubt, laneKey(contact), []byte("junk")) }, codeValue, "doubt:"},
		{"a mark of no object", func(g *group) { g.put(doubt, []byte("\x09x"), []byte{codecVersion, 0xa0}) }, codeValue, "doubt: lane of 2 bytes"},
		{"a binding that does not decode", func(g *group) { g.put(singleton, keyBinding, []byte("junk")) }, codeValue, "binding:"},
		{"a pause that does not decode", func(g *group) { g.put(singleton, keyPaused, []byte("junk")) }, codeValue, "pause:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := damagedStore(t, func(g *group) error { g.dirty = true; tt.damage(g); return nil })
			findings, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(findings, func(f state.Finding) bool { return f.Code == tt.code && strings.Contains(f.Message, tt.says) }) {
				t.Errorf("got %v, want %s: %s", findings, tt.code, tt.says)
			}
		})
	}
}

// Every commit writes the totals anew, so they are damaged behind its back.
func TestVerify_findsDamagedTotals(t *testing.T) {
	s := damagedStore(t, func(*group) error { return nil })
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(singleton)).Put(keyTotals, []byte("junk"))
	})
	if err != nil {
		t.Fatal(err)
	}
	findings, err := s.Verify(t.Context())
	if err != nil || len(findings) == 0 || !strings.Contains(findings[0].Message, "decode totals") {
		t.Errorf("got %v, %v", findings, err)
	}
}

// cut takes the last byte of a value off.
func cut(g *group, from bucket, key []byte) {
	value := bytes.Clone(g.get(from, key))
	g.put(from, key, value[:len(value)-1])
}

// edit changes one byte of a value.
func edit(g *group, from bucket, key []byte, at int, to byte) {
	value := bytes.Clone(g.get(from, key))
	value[at] = to
	g.put(from, key, value)
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
	x, y := state.Lane{Object: "contact", Key: "x"}, state.Lane{Object: "activity", Key: "y"}
	prepare := func(g *group) error {
		g.claim(state.ClaimOptions{Max: 2})
		g.free(1)
		return g.settle(&state.Batch{
			Settlements: []state.Settlement{{Seq: 2, Status: state.Dead, Reason: state.ReasonRefused}},
			Links:       []state.Link{{Lane: x, RemoteID: "1"}, {Lane: y, RemoteID: "2"}},
			Waiting:     []state.Waiting{{Kind: state.WaitLink, Target: x, Record: y}},
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
