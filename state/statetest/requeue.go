package statetest

import (
	"fmt"
	"time"

	"crmsync/state"
)

var requeueTests = []test{
	{"by ids says what happened to each", func(f *fixture) {
		f.add("c1", "c2")
		f.end(state.Settlement{Status: state.Dead, Reason: state.ReasonRefused, Error: "e", Attempted: true,
			Records: []state.Record{{Object: "contact", Key: "c1", Status: state.Dead}}})
		f.add("c3", "c4")
		c := f.claim(state.ClaimOptions{Max: 1})
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}})
		_, err := f.store.Prune(f.ctx, state.PruneOptions{PayloadsBefore: epoch.Add(time.Hour)})
		f.ok(err)
		f.requeue(state.RequeueOptions{IDs: []string{"evt-c1", "msg_c2", "evt-c3", "evt-c4", "nobody", "evt-c1"}}, state.RequeueResult{
			Queued: 2, AlreadyPending: []string{"evt-c4", "evt-c1"}, PayloadGone: []string{"evt-c3"}, Unknown: []string{"nobody"},
		})
		e := f.event("evt-c1")
		if e.Status != state.Pending || e.Reason+e.Error != "" || len(e.Records) != 0 || !e.SettledAt.IsZero() || e.Attempts != 1 {
			f.Errorf("got %+v", e)
		}
		f.counts(map[state.Status]int64{state.Pending: 3, state.Applied: 1})
		f.equal("reasons", f.stats().Reasons, map[string]int64{})
		f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2", "evt-c4")
	}},
	{"by status and time", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Dead})
		f.clock.Advance(time.Hour)
		f.add("c2")
		f.end(state.Settlement{Status: state.Dead})
		f.add("c3")
		f.end(state.Settlement{Status: state.Applied})
		f.requeue(state.RequeueOptions{Status: state.Dead, Since: epoch.Add(time.Minute)}, state.RequeueResult{Queued: 1})
		f.claimed(state.ClaimOptions{}, "evt-c2")
		f.requeue(state.RequeueOptions{Since: epoch.Add(time.Minute)}, state.RequeueResult{Queued: 1})
		f.claimed(state.ClaimOptions{}, "evt-c3")
		f.requeue(state.RequeueOptions{Status: state.Dead}, state.RequeueResult{Queued: 1})
		f.requeue(state.RequeueOptions{Status: state.Dead}, state.RequeueResult{})
	}},
	{"with nothing named is refused", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Applied})
		if _, err := f.store.Requeue(f.ctx, state.RequeueOptions{Force: true}); err == nil {
			f.Error("everything was queued")
		}
	}},
	{"keeps Force until the event ends", func(f *fixture) {
		f.add("c1")
		f.end(state.Settlement{Status: state.Applied})
		f.requeue(state.RequeueOptions{IDs: []string{"evt-c1"}, Force: true}, state.RequeueResult{Queued: 1})
		f.end(state.Settlement{Status: state.Pending})
		c := f.claimed(state.ClaimOptions{}, "evt-c1")
		f.equal("force", c.Events[0].Force, true)
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}})
		f.equal("force", f.event("evt-c1").Force, false)
	}},
	{"handles more than one transaction can", func(f *fixture) {
		const n = 1200
		errs := make(chan error)
		for w := range 10 {
			go func() {
				for i := range n / 10 {
					if _, err := f.store.Accept(f.ctx, f.call(fmt.Sprint("c", w, "-", i))); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range 10 {
			f.ok(<-errs)
		}
		for range n / 400 {
			c := f.claim(state.ClaimOptions{Max: 400})
			var b state.Batch
			for _, e := range c.Events {
				b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: state.Dead})
			}
			f.settle(b)
		}
		f.requeue(state.RequeueOptions{Status: state.Dead}, state.RequeueResult{Queued: n})
		f.counts(map[state.Status]int64{state.Pending: n})
	}},
}

func (f *fixture) requeue(o state.RequeueOptions, want state.RequeueResult) {
	f.Helper()
	got, err := f.store.Requeue(f.ctx, o)
	f.ok(err)
	f.equal("requeue", got, want)
}
