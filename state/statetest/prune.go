package statetest

import (
	"errors"
	"time"

	"crmsync/state"
)

var (
	later    = epoch.Add(time.Hour)
	pruneAll = state.PruneOptions{EventsBefore: later, PayloadsBefore: later}
)

var pruneTests = []test{
	{"removes old payloads", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Applied})
		f.prune(state.PruneOptions{PayloadsBefore: epoch}, state.PruneResult{}) // not before, but at
		f.prune(state.PruneOptions{}, state.PruneResult{})
		f.prune(state.PruneOptions{PayloadsBefore: later}, state.PruneResult{Payloads: 1})
		f.prune(state.PruneOptions{PayloadsBefore: later}, state.PruneResult{})
		e := f.event("evt-c1")
		if e.Body != nil || e.Size != 0 || e.Status != state.Applied {
			f.Errorf("got %+v", e)
		}
	}},
	{"removes old lines and keeps the totals", func(f *fixture) {
		f.add("c1", "c2")
		f.end(state.Settlement{Status: state.Skipped, Reason: state.ReasonFiltered})
		f.clock.Advance(2 * time.Hour)
		f.add("c3")
		f.end(state.Settlement{Status: state.Applied})
		f.prune(pruneAll, state.PruneResult{Events: 2, Payloads: 2})
		f.counts(map[state.Status]int64{state.Skipped: 2, state.Applied: 1})
		s := f.stats()
		f.equal("pruned", s.Pruned, map[state.Status]int64{state.Skipped: 2})
		f.equal("reasons", s.Reasons, map[string]int64{"skipped/filtered": 2})
		for _, id := range []string{"evt-c1", "msg_c2"} {
			if _, err := f.store.Event(f.ctx, id); !errors.Is(err, state.ErrNotFound) {
				f.Errorf("%s: got %v", id, err)
			}
		}
		f.accept(f.call("c1"), state.Added) // its id is free again
	}},
	{"keeps pending and dead events", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Dead})
		f.add("c2")
		f.prune(pruneAll, state.PruneResult{})
		if f.event("evt-c1").Body == nil || f.event("evt-c2").Body == nil {
			f.Error("a payload is gone")
		}
	}},
	{"keeps the writers of present versions when asked to", func(f *fixture) {
		f.add("c1", "c2")
		c := f.claim(state.ClaimOptions{})
		b := state.Batch{Links: []state.Link{{Lane: contact("c1"), Version: state.Version{EventID: "evt-c1"}}}}
		for _, e := range c.Events {
			b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: state.Applied})
		}
		f.settle(b)
		o := pruneAll
		o.KeepWinners = true
		f.prune(o, state.PruneResult{Events: 1, Payloads: 1})
		if f.event("evt-c1").Body == nil {
			f.Error("the payload of a winner is gone")
		}
		f.prune(pruneAll, state.PruneResult{Events: 1, Payloads: 1})
		links, err := f.store.Links(f.ctx, contact("c1"))
		f.ok(err)
		f.equal("links", len(links), 1)
	}},
	{"goes by the time of the settlement", func(f *fixture) {
		f.add("c1")
		f.clock.Advance(2 * time.Hour)
		f.end(state.Settlement{Status: state.Applied})
		f.prune(pruneAll, state.PruneResult{})
	}},
}

func (f *fixture) prune(o state.PruneOptions, want state.PruneResult) {
	f.Helper()
	got, err := f.store.Prune(f.ctx, o)
	f.ok(err)
	f.equal("prune", got, want)
}
