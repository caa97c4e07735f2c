package bolt

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// richStore holds something in every bucket.
func richStore(t *testing.T) *Store {
	t.Helper()
	s := openTest(t, Options{})
	x, y, z := state.Lane{Object: "contact", Key: "x"}, state.Lane{Object: "activity", Key: "y"}, state.Lane{Object: "company", Key: "z"}
	fill := func(g *group) error {
		g.claim(state.ClaimOptions{Max: 5})
		return g.settle(&state.Batch{
			Settlements: []state.Settlement{
				{Seq: 1, Status: state.Pending},
				{Seq: 2, Status: state.Pending, NotBefore: time.Now().Add(time.Hour)},
				{Seq: 3, Status: state.Dead, Reason: state.ReasonRefused},
				{Seq: 4, Status: state.Applied},
				{Seq: 5, Status: state.Skipped, Reason: state.ReasonFiltered},
			},
			Links: []state.Link{{Lane: x, RemoteID: "1"}, {Lane: y, RemoteID: "2"}},
			Waiting: []state.Waiting{
				{Kind: state.WaitLink, Target: x, Record: y}, {Kind: state.WaitLink, Target: z, Record: y}, {Kind: state.WaitValue, Target: y, Record: x},
			},
			Binding: &state.Binding{Kind: "fake", Account: "a", IDField: "id"},
		})
	}
	var accept []func(*group) error
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		accept = append(accept, accepting(s, name))
	}
	errs := inOneGroup(s, append(accept, fill)...)
	errs = append(errs, s.MarkInDoubt(t.Context(), time.Now(), z), s.SetPaused(t.Context(), time.Now()))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return s
}

// entry is one entry of a bucket.
type entry struct {
	bucket
	key, value []byte
}

// entriesOf returns all of them but what says that this is a state, without
// which the file is not opened.
func entriesOf(t *testing.T, s *Store) (all []entry) {
	t.Helper()
	err := s.view(t.Context(), func(tb *tables) error {
		for name := range buckets {
			n := len(all)
			for k, v := range tb.all(name) {
				if !bytes.Equal(k, keyFormat) {
					all = append(all, entry{name, bytes.Clone(k), bytes.Clone(v)})
				}
			}
			if len(all) == n {
				t.Errorf("bucket %s is empty", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// foundAfter returns what is found after a change, which is taken back.
func foundAfter(t *testing.T, s *Store, change func(*bbolt.Tx) error) []state.Finding {
	t.Helper()
	tx, err := s.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	v := &verifier{ctx: t.Context(), payloads: s.payloads}
	if err := errors.Join(change(tx), v.check(newTables(tx)), tx.Rollback()); err != nil {
		t.Fatal(err)
	}
	return v.findings
}

// mayGo says which entries nothing leads to: they may never have been there.
func mayGo(e entry) bool {
	switch e.bucket {
	case bodies: // pruned
		return slices.Contains([]uint64{4, 5}, parseSeq(e.key))
	case doubt:
		return true
	case waiting: // values are not counted
		w, err := parseWaiting(e.key)
		return err == nil && w.Kind == state.WaitValue
	case singleton:
		return bytes.Equal(e.key, keyBinding) || bytes.Equal(e.key, keyPaused)
	}
	return false
}

// Of a state with something in every bucket each entry is taken away, cut, or
// put under another key.
func TestVerify_noticesEveryEntry(t *testing.T) {
	s := richStore(t)
	if found := foundAfter(t, s, func(*bbolt.Tx) error { return nil }); len(found) > 0 {
		t.Fatalf("of a sound state: %v", found)
	}
	for _, e := range entriesOf(t, s) {
		in := func(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(e.bucket)) }
		if found := foundAfter(t, s, func(tx *bbolt.Tx) error { return in(tx).Delete(e.key) }); len(found) == 0 && !mayGo(e) {
			t.Errorf("%s: %x is gone, and nothing is found", e.bucket, e.key)
		}
		if e.bucket == singleton {
			continue // unknown keys are those of a later release
		}
		longer := append(bytes.Clone(e.key), 1)
		if found := foundAfter(t, s, func(tx *bbolt.Tx) error { return in(tx).Put(longer, e.value) }); len(found) == 0 && e.bucket != links && e.bucket != doubt {
			t.Errorf("%s: %x is new, and nothing is found", e.bucket, longer)
		}
		if len(e.value) == 0 {
			continue
		}
		cut := e.value[:len(e.value)-1]
		if found := foundAfter(t, s, func(tx *bbolt.Tx) error { return in(tx).Put(e.key, cut) }); len(found) == 0 {
			t.Errorf("%s: the value of %x is cut, and nothing is found", e.bucket, e.key)
		}
	}
}
