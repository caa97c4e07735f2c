package statetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crmsync/state"
)

var claimTests = []test{
	{"returns the oldest first, with bodies, up to Max", func(f *fixture) {
		f.add("c1", "c2", "c3")
		c := f.claimed(state.ClaimOptions{Max: 2}, "evt-c1", "evt-c2")
		f.equal("body", string(c.Events[0].Body), `{"call":{"id":"c1"}}`)
		f.equal("size", c.Events[0].Size, len(c.Events[0].Body))
		f.claimed(state.ClaimOptions{}, "evt-c3")
		f.claimed(state.ClaimOptions{})
	}},
	{"stays below MaxBytes but takes one", func(f *fixture) {
		f.add("c1", "c2", "c3")
		f.claimed(state.ClaimOptions{MaxBytes: 1}, "evt-c1")
		f.claimed(state.ClaimOptions{MaxBytes: 40}, "evt-c2", "evt-c3")
	}},
	{"leaves a leased lane to its claim (I4)", func(f *fixture) {
		f.accept(f.call("c1", contact("u"), activity("1")), state.Added)
		f.accept(f.call("c2", contact("u"), activity("2")), state.Added)
		f.accept(f.call("c3", contact("v")), state.Added)
		c := f.claimed(state.ClaimOptions{Max: 1}, "evt-c1")
		f.claimed(state.ClaimOptions{}, "evt-c3")
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}})
		f.claimed(state.ClaimOptions{}, "evt-c2")
	}},
	{"takes many events of a lane into one claim", func(f *fixture) {
		f.accept(f.call("c1", contact("u")), state.Added)
		f.accept(f.call("c2", contact("u")), state.Added)
		c := f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2")
		f.accept(f.call("c3", contact("u")), state.Added)
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Stale}}})
		f.claimed(state.ClaimOptions{}) // the second event still holds the lane
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[1].Seq, Status: state.Applied}}})
		f.claimed(state.ClaimOptions{}, "evt-c3")
	}},
	{"claims events without lanes whatever is paused", func(f *fixture) {
		m := f.call("c1")
		m.Lanes = nil
		f.accept(m, state.Added)
		f.claimed(state.ClaimOptions{Paused: []string{"activity", "contact", "company"}}, "evt-c1")
	}},
	{"skips paused objects", func(f *fixture) {
		f.accept(f.call("c1", activity("1"), contact("1")), state.Added)
		f.accept(f.call("c2", contact("2")), state.Added)
		f.accept(f.call("c3", company("3")), state.Added)
		f.claimed(state.ClaimOptions{Paused: []string{"contact", "activity"}}, "evt-c3")
		f.claimed(state.ClaimOptions{Paused: []string{"contact"}}, "evt-c1")
		f.claimed(state.ClaimOptions{}, "evt-c2")
	}},
	{"does not count settled records", func(f *fixture) {
		f.add("c1")
		c := f.claimed(state.ClaimOptions{}, "evt-c1")
		f.settle(state.Batch{Settlements: []state.Settlement{{
			Seq: c.Events[0].Seq, Status: state.Pending,
			Records: []state.Record{{Object: "contact", Key: "c1", Action: "created", Status: state.Applied}},
		}}})
		f.claimed(state.ClaimOptions{Paused: []string{"activity"}})
		f.claimed(state.ClaimOptions{Paused: []string{"contact"}}, "evt-c1")
	}},
	{"waits for NotBefore and says when", func(f *fixture) {
		f.add("c1", "c2")
		c := f.claimed(state.ClaimOptions{Max: 1}, "evt-c1")
		due := epoch.Add(time.Minute)
		f.settle(state.Batch{Settlements: []state.Settlement{
			{Seq: c.Events[0].Seq, Status: state.Pending, NotBefore: due, Attempted: true, FailingFor: time.Second},
		}})
		c = f.claimed(state.ClaimOptions{}, "evt-c2")
		f.equal("next", c.Next, due)
		paused := f.claimed(state.ClaimOptions{Paused: []string{"contact", "activity"}})
		f.equal("next of a paused event", paused.Next, time.Time{})
		f.clock.Advance(time.Minute - 1)
		f.claimed(state.ClaimOptions{})
		f.clock.Advance(1)
		c = f.claimed(state.ClaimOptions{}, "evt-c1")
		f.equal("attempts", c.Events[0].Attempts, 1)
		f.equal("failing for", c.Events[0].FailingFor, time.Second)
		f.equal("next", c.Next, time.Time{})
	}},
	{"lets a lane rest with its event, also after a restart", func(f *fixture) {
		f.accept(f.call("c1", contact("u"), activity("1")), state.Added)
		c := f.claimed(state.ClaimOptions{}, "evt-c1")
		due := epoch.Add(time.Minute)
		f.settle(state.Batch{Settlements: []state.Settlement{{
			Seq: c.Events[0].Seq, Status: state.Pending, NotBefore: due,
			Records: []state.Record{{Object: "contact", Key: "u", Action: "created", Status: state.Applied}},
		}}})
		f.accept(f.call("c2", activity("1")), state.Added)
		f.accept(f.call("c3", contact("u")), state.Added)
		c = f.claimed(state.ClaimOptions{}, "evt-c3") // the contact is settled: it does not rest
		f.equal("next", c.Next, due)
		f.reopen()
		c = f.claimed(state.ClaimOptions{}, "evt-c3")
		f.equal("next", c.Next, due)
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}})
		f.clock.Advance(time.Minute)
		f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2")
	}},
	{"names the lanes in doubt", claimInDoubt},
	{"is forgotten by a restart", func(f *fixture) {
		f.add("c1")
		f.claimed(state.ClaimOptions{}, "evt-c1")
		f.reopen()
		f.claimed(state.ClaimOptions{}, "evt-c1")
	}},
	{"is given back by Release", func(f *fixture) {
		f.add("c1", "c2")
		c := f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2")
		f.ok(f.store.Release(f.ctx, c.Events[0].Seq, c.Events[0].Seq, 999))
		f.claimed(state.ClaimOptions{}, "evt-c1")
	}},
	{"is given back though the caller is about to end", func(f *fixture) {
		f.add("c1")
		ended, end := context.WithCancel(f.ctx)
		end()
		if _, err := f.store.Claim(ended, state.ClaimOptions{Max: 10}); !errors.Is(err, context.Canceled) {
			f.Errorf("claim after the end: got %v", err)
		}
		c := f.claimed(state.ClaimOptions{}, "evt-c1")
		f.ok(f.store.Release(ended, c.Events[0].Seq))
		f.claimed(state.ClaimOptions{}, "evt-c1")
	}},
	{"finds what is behind a long run of leased and blocked events", func(f *fixture) {
		var want []string
		for i := range 90 {
			f.accept(f.call(fmt.Sprint("c", i), contact("hot")), state.Added)
		}
		first := f.claim(state.ClaimOptions{Max: 30})
		for i := range 3 {
			name := fmt.Sprint("d", i)
			f.add(name)
			want = append(want, "evt-"+name)
		}
		f.claimed(state.ClaimOptions{}, want...)
		f.claimed(state.ClaimOptions{})
		for _, e := range first.Events {
			f.ok(f.store.Release(f.ctx, e.Seq))
		}
		if n := len(f.claim(state.ClaimOptions{Max: 1000}).Events); n != 90 {
			f.Errorf("got %d events, want 90", n)
		}
	}},
	{"with nothing to do is empty", func(f *fixture) {
		c := f.claimed(state.ClaimOptions{})
		f.equal("next", c.Next, time.Time{})
		f.add("c1")
		if c, err := f.store.Claim(f.ctx, state.ClaimOptions{}); err != nil || len(c.Events) != 0 {
			f.Errorf("claim of 0: %v, %v", c.Events, err)
		}
	}},
}

func claimInDoubt(f *fixture) {
	f.add("c1", "c2")
	c := f.claimed(state.ClaimOptions{Max: 1}, "evt-c1")
	f.ok(f.store.MarkInDoubt(f.ctx, epoch, contact("c1")))
	f.ok(f.store.MarkInDoubt(f.ctx, epoch.Add(time.Hour), contact("c1"))) // the last mark counts
	f.ok(f.store.Release(f.ctx, c.Events[0].Seq))
	f.reopen()
	c = f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2")
	f.equal("in doubt", c.InDoubt, map[state.Lane]time.Time{contact("c1"): epoch.Add(time.Hour)})
	f.settle(state.Batch{
		Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Pending}},
		Links:       []state.Link{{Lane: contact("c1"), RemoteID: "1"}},
	})
	c = f.claimed(state.ClaimOptions{}, "evt-c1")
	f.equal("in doubt after its link", c.InDoubt, map[state.Lane]time.Time{})
	f.ok(f.store.MarkInDoubt(f.ctx, f.clock.Now(), contact("c1")))
	f.settle(state.Batch{
		Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Pending}},
		NotCreated:  []state.Lane{contact("c1"), contact("c9")},
	})
	f.equal("in doubt after a refusal", f.claimed(state.ClaimOptions{}, "evt-c1").InDoubt, map[state.Lane]time.Time{})
}
