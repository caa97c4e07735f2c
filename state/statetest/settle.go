package statetest

import (
	"errors"
	"time"

	"crmsync/state"
)

var settleTests = []test{
	{"ends an event", func(f *fixture) {
		f.add("c1")
		seq := f.claimed(state.ClaimOptions{}, "evt-c1").Events[0].Seq
		f.clock.Advance(time.Second)
		records := []state.Record{
			{Object: "activity", Key: "c1", RemoteID: "77", Action: "created", Status: state.Applied, RequestID: "r", Note: "n"},
			{Object: "company", Key: "not a lane", Status: state.Dead, Reason: state.ReasonRefused, Error: "e", Field: "f"},
			{Object: "contact", Key: "c1", Action: "stale", Status: state.Stale, SupersededBy: "84c2f6d0-1e7a-4d95-bb3f-6f0a9c8e2d71"},
		}
		f.settle(state.Batch{Settlements: []state.Settlement{
			{Seq: seq, Status: state.Dead, Reason: state.ReasonRefused, Error: "refused", Records: records, Attempted: true},
		}})
		f.reopen()
		m := f.call("c1")
		f.equal("event", f.event("evt-c1"), state.Event{
			Seq: seq, ID: m.ID, MessageID: m.MessageID, Type: m.Type, Key: m.Key, OccurredAt: m.OccurredAt,
			ReceivedAt: epoch, SignedBy: m.SignedBy, SettledAt: epoch.Add(time.Second), Status: state.Dead, Reason: state.ReasonRefused,
			Error: "refused", Attempts: 1, Lanes: m.Lanes, Records: records, Body: m.Body, Size: len(m.Body),
		})
		f.equal("reasons", f.stats().Reasons, map[string]int64{"dead/refused": 1})
		f.claimed(state.ClaimOptions{})
	}},
	{"keeps the settled records of an event that stays", func(f *fixture) {
		f.add("c1")
		r1 := state.Record{Object: "contact", Key: "c1", Status: state.Applied, Action: "created"}
		r2 := state.Record{Object: "activity", Key: "c1", Status: state.Pending, Error: "later"}
		seq := f.claimed(state.ClaimOptions{}, "evt-c1").Events[0].Seq
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: seq, Status: state.Pending, Records: []state.Record{r1, r2}}}})
		f.reopen()
		c := f.claimed(state.ClaimOptions{Paused: []string{"contact"}}, "evt-c1")
		f.equal("records", c.Events[0].Records, []state.Record{r1, r2})
		r2.Status, r2.Error = state.Applied, ""
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: seq, Status: state.Applied, Records: []state.Record{r2}}}})
		f.equal("records", f.event("evt-c1").Records, []state.Record{r1, r2})
	}},
	{"commits everything or nothing (I3)", settleAtomically},
	{"needs a lease", func(f *fixture) {
		f.add("c1", "c2")
		c := f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2")
		one, two := c.Events[0].Seq, c.Events[1].Seq
		f.ok(f.store.Release(f.ctx, one))
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{{Seq: one, Status: state.Applied}}})
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: two, Status: state.Pending}}})
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{{Seq: two, Status: state.Applied}}})
		c = f.claimed(state.ClaimOptions{}, "evt-c1", "evt-c2")
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{
			{Seq: one, Status: state.Applied}, {Seq: one, Status: state.Dead}, // twice in one batch
		}})
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: one, Status: state.Applied}}})
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{{Seq: one, Status: state.Applied}}})
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{{Seq: 999, Status: state.Applied}}})
		f.reopen()
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{{Seq: two, Status: state.Applied}}})
	}},
	{"lets no lane rest for a refused batch", func(f *fixture) {
		f.add("c1")
		c := f.claimed(state.ClaimOptions{}, "evt-c1")
		f.refused(state.ErrNotLeased, state.Batch{Settlements: []state.Settlement{
			{Seq: c.Events[0].Seq, Status: state.Pending, NotBefore: epoch.Add(time.Minute)}, {Seq: 999, Status: state.Applied},
		}})
		f.ok(f.store.Release(f.ctx, c.Events[0].Seq))
		f.claimed(state.ClaimOptions{}, "evt-c1")
	}},
	{"binds to one CRM account", func(f *fixture) {
		b := state.Binding{Kind: "hubspot", Account: "1", IDField: "crmsync_id", Namespace: "n"}
		f.ok(f.store.Bind(f.ctx, b))
		f.settle(state.Batch{Binding: &b})
		f.settle(state.Batch{Binding: &b})
		f.reopen()
		f.equal("binding", *f.stats().Binding, b)
		f.ok(f.store.Bind(f.ctx, b))
		other := b
		other.Account = "2"
		if err := f.store.Bind(f.ctx, other); !errors.Is(err, state.ErrBinding) {
			f.Errorf("got %v", err)
		}
		f.refused(state.ErrBinding, state.Batch{Binding: &other})
		f.equal("binding", *f.stats().Binding, b)
	}},
	{"keeps the more particular name of one CRM account", func(f *fixture) {
		general := state.Binding{Kind: "hubspot", Account: "crm.example", IDField: "crmsync_id"}
		whole, other := general, general
		whole.Account, other.Account = "crm.example/5", "crm.example/6"
		for _, b := range []state.Binding{general, whole, general} {
			f.ok(f.store.Bind(f.ctx, b))
			f.settle(state.Batch{Binding: &b})
		}
		f.reopen()
		f.equal("binding", *f.stats().Binding, whole)
		if err := f.store.Bind(f.ctx, other); !errors.Is(err, state.ErrBinding) {
			f.Errorf("got %v", err)
		}
		f.refused(state.ErrBinding, state.Batch{Binding: &other})
		f.equal("binding", *f.stats().Binding, whole)
	}},
	{"refuses what cannot be stored", func(f *fixture) {
		f.add("c1")
		seq := f.claimed(state.ClaimOptions{}, "evt-c1").Events[0].Seq
		for _, b := range []state.Batch{
			{Settlements: []state.Settlement{{Seq: seq, Status: "gone"}}},
			{Settlements: []state.Settlement{{Seq: seq, Status: state.Dead, Records: []state.Record{{Object: "deal", Key: "1"}}}}},
			{Links: []state.Link{{Lane: contact("")}}},
			{Waiting: []state.Waiting{{Target: contact("1"), Record: contact("2")}}},
		} {
			if err := f.store.Settle(f.ctx, b); err == nil {
				f.Errorf("settled %+v", b)
			}
		}
		f.settle(state.Batch{Settlements: []state.Settlement{{Seq: seq, Status: state.Applied}}})
	}},
	{"queues the writer of a record again", settleRequeues},
	{"queues a record again without the others of its event", settleRequeuesOne},
}

func (f *fixture) refused(want error, b state.Batch) {
	f.Helper()
	if err := f.store.Settle(f.ctx, b); !errors.Is(err, want) {
		f.Errorf("settle: got %v, want %v", err, want)
	}
}

func settleAtomically(f *fixture) {
	f.settle(state.Batch{Binding: &state.Binding{Kind: "hubspot"}})
	f.add("c1", "c2")
	c := f.claimed(state.ClaimOptions{Max: 1}, "evt-c1")
	batch := state.Batch{
		Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}, {Seq: c.Events[0].Seq + 1, Status: state.Applied}},
		Links:       []state.Link{{Lane: contact("c1"), RemoteID: "1"}},
		Waiting:     []state.Waiting{{Kind: state.WaitLink, Target: company("x"), Record: contact("c1")}},
	}
	f.refused(state.ErrNotLeased, batch)
	batch.Settlements = batch.Settlements[:1]
	batch.Binding = &state.Binding{Kind: "other"}
	f.refused(state.ErrBinding, batch)
	f.counts(map[state.Status]int64{state.Pending: 2})
	if links, err := f.store.Links(f.ctx, contact("c1")); err != nil || len(links) != 0 || f.stats().WaitingLinks != 0 {
		f.Errorf("something was committed: %v, %v", links, err)
	}
	f.claimed(state.ClaimOptions{}, "evt-c2") // the lease of c1 stands
	batch.Binding = nil
	f.settle(batch)
	f.counts(map[state.Status]int64{state.Pending: 1, state.Applied: 1})
}

func settleRequeues(f *fixture) {
	f.add("c1", "c2", "c3", "c4")
	b := state.Batch{}
	for i, e := range f.claim(state.ClaimOptions{}).Events {
		status := []state.Status{state.Applied, state.Dead, state.Applied, state.Pending}[i]
		b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: status, Attempted: true,
			Records: []state.Record{{Object: "contact", Key: e.Key, Status: state.Applied}}})
		b.Links = append(b.Links, state.Link{Lane: contact(e.Key), RemoteID: "1", Version: state.Version{EventID: e.ID}})
	}
	f.settle(b)
	_, err := f.store.Prune(f.ctx, state.PruneOptions{PayloadsBefore: epoch.Add(time.Hour), KeepWinners: true})
	f.ok(err)
	// c3 loses its link, so its payload may go.
	f.settle(state.Batch{Links: []state.Link{{Lane: contact("c3"), RemoteID: "1", Version: state.Version{EventID: "evt-other"}}}})
	_, err = f.store.Prune(f.ctx, state.PruneOptions{PayloadsBefore: epoch.Add(time.Hour), KeepWinners: true})
	f.ok(err)
	f.settle(state.Batch{Links: []state.Link{{Lane: contact("c3"), RemoteID: "1", Version: state.Version{EventID: "evt-c3"}}}})

	f.claimed(state.ClaimOptions{}, "evt-c4") // leased meanwhile: must stay so
	f.settle(state.Batch{Requeue: []state.Lane{contact("c1"), contact("c2"), contact("c3"), contact("c4"), contact("unknown")}})
	e := f.event("evt-c1")
	f.equal("attempts", e.Attempts, 1)
	if e.Status != state.Pending || len(e.Records) != 1 || e.Records[0].Status != state.Pending || !e.SettledAt.IsZero() {
		f.Errorf("got %+v", e)
	}
	f.claimed(state.ClaimOptions{}, "evt-c1")
	f.counts(map[state.Status]int64{state.Pending: 2, state.Dead: 1, state.Applied: 1})
}

// settleRequeuesOne has an event with two records, of which one is to be written
// again.
func settleRequeuesOne(f *fixture) {
	f.accept(f.call("c1", activity("a1"), contact("c1")), state.Added)
	e := f.claim(state.ClaimOptions{}).Events[0]
	records := []state.Record{
		{Object: "contact", Key: "c1", Status: state.Applied, Action: "created"},
		{Object: "activity", Key: "a1", Status: state.Applied, Action: "created"},
	}
	f.settle(state.Batch{
		Settlements: []state.Settlement{{Seq: e.Seq, Status: state.Applied, Records: records}},
		Links:       []state.Link{{Lane: contact("c1"), RemoteID: "1", Version: state.Version{EventID: e.ID}}},
	})
	f.settle(state.Batch{Requeue: []state.Lane{contact("c1")}})
	records[0].Status = state.Pending
	f.equal("records", f.event(e.ID).Records, records)
	f.claimed(state.ClaimOptions{Paused: []string{"contact"}}) // nothing else is to be done for it
	f.claimed(state.ClaimOptions{Paused: []string{"activity"}}, e.ID)
}
