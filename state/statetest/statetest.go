package statetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"crmsync/state"
)

// Harness makes the stores that the suite tests.
type Harness struct {
	// Open returns an empty store that takes the time from now. The suite
	// closes it.
	Open func(t testing.TB, now func() time.Time) state.Store
	// Reopen closes s and opens the same state again: what a restart does.
	Reopen func(t testing.TB, s state.Store, now func() time.Time) state.Store
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"Accept", acceptTests},
		{"Claim", claimTests},
		{"Settle", settleTests},
		{"Links", linkTests},
		{"Queries", queryTests},
		{"Requeue", requeueTests},
		{"Resync", resyncTests},
		{"Mapped", mappedTests},
		{"Discard", discardTests},
		{"Pause", pauseTests},
		{"Rebind", rebindTests},
		{"Prune", pruneTests},
		{"Lifecycle", lifecycleTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, tt := range g.tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(newFixture(t, h)) })
			}
		})
	}
	t.Run("Model", func(t *testing.T) { runModel(t, h) })
}

// test is one rule of the contract.
type test struct {
	name string
	run  func(*fixture)
}

// epoch is when every test starts.
var epoch = time.Date(2026, 11, 18, 15, 42, 9, 318204511, time.UTC)

// clock is the time of a store, moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is one store with helpers that fail the test.
type fixture struct {
	*testing.T
	ctx   context.Context
	h     Harness
	clock *clock
	store state.Store
}

func newFixture(t *testing.T, h Harness) *fixture {
	f := &fixture{T: t, ctx: t.Context(), h: h, clock: &clock{now: epoch}}
	f.store = h.Open(t, f.clock.Now)
	t.Cleanup(func() {
		f.ctx = context.WithoutCancel(f.ctx) // t.Context has ended by now
		f.checkConsistent()
		if err := f.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

// checkConsistent is what must hold after any history.
func (f *fixture) checkConsistent() {
	f.Helper()
	if stats := f.stats(); !stats.Balanced() {
		f.Errorf("counts do not add up: received %d, counts %v", stats.Received, stats.Counts)
	}
	findings, err := f.store.Verify(f.ctx)
	if err != nil {
		f.Errorf("verify: %v", err)
	}
	for _, finding := range findings {
		f.Errorf("verify: %s: %s", finding.Code, finding.Message)
	}
}

func (f *fixture) reopen() {
	f.Helper()
	f.store = f.h.Reopen(f.T, f.store, f.clock.Now)
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func lane(object, key string) state.Lane { return state.Lane{Object: object, Key: key} }

func activity(key string) state.Lane { return lane("activity", key) }
func contact(key string) state.Lane  { return lane("contact", key) }
func company(key string) state.Lane  { return lane("company", key) }

// call is a delivery about a call, which writes the activity and the contact
// of a user of the same name.
func (f *fixture) call(name string, lanes ...state.Lane) state.Message {
	if len(lanes) == 0 {
		lanes = []state.Lane{activity(name), contact(name)}
	}
	return state.Message{
		ID: "evt-" + name, MessageID: "msg_" + name, Type: "call.completed", Key: name,
		OccurredAt: epoch.Add(-time.Minute), Lanes: lanes,
		Body: fmt.Appendf(nil, `{"call":{"id":%q}}`, name), ReceivedAt: f.clock.Now(), SignedBy: state.Signer{Secret: 2, Of: 3},
	}
}

func (f *fixture) accept(m state.Message, want state.Outcome) state.Receipt {
	f.Helper()
	r, err := f.store.Accept(f.ctx, m)
	f.ok(err)
	if r.Outcome != want {
		f.Fatalf("accept %s: got outcome %d, want %d", m.MessageID, r.Outcome, want)
	}
	return r
}

// add accepts one call for each name.
func (f *fixture) add(names ...string) {
	f.Helper()
	for _, name := range names {
		f.accept(f.call(name), state.Added)
	}
}

func (f *fixture) claim(o state.ClaimOptions) state.Claim {
	f.Helper()
	if o.Max == 0 {
		o.Max = 100
	}
	c, err := f.store.Claim(f.ctx, o)
	f.ok(err)
	return c
}

// claimed claims and checks the event ids.
func (f *fixture) claimed(o state.ClaimOptions, want ...string) state.Claim {
	f.Helper()
	c := f.claim(o)
	var got []string
	for _, e := range c.Events {
		got = append(got, e.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.Fatalf("claim %+v: got %v, want %v", o, got, want)
	}
	return c
}

func (f *fixture) settle(b state.Batch) {
	f.Helper()
	f.ok(f.store.Settle(f.ctx, b))
}

// end claims everything and ends the events as st says.
func (f *fixture) end(st state.Settlement) {
	f.Helper()
	var b state.Batch
	for _, e := range f.claim(state.ClaimOptions{}).Events {
		s := st
		s.Seq = e.Seq
		b.Settlements = append(b.Settlements, s)
	}
	f.settle(b)
}

func (f *fixture) event(id string) state.Event {
	f.Helper()
	e, err := f.store.Event(f.ctx, id)
	f.ok(err)
	return e
}

func (f *fixture) stats() state.Stats {
	f.Helper()
	s, err := f.store.Stats(f.ctx)
	f.ok(err)
	return s
}

// counts checks the number of events by status; those not named must be 0.
func (f *fixture) counts(want map[state.Status]int64) {
	f.Helper()
	for status, got := range f.stats().Counts {
		if got != want[status] {
			f.Errorf("%s: got %d, want %d", status, got, want[status])
		}
	}
}

// equal compares two values that print everything.
func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		f.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
