package statetest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"crmsync/state"
)

// model is a store as a person would write it down: everything in maps, every
// question answered by looking at everything.
type model struct {
	events     []*modelEvent // by seq
	links      map[state.Lane]state.Link
	waiting    map[state.Waiting]bool
	doubt      map[state.Lane]time.Time
	duplicates int64
	received   int64
	pruned     map[state.Status]int64
	reasons    map[string]int64
	lastTest   time.Time
	paused     time.Time
}

type modelEvent struct {
	state.Event
	claim int // number of the claim that holds it; 0 for none
}

func newModel() *model {
	return &model{
		links: make(map[state.Lane]state.Link), waiting: make(map[state.Waiting]bool),
		doubt: make(map[state.Lane]time.Time), pruned: make(map[state.Status]int64), reasons: make(map[string]int64),
	}
}

func (m *model) find(match func(*modelEvent) bool) *modelEvent {
	if i := slices.IndexFunc(m.events, match); i >= 0 {
		return m.events[i]
	}
	return nil
}

func (m *model) byID(id string) *modelEvent {
	return m.find(func(e *modelEvent) bool { return e.ID == id })
}

func (m *model) byMessage(id string) *modelEvent {
	return m.find(func(e *modelEvent) bool { return e.MessageID == id })
}

// accept returns what the store should answer. The id of a new event is known
// unless it had to be made up; then it is "".
func (m *model) accept(msg state.Message) state.Receipt {
	e := m.byMessage(msg.MessageID)
	same := m.byID(msg.ID)
	if e == nil && msg.ID != "" && same != nil && same.Type == msg.Type && same.Key == msg.Key && same.OccurredAt.Equal(msg.OccurredAt) {
		e = same
	}
	if e == nil {
		id := msg.ID
		if id == "" || same != nil {
			id = msg.MessageID
		}
		if m.byID(id) != nil {
			id = ""
		}
		e = &modelEvent{Event: state.Event{ID: id, MessageID: msg.MessageID, ReceivedAt: msg.ReceivedAt, Status: state.Pending}}
		e.take(msg)
		m.events = append(m.events, e)
		m.received++
		return state.Receipt{Outcome: state.Added, ID: id}
	}
	m.duplicates++
	r := state.Receipt{Outcome: state.Duplicate, ID: e.ID}
	switch e.Status {
	case state.Dead:
		r.Outcome = state.Requeued
	case state.Skipped:
		if e.Reason == state.ReasonTestEvent {
			m.lastTest = msg.ReceivedAt
		}
		if e.Reason == state.ReasonFiltered || e.Reason == state.ReasonUnsupportedType || e.Reason == state.ReasonObjectOff {
			r.Outcome = state.Requeued
		}
	}
	if r.Outcome == state.Requeued {
		m.reopen(e)
		e.Attempts = 0
		e.take(msg)
	}
	return r
}

func (e *modelEvent) take(msg state.Message) {
	e.Type, e.Key, e.OccurredAt, e.Lanes = msg.Type, msg.Key, msg.OccurredAt, msg.Lanes
	e.SignedBy, e.Body, e.Size = msg.SignedBy, msg.Body, len(msg.Body)
}

func (m *model) reopen(e *modelEvent) {
	m.countReason(e, -1)
	e.Status, e.Reason, e.Error, e.Records, e.SettledAt = state.Pending, "", "", nil, time.Time{}
}

func (m *model) countReason(e *modelEvent, n int64) {
	if e.Status == state.Pending || e.Reason == "" {
		return
	}
	key := string(e.Status) + "/" + e.Reason
	if m.reasons[key] += n; m.reasons[key] == 0 {
		delete(m.reasons, key)
	}
}

// claim leases what may be claimed.
func (m *model) claim(number int, o state.ClaimOptions, now time.Time) []*modelEvent {
	var claimed []*modelEvent
	size := 0
	for _, e := range m.events {
		if len(claimed) == o.Max {
			break
		}
		if e.Status != state.Pending || e.claim != 0 || e.NotBefore.After(now) || !e.open(o.Paused) || m.blocked(e, number, now) {
			continue
		}
		if size += e.Size; o.MaxBytes > 0 && size > o.MaxBytes && len(claimed) > 0 {
			break
		}
		e.claim = number
		claimed = append(claimed, e)
	}
	return claimed
}

// open reports whether there is something to write, or to be ended.
func (e *modelEvent) open(paused []string) bool {
	settled := 0
	for _, l := range e.Lanes {
		i := slices.IndexFunc(e.Records, func(r state.Record) bool { return r.Lane() == l })
		if i >= 0 && e.Records[i].Status != state.Pending {
			settled++
		} else if !slices.Contains(paused, l.Object) {
			return true
		}
	}
	return settled == len(e.Lanes)
}

func (m *model) blocked(e *modelEvent, number int, now time.Time) bool {
	for _, l := range e.Lanes {
		if m.find(func(o *modelEvent) bool {
			return o.claim != 0 && o.claim != number && slices.Contains(o.Lanes, l) || o.rests(l, now) && !e.settled(l)
		}) != nil {
			return true
		}
	}
	return false
}

// rests reports whether the event is not due and keeps its lane from others.
func (e *modelEvent) rests(l state.Lane, now time.Time) bool {
	return e.Status == state.Pending && e.NotBefore.After(now) && slices.Contains(e.Lanes, l) && !e.settled(l)
}

func (e *modelEvent) settled(l state.Lane) bool {
	return slices.ContainsFunc(e.Records, func(r state.Record) bool { return r.Lane() == l && r.Status != state.Pending })
}

// settle reports whether the batch is accepted; if not nothing changes.
func (m *model) settle(b state.Batch, now time.Time) bool {
	seen := make(map[uint64]bool)
	for _, st := range b.Settlements {
		e := m.bySeq(st.Seq)
		if e == nil || e.claim == 0 || seen[st.Seq] {
			return false
		}
		seen[st.Seq] = true
	}
	for _, l := range b.Links {
		m.putLink(l)
	}
	for _, l := range b.NotCreated {
		delete(m.doubt, l)
	}
	for _, w := range b.Drained {
		delete(m.waiting, w)
	}
	for _, w := range b.Waiting {
		m.waiting[w] = true
	}
	for _, st := range b.Settlements {
		m.settleEvent(st, now)
	}
	for _, l := range b.Requeue {
		e := m.byID(m.links[l].Version.EventID)
		if e != nil && e.Status != state.Pending && e.Status != state.Dead && e.Body != nil {
			records := slices.Clone(e.Records)
			for i := range records {
				if records[i].Lane() == l {
					records[i].Status = state.Pending
				}
			}
			m.reopen(e)
			e.Records = records
		}
	}
	return true
}

func (m *model) bySeq(seq uint64) *modelEvent {
	return m.find(func(e *modelEvent) bool { return e.Seq == seq })
}

func (m *model) putLink(l state.Link) {
	m.links[l.Lane] = l
	if l.RemoteID != "" || l.Gone {
		delete(m.doubt, l.Lane)
	}
}

func (m *model) settleEvent(st state.Settlement, now time.Time) {
	e := m.bySeq(st.Seq)
	e.claim = 0
	e.Status, e.Reason, e.Error = st.Status, st.Reason, st.Error
	e.Records = slices.Clone(e.Records)
	for _, r := range st.Records {
		if i := slices.IndexFunc(e.Records, func(o state.Record) bool { return o.Lane() == r.Lane() }); i >= 0 {
			e.Records[i] = r
		} else {
			e.Records = append(e.Records, r)
		}
	}
	if st.Attempted {
		e.Attempts++
	}
	if st.Status == state.Pending {
		e.NotBefore, e.FailingFor = st.NotBefore, st.FailingFor
		return
	}
	e.SettledAt, e.Force, e.NotBefore, e.FailingFor = now, false, time.Time{}, 0
	m.countReason(e, 1)
	if st.Status == state.Skipped && st.Reason == state.ReasonTestEvent && e.ReceivedAt.After(m.lastTest) {
		m.lastTest = e.ReceivedAt
	}
}

func (m *model) requeue(o state.RequeueOptions) state.RequeueResult {
	var r state.RequeueResult
	queue := func(e *modelEvent, name string) {
		switch {
		case e.Status == state.Pending:
			r.AlreadyPending = append(r.AlreadyPending, name)
		case e.Body == nil:
			r.PayloadGone = append(r.PayloadGone, name)
		default:
			m.reopen(e)
			e.Force = o.Force
			r.Queued++
		}
	}
	for _, id := range o.IDs {
		e := m.byID(id)
		if e == nil {
			e = m.byMessage(id)
		}
		if e == nil {
			r.Unknown = append(r.Unknown, id)
			continue
		}
		queue(e, id)
	}
	if len(o.IDs) == 0 {
		for _, e := range m.events {
			if e.Status != state.Pending && (o.Status == "" || o.Status == e.Status) && !e.ReceivedAt.Before(o.Since) {
				queue(e, e.ID)
			}
		}
	}
	return r
}

// resync returns PayloadGone sorted.
func (m *model) resync(o state.RequeueOptions) state.RequeueResult {
	var r state.RequeueResult
	named, gone := make(map[*modelEvent]bool), make(map[string]bool)
	for lane, l := range m.links {
		id := l.Version.EventID
		if id == "" || (o.Object != "" && lane.Object != o.Object) {
			continue
		}
		if e := m.byID(id); e != nil {
			named[e] = true
		} else if o.Since.IsZero() {
			gone[id] = true
		}
	}
	for _, e := range m.events {
		passedOver := e.Reason == state.ReasonFiltered || e.Reason == state.ReasonObjectOff
		passedOver = passedOver && (o.Object == "" || slices.ContainsFunc(e.Lanes, func(l state.Lane) bool { return l.Object == o.Object }))
		ended := e.Status != state.Pending && e.Status != state.Dead && e.Reason != state.ReasonDiscarded
		if !ended || e.ReceivedAt.Before(o.Since) || !named[e] && !passedOver {
			continue
		}
		if e.Body == nil {
			gone[e.ID] = true
			continue
		}
		m.reopen(e)
		e.Force = o.Force
		r.Queued++
	}
	r.PayloadGone = slices.Sorted(maps.Keys(gone))
	return r
}

func (m *model) discard(ids []string, reason string, now time.Time) state.DiscardResult {
	var r state.DiscardResult
	for _, id := range ids {
		e := m.byID(id)
		if e == nil {
			e = m.byMessage(id)
		}
		switch {
		case e == nil:
			r.Unknown = append(r.Unknown, id)
		case e.Status != state.Dead:
			r.NotDead = append(r.NotDead, id)
		default:
			m.countReason(e, -1)
			e.Status, e.Reason, e.Error, e.SettledAt = state.Skipped, state.ReasonDiscarded, reason, now
			m.countReason(e, 1)
			r.Discarded++
		}
	}
	return r
}

func (m *model) rebind() {
	for lane, l := range m.links {
		l.RemoteID, l.Hash, l.Adopted, l.Withheld, l.Targets, l.Mapping, l.Wrote = "", nil, false, "", nil, nil, nil
		m.links[lane] = l
	}
	clear(m.waiting)
	clear(m.doubt)
	for _, e := range m.events {
		if e.Status == state.Pending {
			e.Error, e.Records, e.NotBefore, e.FailingFor = "", nil, time.Time{}, 0
		}
	}
}

func (m *model) prune(o state.PruneOptions) state.PruneResult {
	var r state.PruneResult
	m.events = slices.DeleteFunc(m.events, func(e *modelEvent) bool {
		wins := slices.ContainsFunc(e.Lanes, func(l state.Lane) bool { return m.links[l].Version.EventID == e.ID })
		if e.Status == state.Pending || e.Status == state.Dead || (o.KeepWinners && wins && e.Body != nil) {
			return false
		}
		line := e.SettledAt.Before(o.EventsBefore)
		if (line || e.SettledAt.Before(o.PayloadsBefore)) && e.Body != nil {
			e.Body, e.Size = nil, 0
			r.Payloads++
		}
		if line {
			r.Events++
			m.pruned[e.Status]++
		}
		return line
	})
	return r
}

// ready lists the waiting links whose target is known, sorted.
func (m *model) ready() []state.Waiting {
	var ready []state.Waiting
	for w := range m.waiting {
		if l := m.links[w.Target]; w.Kind == state.WaitLink && l.RemoteID != "" && !l.Gone {
			ready = append(ready, w)
		}
	}
	slices.SortFunc(ready, compareWaiting)
	return ready
}

func compareWaiting(a, b state.Waiting) int {
	return strings.Compare(a.Target.String()+" "+a.Record.String(), b.Target.String()+" "+b.Record.String())
}

// stats returns the counts by status and the number of waiting links.
func (m *model) stats() (map[state.Status]int64, int64) {
	counts := make(map[state.Status]int64)
	for _, status := range state.Statuses() {
		counts[status] = m.pruned[status]
	}
	for _, e := range m.events {
		counts[e.Status]++
	}
	var links int64
	for w := range m.waiting {
		if w.Kind == state.WaitLink {
			links++
		}
	}
	return counts, links
}
