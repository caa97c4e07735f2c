package bolt

import (
	"maps"
	"time"

	"crmsync/state"
)

// leases is what the committer keeps in memory: which events and lanes are
// claimed, and how far the queue was looked through. Nothing of it survives the
// process, and an event without a lease can be claimed.
type leases struct {
	claim  uint64 // number of the last claim
	events map[uint64][]state.Lane
	lanes  map[state.Lane]*holder

	// next is by mask the seq to look at first: everything below it is leased,
	// or parked under a lane that it waits for. So a claim does not pass the
	// same events again and again.
	next   [masks]uint64
	parked map[state.Lane]parking

	// resting holds, until when, the lanes of events that are not due yet: a
	// newer event of the lane waits with them, so that one claim sees all of a
	// record's events, and what an earlier round may have done for any of them.
	resting map[state.Lane]time.Time
}

// holder is the claim that holds a lane, by as many events.
type holder struct {
	claim  uint64
	events int
}

// parking remembers the first event that waits for a lane.
type parking struct {
	seq   uint64
	until time.Time // of a lane that rests; zero for one that is leased
}

func newLeases() *leases {
	return &leases{
		events: make(map[uint64][]state.Lane),
		lanes:  make(map[state.Lane]*holder),
		parked: make(map[state.Lane]parking), resting: make(map[state.Lane]time.Time),
	}
}

// add leases an event to the claim.
func (l *leases) add(claim, seq uint64, lanes []state.Lane) {
	l.events[seq] = lanes
	for _, lane := range lanes {
		h := l.lanes[lane]
		if h == nil {
			h = &holder{claim: claim}
			l.lanes[lane] = h
		}
		h.events++
	}
}

// remove ends the lease of an event, and reports whether there was one.
func (l *leases) remove(seq uint64) bool {
	lanes, ok := l.events[seq]
	if !ok {
		return false
	}
	delete(l.events, seq)
	for _, lane := range lanes {
		if h := l.lanes[lane]; h.events > 1 {
			h.events--
			continue
		}
		delete(l.lanes, lane)
		l.unpark(lane)
	}
	return true
}

// holder returns the claim that holds an event's lanes, 0 for none.
func (l *leases) holder(lanes []state.Lane) uint64 {
	for _, lane := range lanes {
		if h := l.lanes[lane]; h != nil {
			return h.claim
		}
	}
	return 0
}

// taken returns the first of the lanes that another claim holds.
func (l *leases) taken(claim uint64, lanes []state.Lane) (state.Lane, bool) {
	for _, lane := range lanes {
		if h := l.lanes[lane]; h != nil && h.claim != claim {
			return lane, true
		}
	}
	return state.Lane{}, false
}

// look makes the next claim look at seq.
func (l *leases) look(m mask, seq uint64) { l.next[m] = min(l.next[m], seq) }

// park notes that the event waits for the lane.
func (l *leases) park(lane state.Lane, p parking) {
	if old, ok := l.parked[lane]; ok {
		p.seq = min(p.seq, old.seq)
	}
	l.parked[lane] = p
}

// unpark makes the next claim look at what waited for the lane.
func (l *leases) unpark(lane state.Lane) {
	p, ok := l.parked[lane]
	if !ok {
		return
	}
	delete(l.parked, lane)
	l.lookEverywhere(p.seq)
}

// lookEverywhere is look for an event of any mask.
func (l *leases) lookEverywhere(seq uint64) {
	for m := range l.next {
		l.look(mask(m), seq)
	}
}

// rest keeps the unsettled lanes of an event from claims until it is due.
func (l *leases) rest(e *state.Event) {
	for _, lane := range e.Lanes {
		if !laneSettled(e, lane) && e.NotBefore.After(l.resting[lane]) {
			l.resting[lane] = e.NotBefore
		}
	}
}

// load finds the lanes that rest because of what was delayed by an earlier
// process. Damaged lines are passed: Verify names them.
func (l *leases) load(t *tables) {
	for k := range t.all(delayed) {
		_, seq := parseDelayed(k)
		if e, err := decodeEvent(seq, t.get(inbox, seqKey(seq))); err == nil {
			l.rest(&e)
		}
	}
}

// wakeDue ends the rest of lanes whose time has come.
func (l *leases) wakeDue(now time.Time) {
	for lane, until := range l.resting {
		if !now.Before(until) {
			delete(l.resting, lane)
		}
	}
	for lane, p := range l.parked {
		if !p.until.IsZero() && !now.Before(p.until) {
			l.unpark(lane)
		}
	}
}

// firstDue returns when the first lane has rested that an event waits for; zero
// for none.
func (l *leases) firstDue() time.Time {
	var first time.Time
	for _, p := range l.parked {
		first = earlier(first, p.until)
	}
	return first
}

// rescan forgets how far the queue was looked through.
func (l *leases) rescan() {
	l.next = [masks]uint64{}
	clear(l.parked)
}

// earlier returns the earlier of two times, where zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// lease takes an event for a claim until the group is aborted or it is freed.
func (g *group) lease(claim uint64, e *state.Event) {
	g.leases.add(claim, e.Seq, e.Lanes)
	g.undo = append(g.undo, func() { g.leases.remove(e.Seq) })
}

// rest lets the lanes of a delayed event rest, unless the group is aborted.
func (g *group) rest(e *state.Event) {
	before := make(map[state.Lane]time.Time, len(e.Lanes))
	for _, lane := range e.Lanes {
		before[lane] = g.leases.resting[lane] // zero does not rest
	}
	g.undo = append(g.undo, func() { maps.Copy(g.leases.resting, before) })
	g.leases.rest(e)
}

// free ends a lease, and reports whether there was one.
func (g *group) free(seq uint64) bool {
	lanes := g.leases.events[seq]
	claim := g.leases.holder(lanes)
	if !g.leases.remove(seq) {
		return false
	}
	g.undo = append(g.undo, func() { g.leases.add(claim, seq, lanes) })
	g.wake = true
	return true
}
