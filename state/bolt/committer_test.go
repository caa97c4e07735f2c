package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crmsync/state"
)

func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		findings, err := s.Verify(context.WithoutCancel(t.Context()))
		if (err != nil && !errors.Is(err, state.ErrClosed)) || len(findings) > 0 {
			t.Errorf("verify: %v, %v", findings, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func message(name string) state.Message {
	return state.Message{
		ID: "evt-" + name, MessageID: "msg_" + name, Type: "call.completed", Key: name, ReceivedAt: time.Now(),
		Lanes: []state.Lane{{Object: "contact", Key: name}}, Body: []byte(name),
	}
}

// inOneGroup runs fns in one transaction, in that order, and returns their
// errors. The committer must have nothing to do meanwhile.
func inOneGroup(s *Store, fns ...func(*group) error) []error {
	ops := make([]*operation, len(fns))
	for i, fn := range fns {
		ops[i] = &operation{run: fn, done: make(chan struct{})}
	}
	s.commit(slices.Clone(ops))
	errs := make([]error, len(ops))
	for i, o := range ops {
		<-o.done
		errs[i] = o.err
	}
	return errs
}

func accepting(s *Store, name string) func(*group) error {
	return func(g *group) error {
		m := message(name)
		payload, err := s.payloads.pack(m.Body)
		g.accept(&m, payload)
		return err
	}
}

func received(t *testing.T, s *Store) int64 {
	t.Helper()
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Received
}

func TestGroup_oneBadOperationHarmsNobody(t *testing.T) {
	s := openTest(t, Options{})
	bad := errors.New("bad")
	errs := inOneGroup(s,
		accepting(s, "a"),
		func(g *group) error { g.put(inbox, []byte("half"), []byte("done")); return bad },
		accepting(s, "b"),
		func(g *group) error { g.put(inbox, nil, nil); return nil }, // bbolt refuses an empty key
		func(g *group) error { panic("page makes no sense") },
		accepting(s, "a"), // a duplicate within the group
	)
	if errs[0] != nil || errs[2] != nil || errs[5] != nil {
		t.Errorf("good operations: %v", errs)
	}
	if !errors.Is(errs[1], bad) || errs[3] == nil || errs[4] == nil || !strings.Contains(errs[4].Error(), "damaged") {
		t.Errorf("bad operations: %v", errs)
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Received != 2 || stats.Duplicates != 1 {
		t.Errorf("got %+v, %v", stats, err)
	}
}

// overfill makes the commit of its group fail.
func overfill(g *group) error {
	g.tx.DB().MaxSize = 1
	g.put(bodies, seqKey(1<<40), make([]byte, 4<<20))
	return nil
}

func TestGroup_failedCommitLeavesNothingBehind(t *testing.T) {
	s := openTest(t, Options{})
	if _, err := s.Accept(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	claimed := func(g *group) error { g.claim(state.ClaimOptions{Max: 10}); return nil }
	for i, err := range inOneGroup(s, accepting(s, "b"), claimed, overfill) {
		if !errors.Is(err, state.ErrFull) {
			t.Errorf("operation %d: got %v, want ErrFull", i, err)
		}
	}
	if err := s.Ready(t.Context()); !errors.Is(err, state.ErrFull) {
		t.Errorf("ready without room: %v", err)
	}
	s.db.MaxSize = 0
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("ready with room again: %v", err)
	}
	c, err := s.Claim(t.Context(), state.ClaimOptions{Max: 10})
	if err != nil || len(c.Events) != 1 || received(t, s) != 1 {
		t.Errorf("claimed %d of %d, %v", len(c.Events), received(t, s), err)
	}
	// And a settlement that could not be committed can be repeated.
	settle := func(g *group) error {
		return g.settle(&state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}})
	}
	if errs := inOneGroup(s, settle, overfill); !errors.Is(errs[0], state.ErrFull) {
		t.Errorf("got %v", errs)
	}
	s.db.MaxSize = 0
	if errs := inOneGroup(s, settle); errs[0] != nil {
		t.Errorf("repeated: %v", errs[0])
	}
}

func TestFull_recoversWhenThereIsRoom(t *testing.T) {
	s := openTest(t, Options{MaxSize: 12 << 20})
	body := make([]byte, 0, 2_000_000)
	for i := range cap(body) / 8 { // does not compress
		body = fmt.Appendf(body, "%08x", uint32(i*2654435761))
	}
	accepted := 0
	for ; accepted < 100; accepted++ {
		m := message(fmt.Sprint(accepted))
		m.Body = body
		_, err := s.Accept(t.Context(), m)
		if errors.Is(err, state.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := received(t, s); accepted == 100 || int64(accepted) != n {
		t.Fatalf("%d accepted, %d received", accepted, n)
	}
	c, err := s.Claim(t.Context(), state.ClaimOptions{Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	var b state.Batch
	for _, e := range c.Events {
		b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: state.Applied})
	}
	if err := s.Settle(t.Context(), b); err != nil {
		t.Fatalf("settling must go on: %v", err)
	}
	if _, err := s.Prune(t.Context(), state.PruneOptions{PayloadsBefore: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), message("again")); err != nil {
		t.Error(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGroup_waitersShareTheNextCommit(t *testing.T) {
	s := openTest(t, Options{})
	running, proceed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.write(t.Context(), func(*group) error { close(running); <-proceed; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-running
	const n = 50
	var mu sync.Mutex
	transactions := make(map[int]bool)
	started := make(chan struct{}, n)
	for i := range n {
		wg.Go(func() {
			started <- struct{}{}
			err := s.write(t.Context(), func(g *group) error {
				mu.Lock()
				defer mu.Unlock()
				transactions[g.tx.ID()] = true
				return accepting(s, fmt.Sprint(i))(g)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range n {
		<-started
	}
	close(proceed)
	wg.Wait()
	if len(transactions) > n/5 {
		t.Errorf("%d writers that waited needed %d commits", n, len(transactions))
	}
}

func TestWrite_returnsWhenItsContextEnds(t *testing.T) {
	s := openTest(t, Options{})
	running, proceed := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		answer <- s.write(ctx, func(g *group) error { close(running); <-proceed; return accepting(s, "a")(g) })
	}()
	<-running
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("running: got %v", err)
	}
	// The committer is busy, so this one is not even taken.
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		_, err := s.Accept(ctx, message("b"))
		answer <- err
	}()
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: got %v", err)
	}
	close(proceed)
	if _, err := s.Accept(t.Context(), message("c")); err != nil {
		t.Error(err)
	}
	if n := received(t, s); n != 2 {
		t.Errorf("received %d: the one that ran commits, the one that waited does not", n)
	}
}

func TestClose_answersEverybody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const writers = 16
	counts := make(chan int64, writers)
	first := make(chan struct{}, writers)
	for w := range writers {
		go func() {
			var n int64
			for i := 0; ; i++ {
				_, err := s.Accept(context.Background(), message(fmt.Sprint(w, "-", i)))
				if err != nil {
					if !errors.Is(err, state.ErrClosed) {
						t.Errorf("got %v", err)
					}
					break
				}
				if n++; n == 1 {
					first <- struct{}{}
				}
			}
			counts <- n
		}()
	}
	for range writers {
		<-first
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	var acknowledged int64
	for range writers {
		acknowledged += <-counts
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := received(t, s); n != acknowledged {
		t.Errorf("%d acknowledged, %d stored", acknowledged, n)
	}
}

// What is given back can be claimed again though the file takes nothing now, and
// only once.
func TestRelease_NeedsNoCommit(t *testing.T) {
	s := openTest(t, Options{})
	if _, err := s.Accept(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	claimed := func() (seqs []uint64) {
		c, err := s.Claim(t.Context(), state.ClaimOptions{Max: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range c.Events {
			seqs = append(seqs, ev.Seq)
		}
		return seqs
	}
	r := release{seqs: claimed()}
	if errs := inOneGroup(s, r.run, overfill); !errors.Is(errs[0], state.ErrFull) {
		t.Fatalf("got %v, want ErrFull", errs)
	}
	s.db.MaxSize = 0
	seqs := claimed()
	if len(seqs) != 1 {
		t.Fatalf("claimed %v, want one event", seqs)
	}
	var again []state.Event
	r = release{seqs: seqs}
	inOneGroup(s,
		func(g *group) error { again = g.claim(state.ClaimOptions{Max: 10}).Events; return nil },
		r.run,
		func(*group) error { return errors.New("makes the others run again") },
	)
	if len(again) != 1 {
		t.Fatalf("the second attempt claimed %v, want one event", again)
	}
	if seqs := claimed(); len(seqs) != 0 {
		t.Errorf("%v is in two claims", seqs)
	}
}

// A rebind that is not committed lets the lanes of delayed events rest on.
func TestRebind_UndoneKeepsLanesResting(t *testing.T) {
	s := openTest(t, Options{})
	if _, err := s.Accept(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	claim, err := s.Claim(t.Context(), state.ClaimOptions{Max: 1})
	if err != nil || len(claim.Events) != 1 {
		t.Fatal(claim, err)
	}
	later := state.Settlement{Seq: claim.Events[0].Seq, Status: state.Pending, NotBefore: time.Now().Add(time.Hour)}
	if err := s.Settle(t.Context(), state.Batch{Settlements: []state.Settlement{later}}); err != nil {
		t.Fatal(err)
	}
	undone := errors.New("undone")
	if errs := inOneGroup(s, func(g *group) error { return errors.Join(g.rebind(), undone) }); !errors.Is(errs[0], undone) {
		t.Fatal(errs)
	}
	newer := message("b")
	newer.Lanes = message("a").Lanes
	if _, err := s.Accept(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	claim, err = s.Claim(t.Context(), state.ClaimOptions{Max: 10})
	if err != nil || len(claim.Events) > 0 {
		t.Errorf("claimed %v %v", claim.Events, err)
	}
}
