package statetest

import (
	"context"
	"errors"
	"time"

	"crmsync/state"
)

var mappedTests = []test{
	{"counts records by the mapping that wrote them", func(f *fixture) {
		f.mapped(map[state.MappedBy]int64{})
		f.settle(state.Batch{Links: []state.Link{
			mappedLink(contact("1"), "old"), mappedLink(contact("2"), "old"), mappedLink(contact("3"), ""), mappedLink(activity("1"), "old"),
			{Lane: contact("4"), Mapping: []byte("old")},                            // waits for its record
			{Lane: contact("5"), RemoteID: "7", Gone: true, Mapping: []byte("old")}, // archived
		}})
		f.mapped(map[state.MappedBy]int64{{Object: "contact", Fingerprint: "old"}: 2, {Object: "contact"}: 1, {Object: "activity", Fingerprint: "old"}: 1})
		f.settle(state.Batch{Links: []state.Link{
			mappedLink(contact("1"), "new"), {Lane: contact("2"), Mapping: []byte("old")}, mappedLink(contact("4"), "new"),
		}})
		want := map[state.MappedBy]int64{{Object: "contact", Fingerprint: "new"}: 2, {Object: "contact"}: 1, {Object: "activity", Fingerprint: "old"}: 1}
		f.mapped(want)
		f.reopen()
		f.mapped(want)
		f.equal("behind", f.stats().Behind(map[string][]byte{"contact": []byte("new"), "company": []byte("new")}), map[string]int64{"contact": 1})
		f.ok(f.store.Rebind(f.ctx))
		f.mapped(map[state.MappedBy]int64{})
	}},
	{"tells which of those behind are out of reach", func(f *fixture) {
		f.write("line")
		f.write("payload")
		f.clock.Advance(time.Hour)
		_, err := f.store.Prune(f.ctx, state.PruneOptions{EventsBefore: f.clock.Now()})
		f.ok(err)
		f.write("pruned")
		f.clock.Advance(time.Hour)
		_, err = f.store.Prune(f.ctx, state.PruneOptions{PayloadsBefore: f.clock.Now()})
		f.ok(err)
		f.write("kept")
		f.add("pending")
		f.settle(state.Batch{Links: []state.Link{wonBy("evt-pending", contact("pending")), wonBy("", contact("no event"))}})
		f.outOfReach(map[string][]byte{"contact": []byte("new")}, map[string]int64{"contact": 4})
		f.outOfReach(map[string][]byte{"contact": nil, "activity": []byte("new")}, map[string]int64{"activity": 3})
		f.outOfReach(nil, map[string]int64{})
		f.settle(state.Batch{Links: []state.Link{mappedLink(contact("pruned"), "new"), mappedLink(contact("kept"), "new")}})
		f.outOfReach(map[string][]byte{"contact": []byte("new")}, map[string]int64{"contact": 3})
	}},
	{"ends the search with its context", func(f *fixture) {
		f.write("c1")
		ended, cancel := context.WithCancel(f.ctx)
		cancel()
		if _, err := f.store.OutOfReach(ended, map[string][]byte{"contact": []byte("new")}); !errors.Is(err, context.Canceled) {
			f.Errorf("got %v", err)
		}
	}},
}

func mappedLink(l state.Lane, mapping string) state.Link {
	return state.Link{Lane: l, RemoteID: "1", Mapping: []byte(mapping)}
}

func (f *fixture) mapped(want map[state.MappedBy]int64) {
	f.Helper()
	f.equal("mapped", f.stats().Mapped, want)
}

func (f *fixture) outOfReach(mappings map[string][]byte, want map[string]int64) {
	f.Helper()
	got, err := f.store.OutOfReach(f.ctx, mappings)
	f.ok(err)
	f.equal("out of reach", got, want)
}

// mapped counts the records that the CRM holds.
func (m *model) mapped() map[state.MappedBy]int64 {
	counts := make(map[state.MappedBy]int64)
	for lane, l := range m.links {
		if l.RemoteID != "" && !l.Gone {
			counts[state.MappedBy{Object: lane.Object, Fingerprint: string(l.Mapping)}]++
		}
	}
	return counts
}

func (m *model) outOfReach(mappings map[string][]byte) map[string]int64 {
	lost := make(map[string]int64)
	for lane, l := range m.links {
		now, on := mappings[lane.Object]
		if !on || l.RemoteID == "" || l.Gone || string(l.Mapping) == string(now) {
			continue
		}
		if e := m.byID(l.Version.EventID); e == nil || e.Body == nil {
			lost[lane.Object]++
		}
	}
	return lost
}

func (m *machine) checkMapped(stats state.Stats) {
	m.equal("mapped", stats.Mapped, m.model.mapped())
	for _, mapping := range mappings {
		now := map[string][]byte{"activity": mapping, "contact": mapping}
		lost, err := m.store.OutOfReach(m.ctx, now)
		m.ok(err)
		m.equal("out of reach", lost, m.model.outOfReach(now))
	}
}
