package connector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// event is one claimed event on its way through a round.
type event struct {
	state.Event
	decoded *mapping.Event
	mapped  mapping.Mapped

	// ended is set when the event ends without writing anything.
	ended *mapping.EndedError
	// records says what became of each of the event's records.
	records map[state.Lane]*state.Record
	// before says what became of records that are written once more.
	before map[state.Lane]state.Record

	attempted bool
	notBefore time.Time
	failing   time.Duration // new value of FailingFor; 0 leaves it
}

// candidate is one event's say about one record.
type candidate struct {
	ev      *event
	rec     mapping.Record
	version state.Version
}

// lane holds the candidates of one record key, the newest first.
type lane struct {
	state.Lane
	candidates []*candidate
	done       bool // nothing more to do in this round
	forgotten  bool // its remote id was found gone in this round
	unfinished bool // the record was made in this round by a part of it
	refused    *refusal
}

// refusal remembers what the CRM refused, so that an older event that says the
// same is not sent to hear the same.
type refusal struct {
	hash []byte
	err  *crm.Error
}

// round takes claimed events to their end: decode, map, plan, write, settle.
type round struct {
	*Dispatcher
	events  []*event
	lanes   map[state.Lane]*lane
	order   []state.Lane // of lanes, so that the same events give the same requests
	links   map[state.Lane]state.Link
	inDoubt map[state.Lane]time.Time // see state.Claim

	kept      map[state.Lane][]crm.Change // fields that a person won
	reborn    map[state.Lane]bool         // records that come back, or came back, under a new id
	joined    map[[2]state.Lane]bool      // links made in this round, from and to
	put       map[state.Lane]bool         // links that changed
	denied    map[state.Lane]bool         // records that the CRM last answered not to have created
	postponed map[crm.Object]bool         // objects of which something was left for another round
	released  []state.Lane                // records that may have given up a value
	vacated   map[state.Lane]string       // records that gave up a field for somebody else's
	batch     state.Batch
}

func (d *Dispatcher) newRound(claim state.Claim) *round {
	r := &round{
		Dispatcher: d,
		lanes:      map[state.Lane]*lane{},
		links:      map[state.Lane]state.Link{},
		inDoubt:    claim.InDoubt,
		kept:       map[state.Lane][]crm.Change{},
		reborn:     map[state.Lane]bool{},
		joined:     map[[2]state.Lane]bool{},
		put:        map[state.Lane]bool{},
		denied:     map[state.Lane]bool{},
		postponed:  map[crm.Object]bool{},
		vacated:    map[state.Lane]string{},
	}
	r.events = make([]*event, len(claim.Events))
	everywhere(len(r.events), func(i int) { r.events[i] = r.decode(claim.Events[i]) })
	return r
}

// decode reads one claimed event. What was settled in an earlier round stays.
func (r *round) decode(ev state.Event) *event {
	e := &event{Event: ev, records: map[state.Lane]*state.Record{}, before: map[state.Lane]state.Record{}}
	for _, rec := range ev.Records {
		if rec.Status != state.Pending {
			e.records[rec.Lane()] = &rec
		} else {
			e.before[rec.Lane()] = rec
		}
	}
	decoded, err := mapping.Decode(mapping.Delivery{
		ID: ev.ID, MessageID: ev.MessageID, Body: ev.Body, ReceivedAt: ev.ReceivedAt,
	})
	if err != nil {
		ended, ok := errors.AsType[*mapping.EndedError](err)
		if !ok {
			ended = &mapping.EndedError{Status: string(state.Dead), Reason: state.ReasonBadPayload, Detail: err.Error()}
		}
		e.ended = ended
		return e
	}
	e.decoded = decoded
	if decoded.Verb == mapping.Deleted && r.deletePolicy(decoded.Kind) == DeleteIgnore {
		e.ended = &mapping.EndedError{Status: string(state.Skipped), Reason: state.ReasonIgnoredDelete, Detail: "deletions are ignored by configuration"}
	}
	return e
}

// run takes the round to the point where everything is decided.
func (r *round) run(ctx context.Context) error {
	r.mapEvents(ctx)
	if err := r.loadLinks(ctx); err != nil {
		return err
	}
	r.collect()
	for _, object := range crm.Objects() {
		if err := r.deliver(ctx, object); err != nil {
			return err
		}
	}
	if err := r.relink(ctx); err != nil {
		return err
	}
	return r.requeueWaiting(ctx)
}

// mapEvents runs the mapping. An owner that the table does not know makes it
// load the table again, but not for every newcomer.
func (r *round) mapEvents(ctx context.Context) {
	owners := r.owners.table(ctx, r)
	var missed bool
	everywhere(len(r.events), func(i int) {
		switch ev := r.events[i]; {
		case ev.ended != nil:
		case owners == nil && r.mapper.FilteredByOwner(ev.decoded):
			ev.await()
		default:
			ev.mapped = r.mapper.Map(ev.decoded, owners)
		}
	})
	for _, ev := range r.events {
		missed = missed || len(ev.mapped.OwnerMisses) > 0
	}
	if missed {
		r.mapAgain(r.owners.refresh(ctx, r))
	}
	for _, ev := range r.events {
		if ev.ended == nil && ev.mapped.Skip != "" {
			ev.ended = &mapping.EndedError{Status: string(state.Skipped), Reason: ev.mapped.Skip}
		}
		r.metrics.withheld(ev.mapped.Withheld)
	}
}

// mapAgain maps events that lack an owner with the table that was just loaded.
// When that failed, those that a filter decides about by it have to wait; what
// the others write is held.
func (r *round) mapAgain(loaded bool) {
	for _, ev := range r.events {
		switch {
		case len(ev.mapped.OwnerMisses) == 0:
		case loaded:
			ev.mapped = r.mapper.Map(ev.decoded, r.owners.known)
		case r.owners.failed() && r.mapper.FilteredByOwner(ev.decoded):
			ev.mapped = mapping.Mapped{}
			ev.await()
		}
	}
}

// await leaves what the event may write pending: its objects are held.
func (ev *event) await() {
	for _, lane := range ev.Lanes {
		if ev.records[lane] == nil {
			ev.records[lane] = &state.Record{Object: lane.Object, Key: lane.Key, Status: state.Pending}
		}
	}
}

// loadLinks reads what is remembered of every record that the round touches,
// links to, or was linked to.
func (r *round) loadLinks(ctx context.Context) error {
	seen := map[state.Lane]bool{}
	var lanes []state.Lane
	add := func(l mapping.Lane) {
		if k := laneOf(l); !seen[k] {
			seen[k] = true
			lanes = append(lanes, k)
		}
	}
	for _, ev := range r.events {
		if ev.leavesAlone() {
			for _, lane := range ev.decoded.Lanes {
				add(lane)
			}
		}
		for _, rec := range ev.mapped.Records {
			add(rec.Lane)
			for _, t := range rec.Targets {
				add(t.Lane)
			}
		}
	}
	links, err := r.store.Links(ctx, lanes...)
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	r.links = links
	lanes = nil
	for _, link := range links {
		for _, old := range link.Targets {
			if !seen[old.Lane] {
				seen[old.Lane] = true
				lanes = append(lanes, old.Lane)
			}
		}
	}
	if links, err = r.store.Links(ctx, lanes...); err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	maps.Copy(r.links, links)
	return nil
}

// collect puts every unsettled record of the events into its lane.
func (r *round) collect() {
	for _, ev := range r.events {
		if ev.leavesAlone() {
			r.leaveAlone(ev)
		}
		if ev.ended != nil {
			continue
		}
		for _, rec := range ev.mapped.Records {
			key := laneOf(rec.Lane)
			if ev.records[key] != nil {
				continue
			}
			if rec.Filtered && r.links[key].RemoteID == "" {
				ev.records[key] = &state.Record{Object: key.Object, Key: key.Key, Action: string(crm.None), Status: state.Skipped, Reason: state.ReasonFiltered}
				continue
			}
			ev.records[key] = &state.Record{Object: key.Object, Key: key.Key, RemoteID: r.links[key].RemoteID, Status: state.Pending}
			l := r.lanes[key]
			if l == nil {
				l = &lane{Lane: key}
				r.lanes[key] = l
				r.order = append(r.order, key)
			}
			l.candidates = append(l.candidates, &candidate{ev: ev, rec: rec, version: versionOf(ev.decoded, rec)})
		}
	}
	for _, l := range r.lanes {
		slices.SortStableFunc(l.candidates, func(a, b *candidate) int { return b.version.Compare(a.version) })
	}
}

// leavesAlone reports whether an event ends because it is not to be used: of the
// records that it wrote nothing else can be made by this mapping.
func (ev *event) leavesAlone() bool {
	return ev.decoded != nil && ev.ended != nil && (ev.ended.Reason == state.ReasonFiltered || ev.ended.Reason == state.ReasonIgnoredDelete)
}

// leaveAlone notes that the records which an event wrote are as today's mapping
// leaves them.
func (r *round) leaveAlone(ev *event) {
	for _, lane := range ev.decoded.Lanes {
		link := r.links[laneOf(lane)]
		now, on := r.fingerprints[string(lane.Object)]
		if on && link.Version.EventID == ev.ID && !bytes.Equal(link.Mapping, now) {
			link.Mapping = now
			r.remember(link)
		}
	}
}

// versionOf places an event in the order of its record: what a user.* or org.*
// event says stands above the snapshot of a user inside a call.
func versionOf(ev *mapping.Event, rec mapping.Record) state.Version {
	v := state.Version{At: ev.Timestamp, EventID: ev.ID}
	if ev.Kind != mapping.KindCall {
		v.Source = 1
	}
	switch rec.Verb {
	case mapping.Created:
		v.Rank = 1
	case mapping.Updated:
		v.Rank = 2
	case mapping.Deleted:
		v.Rank = 3
	}
	return v
}

func laneOf(l mapping.Lane) state.Lane { return state.Lane{Object: string(l.Object), Key: l.Key} }

// postpone leaves a job and its losers pending for another round.
func (r *round) postpone(j *job) {
	j.lane.done = true
	r.postponed[crm.Object(j.lane.Object)] = true
}

// remember changes what is known of a lane; it is committed with the round.
func (r *round) remember(l state.Link) {
	l.UpdatedAt = time.Now()
	r.links[l.Lane] = l
	r.put[l.Lane] = true
}

// requeueWaiting queues again what waits for a value that a contact of this
// round may have given up.
func (r *round) requeueWaiting(ctx context.Context) error {
	if len(r.released) == 0 {
		return nil
	}
	waiting, err := r.store.Waiting(ctx, r.released...)
	if err != nil {
		return err
	}
	for _, w := range slices.Concat(waiting, r.batch.Waiting) {
		if w.Kind == state.WaitValue && slices.Contains(r.released, w.Target) {
			r.batch.Drained = append(r.batch.Drained, w)
			r.batch.Requeue = append(r.batch.Requeue, w.Record)
		}
	}
	return nil
}
