package statetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crmsync/state"
)

// runModel drives store and model through random histories and compares them
// after every step.
func runModel(t *testing.T, h Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &clock{now: epoch}
		m := &machine{T: rt, ctx: context.Background(), clock: c, model: newModel(), store: h.Open(t, c.Now)}
		defer func() { m.ok(m.store.Close()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"accept":  m.accept,
			"accept2": m.accept, // more often than the others
			"claim":   m.claim,
			"settle":  m.settle,
			"settle2": m.settle,
			"links":   m.putLinks,
			"release": m.release,
			"doubt":   m.markInDoubt,
			"requeue": m.requeue,
			"resync":  m.resync,
			"discard": m.discard,
			"pause":   m.pause,
			"rebind":  m.rebind,
			"prune":   m.prune,
			"time":    func(t *rapid.T) { c.Advance(rapid.SampledFrom(spans).Draw(t, "time")) },
			"reopen": func(*rapid.T) {
				m.store = h.Reopen(t, m.store, c.Now)
				for _, e := range m.model.events {
					e.claim = 0
				}
			},
		})
	})
}

// machine is a store beside its model.
type machine struct {
	*rapid.T
	ctx    context.Context
	clock  *clock
	store  state.Store
	model  *model
	claims int
}

// Few values, so that they meet.
var (
	spans = []time.Duration{1, time.Second, time.Minute}
	lanes = []state.Lane{activity("1"), contact("1"), contact("2"), company("1")}

	mappings = [][]byte{{2}, {3}}

	settlements = []state.Settlement{
		{Status: state.Pending}, {Status: state.Pending, Error: "again", Attempted: true, FailingFor: time.Second},
		{Status: state.Applied, Attempted: true}, {Status: state.Unchanged}, {Status: state.Stale},
		{Status: state.Dead, Reason: state.ReasonRefused, Error: "refused"},
		{Status: state.Skipped, Reason: state.ReasonFiltered}, {Status: state.Skipped, Reason: state.ReasonObjectOff}, {Status: state.Skipped, Reason: state.ReasonTestEvent},
	}
)

func (m *machine) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *machine) equal(what string, got, want any) {
	m.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		m.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func some[T any](t *rapid.T, from []T, label string) []T {
	return slices.DeleteFunc(slices.Clone(from), func(T) bool { return rapid.Bool().Draw(t, label) })
}

func (m *machine) accept(t *rapid.T) {
	ids := []string{"", "e1", "e2", "e3", "m1"}
	msg := state.Message{
		ID:         rapid.SampledFrom(ids).Draw(t, "id"),
		MessageID:  rapid.SampledFrom([]string{"m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"}).Draw(t, "message id"),
		Type:       rapid.SampledFrom([]string{"call.completed", "user.created"}).Draw(t, "type"),
		Key:        rapid.SampledFrom([]string{"1", "2"}).Draw(t, "key"),
		OccurredAt: epoch.Add(rapid.SampledFrom(spans).Draw(t, "time")),
		Lanes:      some(t, lanes, "lane"),
		Body:       rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "body"),
		ReceivedAt: m.clock.Now(),
		SignedBy:   state.Signer{Secret: rapid.IntRange(0, 2).Draw(t, "secret"), Of: 2},
	}
	got, err := m.store.Accept(m.ctx, msg)
	m.ok(err)
	want := m.model.accept(msg)
	if want.ID == "" { // had to be made up: it only has to be new
		if m.model.byID(got.ID) != nil {
			m.Fatalf("id %s is taken", got.ID)
		}
		want.ID = got.ID
		m.model.events[len(m.model.events)-1].ID = got.ID
	}
	m.equal("receipt", got, want)
	if got.Outcome == state.Added {
		e, err := m.store.Events(m.ctx, state.EventFilter{Limit: 1})
		m.ok(err)
		m.model.events[len(m.model.events)-1].Seq = e[0].Seq
	}
}

func (m *machine) claim(t *rapid.T) {
	o := state.ClaimOptions{
		Max:      rapid.IntRange(0, 5).Draw(t, "max"),
		MaxBytes: rapid.SampledFrom([]int{0, 0, 25}).Draw(t, "bytes"),
		Paused:   some(t, []string{"activity", "contact", "company"}, "paused"),
	}
	got, err := m.store.Claim(m.ctx, o)
	m.ok(err)
	m.claims++
	want := m.model.claim(m.claims, o, m.clock.Now())
	doubts := make(map[state.Lane]time.Time)
	var events []state.Event
	for _, e := range want {
		events = append(events, e.Event)
		for _, l := range e.Lanes {
			if mark, ok := m.model.doubt[l]; ok {
				doubts[l] = mark
			}
		}
	}
	m.equal("claimed", got.Events, events)
	m.equal("in doubt", got.InDoubt, doubts)
	m.checkNext(got.Next, o)
}

// checkNext wants a Next that is not after the first time at which an event
// that only waits for its time can be claimed.
func (m *machine) checkNext(next time.Time, o state.ClaimOptions) {
	for _, e := range m.model.events {
		waits := e.Status == state.Pending && e.claim == 0 && e.open(o.Paused) && e.NotBefore.After(m.clock.Now())
		if waits && (next.IsZero() || next.After(e.NotBefore)) {
			m.Fatalf("next is %v, event %s is due at %v", next, e.ID, e.NotBefore)
		}
	}
}

// settle decides about claimed events, and now and then about one that is not.
func (m *machine) settle(t *rapid.T) {
	var b state.Batch
	claimed := slices.DeleteFunc(slices.Clone(m.model.events), func(e *modelEvent) bool { return e.claim == 0 })
	if len(claimed) == 0 {
		t.Skip("nothing is claimed")
	}
	for _, e := range some(t, claimed, "event") {
		st := rapid.SampledFrom(settlements).Draw(t, "settlement")
		st.Seq = e.Seq
		if st.Status == state.Pending && rapid.Bool().Draw(t, "delay") {
			st.NotBefore = m.clock.Now().Add(rapid.SampledFrom(spans).Draw(t, "not before"))
		}
		for _, l := range some(t, e.Lanes, "record") {
			status := rapid.SampledFrom([]state.Status{state.Applied, state.Dead, state.Pending}).Draw(t, "record status")
			st.Records = append(st.Records, state.Record{Object: l.Object, Key: l.Key, Status: status, RemoteID: "7"})
			b.Links = append(b.Links, m.link(t, l, e.ID))
		}
		b.Settlements = append(b.Settlements, st)
	}
	if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
		b.Settlements = append(b.Settlements, state.Settlement{Seq: 1 << 40, Status: state.Applied})
	}
	b.Requeue = some(t, lanes[2:], "requeue")
	b.NotCreated = some(t, lanes, "not created")
	m.settleBatch(b)
}

func (m *machine) link(t *rapid.T, l state.Lane, eventID string) state.Link {
	link := state.Link{
		Lane:      l,
		RemoteID:  rapid.SampledFrom([]string{"", "7"}).Draw(t, "remote id"),
		Gone:      rapid.IntRange(0, 4).Draw(t, "gone") == 0,
		Version:   state.Version{At: epoch, EventID: eventID},
		UpdatedAt: m.clock.Now(),
	}
	if rapid.Bool().Draw(t, "written") {
		link.Hash, link.Adopted, link.Withheld = []byte{1}, true, "email"
		link.Targets = []state.Target{{Lane: lanes[3], Made: true}}
		link.Mapping, link.Wrote = rapid.SampledFrom(mappings).Draw(t, "mapping"), []state.Wrote{{Field: "phone", Hash: []byte{3}}}
	}
	return link
}

func (m *machine) settleBatch(b state.Batch) {
	err := m.store.Settle(m.ctx, b)
	if m.model.settle(b, m.clock.Now()) {
		m.ok(err)
	} else if !errors.Is(err, state.ErrNotLeased) {
		m.Fatalf("settle: got %v, want ErrNotLeased", err)
	}
}

// putLinks changes links and what waits, without events.
func (m *machine) putLinks(t *rapid.T) {
	var b state.Batch
	for _, l := range some(t, lanes, "link") {
		b.Links = append(b.Links, m.link(t, l, rapid.SampledFrom([]string{"e1", "e2", "e3"}).Draw(t, "winner")))
	}
	var all []state.Waiting
	for _, kind := range []state.WaitKind{state.WaitLink, state.WaitValue} {
		for _, target := range lanes[1:] {
			all = append(all, state.Waiting{Kind: kind, Target: target, Record: lanes[0]})
		}
	}
	if !slices.ContainsFunc(b.Links, func(l state.Link) bool { return l.Lane == lanes[0] }) {
		b.Links = append(b.Links, m.link(t, lanes[0], "e1")) // a link that waits is from a record
	}
	b.Waiting, b.Drained = some(t, all, "waiting"), some(t, all, "drained")
	m.settleBatch(b)
}

func (m *machine) release(t *rapid.T) {
	for _, e := range m.model.events {
		if rapid.Bool().Draw(t, "release") {
			m.ok(m.store.Release(m.ctx, e.Seq))
			e.claim = 0
		}
	}
}

func (m *machine) markInDoubt(t *rapid.T) {
	marked := some(t, lanes, "lane")
	m.ok(m.store.MarkInDoubt(m.ctx, m.clock.Now(), marked...))
	for _, l := range marked {
		m.model.doubt[l] = m.clock.Now()
	}
}

func (m *machine) requeue(t *rapid.T) {
	o := state.RequeueOptions{
		IDs:    some(t, []string{"e1", "e2", "m1", "m2", "m7"}, "id"),
		Status: rapid.SampledFrom(state.Statuses()).Draw(t, "status"),
		Force:  rapid.Bool().Draw(t, "force"),
	}
	got, err := m.store.Requeue(m.ctx, o)
	m.ok(err)
	m.equal("requeue", got, m.model.requeue(o))
}

func (m *machine) resync(t *rapid.T) {
	o := state.RequeueOptions{
		Resync: true,
		Object: rapid.SampledFrom([]string{"", "activity", "contact", "company"}).Draw(t, "object"),
		Force:  rapid.Bool().Draw(t, "force"),
	}
	if rapid.Bool().Draw(t, "since") {
		o.Since = m.clock.Now().Add(-rapid.SampledFrom(spans).Draw(t, "ago"))
	}
	got, err := m.store.Requeue(m.ctx, o)
	m.ok(err)
	slices.Sort(got.PayloadGone)
	m.equal("resync", got, m.model.resync(o))
}

func (m *machine) discard(t *rapid.T) {
	ids := some(t, []string{"e1", "e2", "m1", "m2", "m7"}, "id")
	got, err := m.store.Discard(m.ctx, ids, "by hand")
	m.ok(err)
	m.equal("discard", got, m.model.discard(ids, "by hand", m.clock.Now()))
}

func (m *machine) pause(t *rapid.T) {
	since := rapid.SampledFrom([]time.Time{{}, m.clock.Now()}).Draw(t, "since")
	m.ok(m.store.SetPaused(m.ctx, since))
	m.model.paused = since
}

func (m *machine) rebind(*rapid.T) {
	m.ok(m.store.Rebind(m.ctx))
	m.model.rebind()
}

func (m *machine) prune(t *rapid.T) {
	o := state.PruneOptions{KeepWinners: rapid.Bool().Draw(t, "keep")}
	if rapid.Bool().Draw(t, "payloads") {
		o.PayloadsBefore = m.clock.Now()
	}
	if rapid.IntRange(0, 3).Draw(t, "events") == 0 {
		o.EventsBefore = m.clock.Now().Add(-time.Second)
	}
	got, err := m.store.Prune(m.ctx, o)
	m.ok(err)
	m.equal("prune", got, m.model.prune(o))
}

// check compares everything that can be asked.
func (m *machine) check(*rapid.T) {
	findings, err := m.store.Verify(m.ctx)
	m.ok(err)
	m.equal("findings", findings, []state.Finding{})
	m.checkStats()

	events, err := m.store.Events(m.ctx, state.EventFilter{})
	m.ok(err)
	slices.Reverse(events)
	var want []state.Event
	for _, e := range m.model.events {
		line := e.Event
		line.Body = nil
		want = append(want, line)
		full, err := m.store.Event(m.ctx, e.ID)
		m.ok(err)
		m.equal("event", full, e.Event)
	}
	m.equal("events", events, want)

	links, err := m.store.Links(m.ctx, lanes...)
	m.ok(err)
	m.equal("links", links, m.model.links)
	ready, err := m.store.ReadyLinks(m.ctx, 100)
	m.ok(err)
	var waits []state.Waiting
	for _, r := range ready {
		waits = append(waits, r.Waiting)
	}
	slices.SortFunc(waits, compareWaiting)
	m.equal("ready", waits, m.model.ready())
	paused, err := m.store.Paused(m.ctx)
	m.ok(err)
	m.equal("paused", paused, m.model.paused)
}

func (m *machine) checkStats() {
	stats, err := m.store.Stats(m.ctx)
	m.ok(err)
	if !stats.Balanced() {
		m.Fatalf("counts do not add up: %+v", stats)
	}
	counts, waiting := m.model.stats()
	m.equal("counts", stats.Counts, counts)
	m.equal("reasons", stats.Reasons, m.model.reasons)
	m.equal("pruned", stats.Pruned, m.model.pruned)
	m.equal("received, duplicates, waiting",
		[]int64{stats.Received, stats.Duplicates, stats.WaitingLinks}, []int64{m.model.received, m.model.duplicates, waiting})
	m.equal("last test", stats.LastTestAt, m.model.lastTest)
	m.checkMapped(stats)
	var oldest time.Time
	if e := m.model.find(func(e *modelEvent) bool { return e.Status == state.Pending }); e != nil {
		oldest = e.ReceivedAt
	}
	m.equal("oldest pending", stats.OldestPending, oldest)
}
