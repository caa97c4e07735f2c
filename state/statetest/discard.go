package statetest

import (
	"time"

	"crmsync/state"
)

var discardTests = []test{
	{"ends dead events and says what happened to the rest", func(f *fixture) {
		f.add("c1", "c2")
		f.end(state.Settlement{
			Status: state.Dead, Reason: state.ReasonRefused, Error: "e",
			Records: []state.Record{{Object: "contact", Key: "c1", Status: state.Dead, Error: "e"}},
		})
		f.add("c3")
		f.end(state.Settlement{Status: state.Applied})
		f.add("c4")
		f.clock.Advance(time.Hour)
		f.discard([]string{"evt-c1", "msg_c2", "evt-c3", "evt-c4", "nobody", "evt-c1"}, state.DiscardResult{
			Discarded: 2, NotDead: []string{"evt-c3", "evt-c4", "evt-c1"}, Unknown: []string{"nobody"},
		})
		e := f.event("evt-c1")
		if e.Status != state.Skipped || e.Reason != state.ReasonDiscarded || e.Error != "left the company" ||
			len(e.Records) != 1 || !e.SettledAt.Equal(epoch.Add(time.Hour)) || e.Size == 0 {
			f.Errorf("got %+v", e)
		}
		f.counts(map[state.Status]int64{state.Pending: 1, state.Applied: 1, state.Skipped: 2})
		f.equal("reasons", f.stats().Reasons, map[string]int64{"skipped/discarded": 2})
		f.claimed(state.ClaimOptions{}, "evt-c4")
	}},
	{"is not undone by a duplicate, but by a replay", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Dead, Reason: state.ReasonRefused})
		f.discard([]string{"evt-c1"}, state.DiscardResult{Discarded: 1})
		f.accept(f.call("c1"), state.Duplicate)
		f.counts(map[state.Status]int64{state.Skipped: 1})
		f.claimed(state.ClaimOptions{})
		f.requeue(state.RequeueOptions{IDs: []string{"evt-c1"}}, state.RequeueResult{Queued: 1})
		f.equal("reasons", f.stats().Reasons, map[string]int64{})
		f.claimed(state.ClaimOptions{}, "evt-c1")
	}},
}

func (f *fixture) discard(ids []string, want state.DiscardResult) {
	f.Helper()
	got, err := f.store.Discard(f.ctx, ids, "left the company")
	f.ok(err)
	f.equal("discard", got, want)
}
