package connector

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"crmsync/state"
)

// dryRunRest is the time between two looks at the events that are pending: all
// of them, since none ever ends.
const dryRunRest = time.Second

// dryRunPage is how many ledger lines are read at once.
const dryRunPage = 1000

// DryRun sums up what would have been written.
type DryRun struct {
	Events   int                  `json:"events"`   // pending events that have been played
	Statuses map[state.Status]int `json:"statuses"` // how they would end
	Actions  map[string]int       `json:"actions"`  // records, by crm.Action
	Links    int                  `json:"links"`    // that would be made or removed
	Requests int                  `json:"requests"`
}

// dryRun plays pending events, in the order of their receipt, each once.
type dryRun struct {
	d      *Dispatcher // whose gate and owners are used
	stage  *rehearsals
	known  map[uint64]bool // by Seq: has been queued
	queue  []string        // ids of events
	looked time.Time       // for pending events

	mu  sync.Mutex
	sum DryRun
}

// newDryRun panics when the client cannot preview: the configuration has been
// checked for it.
func newDryRun(d *Dispatcher, o DispatcherOptions) *dryRun {
	stage, err := newRehearsal(o)
	if err != nil {
		panic("connector: NewDispatcher: " + err.Error())
	}
	stage.d.gate, stage.d.owners = d.gate, d.owners
	return &dryRun{d: d, known: map[uint64]bool{}, stage: stage, sum: newSum()}
}

func newSum() DryRun { return DryRun{Statuses: map[state.Status]int{}, Actions: map[string]int{}} }

// DryRun sums up what would have been written; nil when events are written.
// Safe for concurrent use.
func (d *Dispatcher) DryRun() *DryRun {
	if d.dry == nil {
		return nil
	}
	d.dry.mu.Lock()
	defer d.dry.mu.Unlock()
	sum := newSum()
	sum.add(d.dry.sum)
	return &sum
}

// step plays some of the events that are pending and returns how long to wait
// before the next.
func (y *dryRun) step(ctx context.Context) (time.Duration, error) {
	if len(y.queue) == 0 {
		if wait := dryRunRest - time.Since(y.looked); wait > 0 && !y.looked.IsZero() {
			return wait, nil
		}
		if err := y.look(ctx); err != nil {
			return 0, fmt.Errorf("read pending events: %w", err)
		}
	}
	events, err := y.next(ctx)
	if err != nil {
		return 0, fmt.Errorf("read pending events: %w", err)
	}
	if len(events) == 0 {
		return idleCheck, nil
	}
	p, err := y.stage.play(ctx, events)
	if err != nil { // of the CRM: the gate knows when to try again
		_, next := y.d.gate.paused()
		return max(y.d.gate.wait(), time.Until(next), dryRunRest), ctx.Err()
	}
	y.queue = y.queue[len(events):]
	y.mu.Lock()
	defer y.mu.Unlock()
	y.sum.add(sumOf(p))
	return 0, nil
}

// look queues the events that are pending and have not been queued before, the
// oldest first.
func (y *dryRun) look(ctx context.Context) error {
	y.looked = time.Now()
	var fresh []string
	for filter := (state.EventFilter{Status: state.Pending, Limit: dryRunPage}); ; {
		page, err := y.d.store.Events(ctx, filter)
		if err != nil {
			return err
		}
		for _, ev := range page {
			if !y.known[ev.Seq] {
				y.known[ev.Seq] = true
				fresh = append(fresh, ev.ID)
			}
		}
		if len(page) < filter.Limit {
			break
		}
		filter.Before = page[len(page)-1].Seq
	}
	slices.Reverse(fresh)
	y.queue = fresh
	return nil
}

// next returns the first events of the queue, with their payloads.
func (y *dryRun) next(ctx context.Context) ([]state.Event, error) {
	var events []state.Event
	size := 0
	most := y.d.claimSize()
	if y.d.gate.probing("") {
		most = 1
	}
	for _, id := range y.queue[:min(len(y.queue), most)] {
		ev, err := y.d.store.Event(ctx, id)
		if err != nil {
			return nil, err
		}
		if size += ev.Size; size > claimBytes && len(events) > 0 {
			break
		}
		events = append(events, ev)
	}
	return events, nil
}

func sumOf(p Preview) DryRun {
	sum := newSum()
	sum.Requests = p.Requests
	for _, ev := range p.Events {
		sum.Events++
		sum.Statuses[ev.Status]++
		for _, rec := range ev.Records {
			sum.Actions[rec.Action]++
			sum.Links += made(rec.Links)
		}
	}
	for _, rec := range p.Others {
		sum.Actions[rec.Action]++
		sum.Links += made(rec.Links)
	}
	return sum
}

func made(links []LinkPreview) int {
	n := 0
	for _, l := range links {
		if l.Action != LinkWait {
			n++
		}
	}
	return n
}

func (s *DryRun) add(more DryRun) {
	s.Events += more.Events
	s.Links += more.Links
	s.Requests += more.Requests
	for status, n := range more.Statuses {
		s.Statuses[status] += n
	}
	for action, n := range more.Actions {
		s.Actions[action] += n
	}
}
