package statetest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"crmsync/state"
)

var lifecycleTests = []test{
	{"is ready until it is closed", func(f *fixture) {
		f.ok(f.store.Ready(f.ctx))
		s := f.h.Open(f.T, f.clock.Now)
		f.ok(s.Close())
		f.ok(s.Close())
		for name, err := range useClosed(f, s) {
			if !errors.Is(err, state.ErrClosed) {
				f.Errorf("%s: got %v, want ErrClosed", name, err)
			}
		}
	}},
	{"heeds a context that has ended", func(f *fixture) {
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		if _, err := f.store.Accept(ctx, f.call("c1")); !errors.Is(err, context.Canceled) {
			f.Errorf("accept: got %v", err)
		}
		if _, err := f.store.Stats(ctx); !errors.Is(err, context.Canceled) {
			f.Errorf("stats: got %v", err)
		}
		f.counts(nil)
	}},
	{"keeps everything over a restart", func(f *fixture) {
		f.add("c1", "c2", "c3")
		c := f.claim(state.ClaimOptions{Max: 2})
		f.settle(state.Batch{
			Settlements: []state.Settlement{
				{Seq: c.Events[0].Seq, Status: state.Applied},
				{Seq: c.Events[1].Seq, Status: state.Pending, NotBefore: epoch.Add(time.Minute)},
			},
			Links:   remembered("c1"),
			Waiting: []state.Waiting{waitLink("o", "c1")},
		})
		before := f.stats()
		f.reopen()
		f.equal("stats", f.stats(), before)
		f.claimed(state.ClaimOptions{}, "evt-c3")
		f.clock.Advance(time.Minute)
		f.claimed(state.ClaimOptions{}, "evt-c2")
		f.add("c4")
		if f.event("evt-c4").Seq <= f.event("evt-c3").Seq {
			f.Error("seq went back")
		}
	}},
	{"lets many work at once, one on a lane (I4)", concurrentWork},
	{"writes a backup while in use", func(f *fixture) {
		f.add("c1")
		var b bytes.Buffer
		f.ok(f.store.Backup(f.ctx, &b))
		if b.Len() == 0 {
			f.Error("backup is empty")
		}
	}},
}

// useClosed returns what every method says.
func useClosed(f *fixture, s state.Store) map[string]error {
	_, accept := s.Accept(f.ctx, f.call("c1"))
	_, claim := s.Claim(f.ctx, state.ClaimOptions{Max: 1})
	_, links := s.Links(f.ctx, contact("1"))
	_, waiting := s.Waiting(f.ctx, contact("1"))
	_, ready := s.ReadyLinks(f.ctx, 1)
	_, stats := s.Stats(f.ctx)
	_, events := s.Events(f.ctx, state.EventFilter{})
	_, event := s.Event(f.ctx, "1")
	_, objects := s.Objects(f.ctx, state.ObjectFilter{})
	_, requeue := s.Requeue(f.ctx, state.RequeueOptions{Status: state.Dead})
	_, prune := s.Prune(f.ctx, state.PruneOptions{EventsBefore: epoch})
	_, resync := s.Requeue(f.ctx, state.RequeueOptions{Resync: true})
	_, discard := s.Discard(f.ctx, []string{"1"}, "")
	_, paused := s.Paused(f.ctx)
	_, verify := s.Verify(f.ctx)
	return map[string]error{
		"accept": accept, "claim": claim, "links": links, "waiting": waiting, "ready links": ready, "stats": stats,
		"events": events, "event": event, "objects": objects, "requeue": requeue, "prune": prune, "verify": verify,
		"resync": resync, "discard": discard, "paused": paused,
		"pause": s.SetPaused(f.ctx, epoch), "rebind": s.Rebind(f.ctx),
		"release": s.Release(f.ctx, 1), "settle": s.Settle(f.ctx, state.Batch{}),
		"mark": s.MarkInDoubt(f.ctx, epoch, contact("1")), "bind": s.Bind(f.ctx, state.Binding{}),
		"count": s.CountRejected(f.ctx, nil, 0), "ready": s.Ready(f.ctx), "backup": s.Backup(f.ctx, new(bytes.Buffer)),
	}
}
