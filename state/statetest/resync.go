package statetest

import (
	"time"

	"crmsync/state"
)

var resyncTests = []test{
	{"queues the winners, each once, and what was passed over", func(f *fixture) {
		f.write("old") // its records are won by another event
		f.write("won")
		f.settle(state.Batch{Links: []state.Link{wonBy("evt-won", activity("old")), wonBy("evt-won", contact("old"))}})
		for name, reason := range map[string]string{
			"filtered": state.ReasonFiltered, "off": state.ReasonObjectOff, "test": state.ReasonTestEvent,
			"unsupported": state.ReasonUnsupportedType, "ignored": state.ReasonIgnoredDelete,
		} {
			f.add(name)
			f.end(state.Settlement{Status: state.Skipped, Reason: reason})
		}
		f.add("waits")
		f.settle(state.Batch{Links: []state.Link{wonBy("evt-waits", company("o")), wonBy("", company("p"))}})
		f.resync(state.RequeueOptions{}, state.RequeueResult{Queued: 3})
		f.counts(map[state.Status]int64{state.Pending: 4, state.Applied: 1, state.Skipped: 3})
		f.equal("winner", f.event("evt-won").Force, false)
		f.resync(state.RequeueOptions{}, state.RequeueResult{})
	}},
	{"leaves what a person has to decide about", func(f *fixture) {
		f.add("dead", "discarded")
		f.settle(state.Batch{Links: []state.Link{wonBy("evt-dead", contact("dead")), wonBy("evt-discarded", contact("discarded"))}})
		f.end(state.Settlement{Status: state.Dead, Reason: state.ReasonRefused})
		f.discard([]string{"evt-discarded"}, state.DiscardResult{Discarded: 1})
		f.resync(state.RequeueOptions{Force: true}, state.RequeueResult{})
		f.counts(map[state.Status]int64{state.Dead: 1, state.Skipped: 1})
	}},
	{"names those without payload, and without line", func(f *fixture) {
		f.write("line")
		f.write("payload")
		f.clock.Advance(time.Hour)
		_, err := f.store.Prune(f.ctx, state.PruneOptions{EventsBefore: f.clock.Now()})
		f.ok(err)
		f.write("payload2")
		f.clock.Advance(time.Hour)
		_, err = f.store.Prune(f.ctx, state.PruneOptions{PayloadsBefore: f.clock.Now()})
		f.ok(err)
		f.write("kept")
		f.resync(state.RequeueOptions{Since: epoch.Add(time.Minute)}, state.RequeueResult{Queued: 1, PayloadGone: []string{"evt-payload2"}})
		f.end(state.Settlement{Status: state.Applied})
		f.resync(state.RequeueOptions{}, state.RequeueResult{Queued: 1, PayloadGone: []string{"evt-line", "evt-payload", "evt-payload2"}})
	}},
	{"is narrowed by object and time", func(f *fixture) {
		f.write("c1")
		f.settle(state.Batch{Links: []state.Link{wonBy("evt-other", contact("c1"))}})
		f.accept(f.call("c2", contact("c2")), state.Added)
		f.end(state.Settlement{Status: state.Skipped, Reason: state.ReasonFiltered})
		f.clock.Advance(time.Hour)
		f.accept(f.call("c3", activity("c3")), state.Added)
		f.end(state.Settlement{Status: state.Skipped, Reason: state.ReasonObjectOff})
		late := f.clock.Now()
		f.resync(state.RequeueOptions{Object: "company"}, state.RequeueResult{})
		f.resync(state.RequeueOptions{Object: "contact", Since: late}, state.RequeueResult{})
		f.resync(state.RequeueOptions{Object: "contact"}, state.RequeueResult{Queued: 1, PayloadGone: []string{"evt-other"}})
		f.claimed(state.ClaimOptions{}, "evt-c2")
		f.resync(state.RequeueOptions{Object: "activity", Since: late, Force: true}, state.RequeueResult{Queued: 1})
		c := f.claimed(state.ClaimOptions{}, "evt-c3")
		f.equal("force", c.Events[0].Force, true)
		f.resync(state.RequeueOptions{Object: "activity"}, state.RequeueResult{Queued: 1})
		f.claimed(state.ClaimOptions{}, "evt-c1")
	}},
	{"is narrowed to what was written since", func(f *fixture) {
		f.write("old")
		f.clock.Advance(time.Hour)
		late := f.clock.Now()
		f.write("new")
		f.accept(f.call("off", contact("off")), state.Added)
		f.end(state.Settlement{Status: state.Skipped, Reason: state.ReasonObjectOff})
		f.resync(state.RequeueOptions{Object: "contact", WrittenSince: late, Force: true}, state.RequeueResult{Queued: 1})
		c := f.claimed(state.ClaimOptions{}, "evt-new")
		f.equal("force", c.Events[0].Force, true)
	}},
}

// write accepts a call and ends it as the winner of its records.
func (f *fixture) write(name string) {
	f.Helper()
	f.add(name)
	f.end(state.Settlement{Status: state.Applied})
	f.settle(state.Batch{Links: []state.Link{wonBy("evt-"+name, activity(name)), wonBy("evt-"+name, contact(name))}})
}

func wonBy(eventID string, l state.Lane) state.Link {
	return state.Link{Lane: l, RemoteID: "1", Version: state.Version{At: epoch, EventID: eventID}}
}

func (f *fixture) resync(o state.RequeueOptions, want state.RequeueResult) {
	f.Helper()
	o.Resync = true
	f.requeue(o, want)
}
