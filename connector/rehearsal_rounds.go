package connector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// rehearsals plays rounds without writing: neither to the CRM nor to the state.
type rehearsals struct {
	d      *Dispatcher
	client *rehearsal
	links  map[state.Lane]state.Link // as they would be now
}

func newRehearsal(o DispatcherOptions) (*rehearsals, error) {
	previewer, ok := o.Client.(crm.Previewer)
	if !ok {
		return nil, ErrNoPreview
	}
	r := &rehearsals{
		client: &rehearsal{Client: o.Client, previewer: previewer},
		links:  map[state.Lane]state.Link{},
	}
	_, links := o.Client.(crm.Linker)
	_, archives := o.Client.(crm.Archiver)
	_, compares := o.Client.(crm.Comparer)
	o.Store, o.Client, o.Metrics, o.DryRun = &shadow{o.Store, r.links}, r.client, nil, false
	r.d = NewDispatcher(o)
	if !links {
		r.d.linker = nil
	}
	if !archives {
		r.d.archiver = nil
	}
	if !compares {
		r.d.comparer = nil
	}
	return r, nil
}

// shadow is a store as it would be after what has been played. A round asks a
// store for nothing else.
type shadow struct {
	state.Store
	links map[state.Lane]state.Link
}

func (s *shadow) Links(ctx context.Context, lanes ...state.Lane) (map[state.Lane]state.Link, error) {
	links, err := s.Store.Links(ctx, lanes...)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(links)
	if out == nil {
		out = map[state.Lane]state.Link{}
	}
	for _, lane := range lanes {
		if l, ok := s.links[lane]; ok {
			l.Wrote = out[lane].Wrote // the CRM holds what it held
			out[lane] = l
		}
	}
	return out, nil
}

// Settle implements state.Store. What a round notes while it writes is no use
// when nothing is written.
func (s *shadow) Settle(context.Context, state.Batch) error { return nil }

// MarkInDoubt implements state.Store.
func (s *shadow) MarkInDoubt(context.Context, time.Time, ...state.Lane) error { return nil }

// Objects implements state.Store, without the records that are not there yet.
func (s *shadow) Objects(ctx context.Context, f state.ObjectFilter) ([]state.Link, error) {
	links, err := s.Store.Objects(ctx, f)
	for i := range links {
		if l, ok := s.links[links[i].Lane]; ok {
			links[i] = l
		}
	}
	return links, err
}

// replays bounds how often records are written again because of each other.
const replays = 3

// play plays one round, and those that it makes necessary: records that are
// written again.
func (r *rehearsals) play(ctx context.Context, events []state.Event) (Preview, error) {
	r.client.begin()
	first, batch, err := r.round(ctx, anew(events))
	if err != nil {
		return Preview{}, err
	}
	follow := aftermath{played: first.outcomes(), waiting: batch.Waiting, lanes: batch.Requeue}
	if err := r.settleLinks(ctx, batch, &follow); err != nil {
		return Preview{}, err
	}
	for range replays {
		again, err := r.reopened(ctx, follow.played, follow.lanes)
		if err != nil {
			return Preview{}, fmt.Errorf("read events whose records are written again: %w", err)
		}
		if len(again) == 0 {
			break
		}
		round, batch, err := r.round(ctx, again)
		if err != nil {
			return Preview{}, err
		}
		maps.Copy(follow.played, round.outcomes())
		follow.waiting, follow.lanes = append(follow.waiting, batch.Waiting...), batch.Requeue
		if err := r.settleLinks(ctx, batch, &follow); err != nil {
			return Preview{}, err
		}
	}
	told := r.events(first, batch)
	return Preview{Events: told, Others: orNone(append(r.others(), follow.drained...)), Requests: r.client.requests}, nil
}

// aftermath is what rounds leave to be done.
type aftermath struct {
	played  map[string]state.Event // by id, as they would be stored
	waiting []state.Waiting
	lanes   []state.Lane    // records to be written again
	drained []RecordPreview // records whose waiting links are made
}

// settleLinks makes the links that a round made ready.
func (r *rehearsals) settleLinks(ctx context.Context, batch state.Batch, follow *aftermath) error {
	drained, gone, err := r.drained(ctx, batch, follow.waiting)
	if err != nil {
		return fmt.Errorf("read waiting links: %w", err)
	}
	unmade, err := r.forget(ctx, gone)
	if err != nil {
		return fmt.Errorf("read links to records that are gone: %w", err)
	}
	follow.drained = append(follow.drained, drained...)
	follow.waiting = append(follow.waiting, unmade...)
	follow.lanes = append(follow.lanes, gone...)
	return nil
}

// round plays one round and remembers what it would settle.
func (r *rehearsals) round(ctx context.Context, events []state.Event) (*round, state.Batch, error) {
	round := r.d.newRound(state.Claim{Events: events})
	if err := round.run(ctx); err != nil {
		return nil, state.Batch{}, err
	}
	if held := r.d.CRMState(); held.State != StateOK {
		return nil, state.Batch{}, fmt.Errorf("%s: %s", held.Kind, held.Reason)
	}
	batch := round.settlement()
	for _, link := range batch.Links {
		r.links[link.Lane] = link
	}
	return round, batch, nil
}

// outcomes are the events of a round as they would be stored after it, by id.
func (r *round) outcomes() map[string]state.Event {
	out := map[string]state.Event{}
	for _, ev := range r.events {
		stored := ev.Event
		s := ev.settlement()
		stored.Status, stored.Records = s.Status, s.Records
		out[ev.ID] = stored
	}
	return out
}

// reopened returns the events that wrote records, pending for these alone, as a
// store queues them: see state.Batch.
func (r *rehearsals) reopened(ctx context.Context, played map[string]state.Event, lanes []state.Lane) ([]state.Event, error) {
	if len(lanes) == 0 {
		return nil, nil
	}
	links, err := r.d.store.Links(ctx, lanes...)
	if err != nil {
		return nil, err
	}
	found := map[string]*state.Event{}
	var order []string
	for _, lane := range lanes {
		id := links[lane].Version.EventID
		if found[id] == nil {
			ev, known := played[id]
			if !known {
				if ev, err = r.d.store.Event(ctx, id); errors.Is(err, state.ErrNotFound) {
					continue
				} else if err != nil {
					return nil, err
				}
			}
			if ev.Status == state.Pending || ev.Status == state.Dead || ev.Body == nil {
				continue
			}
			ev.Status, ev.Attempts, ev.Force = state.Pending, 0, false
			ev.Records = slices.Clone(ev.Records)
			ev.Seq = uint64(len(played) + len(found) + 1)
			found[id], order = &ev, append(order, id)
		}
		for i, rec := range found[id].Records {
			if rec.Lane() == lane {
				found[id].Records[i].Status = state.Pending
			}
		}
		r.client.of(lane).again = true
	}
	out := make([]state.Event, len(order))
	for i, id := range order {
		out[i] = *found[id]
	}
	return out, nil
}

// anew returns events as if nothing had become of them yet.
func anew(events []state.Event) []state.Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Seq = uint64(i + 1)
		out[i].Status, out[i].Records, out[i].Attempts, out[i].FailingFor = state.Pending, nil, 0, 0
	}
	return out
}

// drained are the records whose waiting links would be made or removed, since
// the round makes their target known, and those that turn out to be gone.
func (r *rehearsals) drained(ctx context.Context, batch state.Batch, pending []state.Waiting) (told []RecordPreview, gone []state.Lane, err error) {
	var known []state.Lane
	for _, link := range batch.Links {
		if link.RemoteID != "" {
			known = append(known, link.Lane)
		}
	}
	waiting, err := r.d.store.Waiting(ctx, known...)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range pending {
		if slices.Contains(known, w.Target) && !slices.Contains(waiting, w) {
			waiting = append(waiting, w)
		}
	}
	requests := map[[3]string]int{}
	for _, w := range waiting {
		if w.Kind != state.WaitLink {
			continue
		}
		links, err := r.d.store.Links(ctx, w.Record, w.Target)
		if err != nil {
			return nil, nil, err
		}
		link, target := links[w.Record], links[w.Target]
		action, ok := r.ready(link, w.Target)
		if !ok {
			continue
		}
		requests[[3]string{w.Record.Object, w.Target.Object, action}]++
		side, err := r.client.gone(ctx, link, target, action == LinkRemove)
		if err != nil {
			return nil, nil, err
		}
		if side != nil && action == LinkMake {
			gone = append(gone, *side)
			continue
		}
		r.links[w.Record] = joined(link, w.Target)
		if side != nil {
			continue // there is nothing left to remove
		}
		told = append(told, RecordPreview{
			Object: w.Record.Object, Key: w.Record.Key, RemoteID: shownID(link.RemoteID), Action: string(crm.Updated),
			Changes: []FieldChange{}, Links: []LinkPreview{{w.Target.Object, w.Target.Key, action}},
		})
	}
	most := max(r.client.Properties().MaxLinks, r.client.Properties().MaxBatch, 1)
	for _, n := range requests {
		r.client.requests += (n + most - 1) / most
	}
	return told, gone, nil
}

// ready says what is to be done about a link that waits, unless it was made in
// this round or is not wanted any more.
func (r *rehearsals) ready(link state.Link, target state.Lane) (action string, ok bool) {
	switch {
	case link.RemoteID == "":
		return "", false
	case slices.Contains(link.Targets, state.Target{Lane: target, Drop: true}):
		return LinkRemove, true
	case slices.Contains(link.Targets, state.Target{Lane: target}) && !link.Gone:
		return LinkMake, true
	}
	return "", false
}

// forget notes that somebody removed records from the CRM, and returns the links
// to them that wait now.
func (r *rehearsals) forget(ctx context.Context, gone []state.Lane) ([]state.Waiting, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	links, err := r.d.store.Links(ctx, gone...)
	if err != nil {
		return nil, err
	}
	round := r.d.newRound(state.Claim{})
	for _, lane := range gone {
		link := links[lane]
		link.RemoteID, link.Hash, link.Wrote = "", nil, nil
		round.remember(link)
		round.reborn[lane] = true
	}
	if err := round.relink(ctx); err != nil {
		return nil, err
	}
	batch := round.settlement()
	for _, link := range batch.Links {
		r.links[link.Lane] = link
	}
	return batch.Waiting, nil
}

// joined returns a link whose waiting target has been linked to, or removed.
func joined(link state.Link, target state.Lane) state.Link {
	targets := []state.Target{}
	for _, t := range link.Targets {
		if t.Lane == target {
			if t.Drop {
				continue
			}
			t.Made = true
		}
		targets = append(targets, t)
	}
	link.Targets = targets
	return link
}
