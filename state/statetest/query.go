package statetest

import (
	"errors"
	"time"

	"crmsync/state"
)

var queryTests = []test{
	{"lists events, newest first", func(f *fixture) {
		f.add("c1", "c2", "c3")
		c := f.claim(state.ClaimOptions{Max: 2})
		f.settle(state.Batch{Settlements: []state.Settlement{
			{Seq: c.Events[0].Seq, Status: state.Applied}, {Seq: c.Events[1].Seq, Status: state.Dead, Reason: state.ReasonGaveUp},
		}})
		f.clock.Advance(time.Hour)
		m := f.call("c4")
		m.Type = "user.created"
		f.accept(m, state.Added)
		third := f.event("evt-c3").Seq

		f.events(state.EventFilter{}, "evt-c4", "evt-c3", "evt-c2", "evt-c1")
		f.events(state.EventFilter{Limit: 3}, "evt-c4", "evt-c3", "evt-c2")
		f.events(state.EventFilter{Before: third}, "evt-c2", "evt-c1")
		f.events(state.EventFilter{Before: third + 100, Limit: 1}, "evt-c4")
		f.events(state.EventFilter{Before: 1})
		f.events(state.EventFilter{Status: state.Pending}, "evt-c4", "evt-c3")
		f.events(state.EventFilter{Status: state.Dead}, "evt-c2")
		f.events(state.EventFilter{Status: state.Stale})
		f.events(state.EventFilter{Type: "user.created"}, "evt-c4")
		f.events(state.EventFilter{Type: "call.completed", Limit: 1}, "evt-c3")
		f.events(state.EventFilter{Since: epoch.Add(time.Hour)}, "evt-c4")
		f.events(state.EventFilter{Since: epoch.Add(time.Hour + 1)})
	}},
	{"finds an event by either id", func(f *fixture) {
		f.add("c1")
		f.equal("event", f.event("msg_c1"), f.event("evt-c1"))
		for _, id := range []string{"", "evt-c", "evt-c11"} {
			if _, err := f.store.Event(f.ctx, id); !errors.Is(err, state.ErrNotFound) {
				f.Errorf("%q: got %v", id, err)
			}
		}
	}},
	{"counts", func(f *fixture) {
		if s := f.stats(); s.Received != 0 || !s.OldestPending.IsZero() || s.Binding != nil || len(s.Counts) != 6 {
			f.Errorf("got %+v", s)
		}
		f.add("c1")
		f.clock.Advance(time.Hour)
		f.add("c2")
		f.equal("oldest", f.stats().OldestPending, epoch)
		f.equal("last", f.stats().LastEventAt, epoch.Add(time.Hour))
		c := f.claim(state.ClaimOptions{Max: 1})
		f.equal("oldest while claimed", f.stats().OldestPending, epoch)
		f.settle(state.Batch{Settlements: []state.Settlement{
			{Seq: c.Events[0].Seq, Status: state.Pending, NotBefore: epoch.Add(24 * time.Hour)}}})
		f.equal("oldest while delayed", f.stats().OldestPending, epoch)
		f.clock.Advance(24 * time.Hour)
		f.end(state.Settlement{Status: state.Skipped, Reason: state.ReasonFiltered})
		f.counts(map[state.Status]int64{state.Skipped: 2})
		f.equal("reasons", f.stats().Reasons, map[string]int64{"skipped/filtered": 2})
		f.equal("oldest", f.stats().OldestPending, time.Time{})
		f.reopen()
		f.counts(map[state.Status]int64{state.Skipped: 2})
	}},
	{"counts rejected requests", func(f *fixture) {
		f.ok(f.store.CountRejected(f.ctx, map[string]int64{"signature": 2, "time": 1}, -time.Minute))
		f.ok(f.store.CountRejected(f.ctx, map[string]int64{"signature": 1}, 0))
		f.reopen()
		s := f.stats()
		f.equal("rejected", s.Rejected, map[string]int64{"signature": 3, "time": 1})
		f.equal("skew", s.ClockSkew, -time.Minute)
	}},
}

func (f *fixture) events(o state.EventFilter, want ...string) {
	f.Helper()
	events, err := f.store.Events(f.ctx, o)
	f.ok(err)
	var got []string
	for _, e := range events {
		got = append(got, e.ID)
		if e.Body != nil || e.Size == 0 {
			f.Errorf("%s has a body of %d bytes and size %d", e.ID, len(e.Body), e.Size)
		}
	}
	f.equal("events", got, want)
}
