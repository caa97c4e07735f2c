package connector

import (
	"cmp"
	"context"
	"slices"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// edge is one link to make or to remove, and whom to tell.
type edge struct {
	crm.Link
	record state.Lane
	target state.Lane
	job    *job             // of a record of this round
	ready  *state.ReadyLink // of a link that was waiting
}

// writeLinks makes the links of records that the CRM has just taken. Adapters
// that write links with the record have done so already.
func (w *writer) writeLinks(ctx context.Context, jobs []*job) error {
	var edges []*edge
	for _, j := range jobs {
		if j.result.Action == crm.Created || j.result.RemoteID != j.link.RemoteID || j.ev.Force {
			j.remakeLinks() // a new record has none, whatever we remember
		}
		if j.result.Action == crm.Created {
			j.drops = nil
		}
		for _, t := range w.missing(j) {
			if w.linker != nil {
				edges = append(edges, w.edge(j, t, false))
			} else {
				w.join(j, t.Lane)
			}
		}
		for _, t := range w.known(j.drops) {
			if w.linker != nil {
				edges = append(edges, w.edge(j, t, true))
			} else {
				j.dropped(t.Lane)
			}
		}
	}
	if err := w.noteLinks(ctx, edges); err != nil {
		return err
	}
	w.sendEdges(ctx, edges)
	return nil
}

func (w *writer) edge(j *job, t state.Target, remove bool) *edge {
	return &edge{
		Link: crm.Link{
			From:   crm.Ref{Object: w.object, Key: j.lane.Key, RemoteID: j.result.RemoteID},
			To:     crm.Ref{Object: crm.Object(t.Object), Key: t.Key, RemoteID: w.links[t.Lane].RemoteID},
			Remove: remove,
		},
		record: j.lane.Lane, target: t.Lane, job: j,
	}
}

// made marks a wanted target as linked.
func (j *job) made(target state.Lane) {
	for i := range j.targets {
		if j.targets[i].Lane == target {
			j.targets[i].Made = true
		}
	}
}

// dropped notes that a link to target does not exist any more.
func (j *job) dropped(target state.Lane) {
	j.drops = slices.DeleteFunc(j.drops, func(t state.Target) bool { return t.Lane == target })
}

// sendEdges sends links grouped as a Linker wants them: removals first, so
// that a limit of one link per record does not refuse its successor.
func (r *round) sendEdges(ctx context.Context, edges []*edge) {
	if r.linker == nil {
		return
	}
	type group struct {
		remove   bool
		from, to crm.Object
	}
	groups := map[group][]*edge{}
	for _, e := range edges {
		g := group{e.Remove, e.From.Object, e.To.Object}
		groups[g] = append(groups[g], e)
	}
	keys := make([]group, 0, len(groups))
	for g := range groups {
		keys = append(keys, g)
	}
	slices.SortFunc(keys, func(a, b group) int {
		if a.remove != b.remove {
			if a.remove {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	for _, g := range keys {
		r.linkDelivery(g.from).run(ctx, groups[g])
	}
}

func (r *round) linkDelivery(object crm.Object) *delivery[*edge] {
	return &delivery[*edge]{
		gate: r.gate, object: object, max: max(r.client.Properties().MaxLinks, 1),
		lane: func(e *edge) state.Lane { return e.record },
		send: func(ctx context.Context, edges []*edge) ([]error, error) {
			links := make([]crm.Link, len(edges))
			for i, e := range edges {
				links[i] = e.Link
			}
			return r.linker.Link(ctx, links)
		},
		reason:  func(edges []*edge, e *crm.Error) string { return scrubbedLink(e, edges...).Error() },
		arrived: r.linked,
		failed:  r.linkFailed,
		alone:   r.linkAlone,
		later:   r.linkLater,
		held: func(reason string) {
			r.log.Warn("writing is held", keyObject, string(object), keyReason, reason)
		},
	}
}

// linked notes a link that exists, or is gone, as wanted.
func (r *round) linked(e *edge) {
	r.gate.arrived(e.From.Object)
	r.vindicated(way{e.From.Object, true})
	switch {
	case e.ready != nil:
		r.drained(e, true)
	case e.Remove:
		e.job.dropped(e.target)
	default:
		r.join(e.job, e.target)
	}
}

// join notes that the record of a job is linked as wanted.
func (r *round) join(j *job, target state.Lane) {
	j.made(target)
	r.joined[[2]state.Lane{j.lane.Lane, target}] = true
}

// linkFailed decides about a link that the CRM refuses. Its record stays.
func (r *round) linkFailed(e *edge, err *crm.Error) {
	switch {
	case e.Remove && err.Kind == crm.NotFound:
		r.linked(e) // there is nothing left to remove
	case err.Kind == crm.NotFound:
		r.sideGone(e, err)
	case e.ready != nil:
		// Its event has ended; the event is planned again and ends dead there.
		r.drained(e, false)
		r.batch.Requeue = append(r.batch.Requeue, e.record)
	default:
		e.job.linkErr = scrubbedLink(err, e)
	}
}

// scrubbedLink takes what the events of the links say out of an error.
func scrubbedLink(e *crm.Error, edges ...*edge) *crm.Error {
	var fields []crm.Fields
	for _, edge := range edges {
		if edge.job != nil {
			fields = append(fields, edge.job.rec.Fields)
		}
	}
	clean := *e
	clean.Message = scrub(e.Message, fields...)
	return &clean
}

// sideGone forgets the side of a link that somebody removed from the CRM, and
// queues the event that wrote it, which writes it again by its key.
func (r *round) sideGone(e *edge, err *crm.Error) {
	gone := e.target
	if m := err.Missing; m != nil && m.RemoteID == e.From.RemoteID && m.Object == e.From.Object {
		gone = e.record
		if e.job != nil { // it was written a moment ago: try the whole job again, later
			r.linkAlone(e, err, false)
			return
		}
		r.drained(e, false)
	}
	known := r.links[gone]
	if known.RemoteID == "" {
		return
	}
	known.Lane, known.RemoteID, known.Hash, known.Wrote = gone, "", nil, nil
	r.remember(known)
	r.reborn[gone] = true
	r.batch.Requeue = append(r.batch.Requeue, gone)
}

// linkAlone notes a link that was sent alone and got no useful answer.
func (r *round) linkAlone(e *edge, err *crm.Error, othersTaken bool) {
	if e.job != nil && r.unanswered(e.job.ev, way{e.From.Object, true}, othersTaken) {
		e.job.linkErr, e.job.gaveUp = scrubbedLink(err, e), true
		return
	}
	r.linkLater(e)
}

func (r *round) linkLater(e *edge) {
	if e.job != nil {
		e.job.linkWait = true
	}
}

// drain makes links that were waiting for their target. It reports whether
// there may be more.
func (d *Dispatcher) drain(ctx context.Context) (more bool, err error) {
	if time.Now().Before(d.drainAfter) {
		return false, nil
	}
	ready, err := d.store.ReadyLinks(ctx, drainBatch)
	if err != nil || len(ready) == 0 {
		return false, err
	}
	r := d.newRound(state.Claim{})
	var edges []*edge
	for i := range ready {
		l := &ready[i]
		r.links[l.Record], r.links[l.Target] = l.RecordLink, l.TargetLink
		e := &edge{record: l.Record, target: l.Target, ready: l, Link: crm.Link{
			From: crm.Ref{Object: crm.Object(l.Record.Object), Key: l.Record.Key, RemoteID: l.RecordLink.RemoteID},
			To:   crm.Ref{Object: crm.Object(l.Target.Object), Key: l.Target.Key, RemoteID: l.TargetLink.RemoteID},
		}}
		e.Remove = slices.Contains(l.RecordLink.Targets, state.Target{Lane: l.Target, Drop: true})
		wanted := slices.Contains(l.RecordLink.Targets, state.Target{Lane: l.Target})
		switch {
		case !wanted && !e.Remove, l.RecordLink.RemoteID == "", l.RecordLink.Gone:
			r.drained(e, false)
		case !d.gate.closed(e.From.Object):
			edges = append(edges, e)
		}
	}
	if d.linker != nil {
		r.sendEdges(ctx, edges)
	} else {
		r.upsertEdges(ctx, edges)
	}
	if len(r.batch.Drained) == 0 && len(r.put) == 0 {
		d.drainAfter = time.Now().Add(drainPause)
		return false, nil
	}
	if err := r.relink(ctx); err != nil {
		return false, err
	}
	return true, d.settle(ctx, r.settlement())
}

// drained takes a waiting link off the list, as done (made or removed) or as
// not wanted.
func (r *round) drained(e *edge, done bool) {
	r.batch.Drained = append(r.batch.Drained, e.ready.Waiting)
	if !done {
		return
	}
	link := r.links[e.record]
	link.Targets = slices.DeleteFunc(slices.Clone(link.Targets), func(t state.Target) bool { return t.Lane == e.target })
	if !e.Remove {
		link.Targets = append(link.Targets, state.Target{Lane: e.target, Made: true})
	}
	r.remember(link)
}

// upsertEdges writes waiting links through adapters that keep them in the
// record: an update with links and no fields.
func (r *round) upsertEdges(ctx context.Context, edges []*edge) {
	for _, object := range crm.Objects() {
		var own []*edge
		seen := map[state.Lane]bool{} // a record once in a batch; the rest is drained next
		for _, e := range edges {
			if e.From.Object == object && !seen[e.record] {
				seen[e.record] = true
				own = append(own, e)
			}
		}
		d := r.linkDelivery(object)
		d.max = r.batchSize()
		d.send = func(ctx context.Context, edges []*edge) ([]error, error) {
			records := make([]crm.Record, len(edges))
			for i, e := range edges {
				records[i] = crm.Record{Object: object, Key: e.record.Key, RemoteID: e.From.RemoteID, Links: []crm.Ref{e.To}}
				if e.Remove {
					records[i].Links, records[i].Unlinks = nil, records[i].Links
				}
			}
			results, err := r.client.Upsert(ctx, object, records)
			errs := make([]error, len(results))
			for i, res := range results {
				errs[i] = res.Err
			}
			return errs, err
		}
		d.run(ctx, own)
	}
}
