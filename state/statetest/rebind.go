package statetest

import (
	"time"

	"crmsync/state"
)

var rebindTests = []test{
	{"forgets what is true in one account only", func(f *fixture) {
		version := state.Version{Source: 1, At: epoch, Rank: 3, EventID: "evt-1"}
		written := state.Link{
			Lane: contact("u1"), RemoteID: "901", Version: version, Hash: []byte{1}, Adopted: true, Withheld: "email",
			Targets: []state.Target{{Lane: company("o"), Made: true}}, UpdatedAt: epoch,
			Mapping: []byte{2}, Wrote: []state.Wrote{{Field: "phone", Hash: []byte{3}}},
		}
		archived := state.Link{Lane: contact("u2"), RemoteID: "902", Version: version, Deleted: true, Gone: true, UpdatedAt: epoch}
		f.settle(state.Batch{
			Binding: &state.Binding{Kind: "hubspot", Account: "1"}, Links: []state.Link{written, archived},
			Waiting: []state.Waiting{waitLink("o", "u1"), {Kind: state.WaitLink, Target: contact("u1"), Record: activity("c1")}},
		})
		f.ok(f.store.Rebind(f.ctx))
		links, err := f.store.Links(f.ctx, contact("u1"), contact("u2"))
		f.ok(err)
		f.equal("links", links, map[state.Lane]state.Link{
			contact("u1"): {Lane: contact("u1"), Version: version, UpdatedAt: epoch},
			contact("u2"): {Lane: contact("u2"), Version: version, Deleted: true, Gone: true, UpdatedAt: epoch},
		})
		f.equal("waiting links", f.stats().WaitingLinks, 0)
		waits, err := f.store.Waiting(f.ctx, company("o"), contact("u1"))
		f.ok(err)
		f.equal("waiting", waits, []state.Waiting{})
		f.ready(10)
		f.ok(f.store.Bind(f.ctx, state.Binding{Kind: "hubspot", Account: "2"}))
		f.settle(state.Batch{Binding: &state.Binding{Kind: "hubspot", Account: "2"}})
		f.reopen()
		f.equal("binding", f.stats().Binding.Account, "2")
	}},
	{"keeps the ledger and starts pending events anew", func(f *fixture) {
		f.add("ended", "half", "later")
		c := f.claim(state.ClaimOptions{})
		f.settle(state.Batch{Settlements: []state.Settlement{
			{Seq: c.Events[0].Seq, Status: state.Applied, Records: []state.Record{{Object: "contact", Key: "ended", Status: state.Applied}}},
			{Seq: c.Events[1].Seq, Status: state.Pending, Attempted: true, Error: "e", Records: []state.Record{
				{Object: "contact", Key: "half", Status: state.Applied, RemoteID: "901"},
			}},
			{Seq: c.Events[2].Seq, Status: state.Pending, NotBefore: epoch.Add(time.Hour), FailingFor: time.Minute},
		}})
		ended := f.event("evt-ended")
		f.claimed(state.ClaimOptions{Paused: []string{"activity"}})
		f.ok(f.store.Rebind(f.ctx))
		f.equal("ended", f.event("evt-ended"), ended)
		f.counts(map[state.Status]int64{state.Pending: 2, state.Applied: 1})
		c = f.claimed(state.ClaimOptions{Paused: []string{"activity"}}, "evt-half", "evt-later")
		for _, e := range c.Events {
			if len(e.Records) > 0 || e.Error != "" || e.FailingFor != 0 || !e.NotBefore.IsZero() {
				f.Errorf("got %+v", e)
			}
		}
		f.equal("attempts", c.Events[0].Attempts, 1)
	}},
	{"forgets what is in doubt, and wakes", func(f *fixture) {
		f.add("c1")
		f.ok(f.store.MarkInDoubt(f.ctx, epoch, contact("c1")))
		f.drainWake()
		f.ok(f.store.Rebind(f.ctx))
		select {
		case <-f.store.Wake():
		default:
			f.Error("nobody was woken")
		}
		if c := f.claimed(state.ClaimOptions{}, "evt-c1"); len(c.InDoubt) > 0 || !c.Next.IsZero() {
			f.Errorf("in doubt: %v, next %v", c.InDoubt, c.Next)
		}
	}},
	{"of an empty state does nothing", func(f *fixture) { f.ok(f.store.Rebind(f.ctx)) }},
}
