package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"crmsync/state"
)

// chunk is how many events one transaction of a long operation changes, so
// that acceptance never waits for long.
const chunk = 1000

// errNothingNamed keeps a forgotten filter from queueing everything.
var errNothingNamed = errors.New("name ids, a status or a time")

// Requeue implements [state.Store]. Many events are queued in several
// transactions; a repeated call continues.
func (s *Store) Requeue(ctx context.Context, o state.RequeueOptions) (state.RequeueResult, error) {
	result, err := s.requeue(ctx, o)
	if err != nil {
		return result, fmt.Errorf("requeue events: %w", err)
	}
	return result, nil
}

func (s *Store) requeue(ctx context.Context, o state.RequeueOptions) (state.RequeueResult, error) {
	var result state.RequeueResult
	if len(o.IDs) > 0 {
		err := inChunks(o.IDs, func(ids []string) error {
			return s.requeueChunk(ctx, &result, func(g *group, r *state.RequeueResult) { g.requeueIDs(r, ids, o.Force) })
		})
		return result, err
	}
	if o.Status == "" && o.Since.IsZero() && !o.Resync {
		return result, errNothingNamed
	}
	if s.readOnly {
		return result, state.ErrReadOnly
	}
	var seqs []uint64
	var err error
	if o.Resync {
		seqs, result.PayloadGone, err = s.resyncSeqs(ctx, o)
	} else {
		seqs, err = s.endedSeqs(ctx, o)
	}
	if err != nil {
		return result, err
	}
	err = inChunks(seqs, func(seqs []uint64) error {
		return s.requeueChunk(ctx, &result, func(g *group, r *state.RequeueResult) { g.requeueSeqs(r, seqs, o) })
	})
	return result, err
}

// inChunks calls fn with parts of all until it fails.
func inChunks[T any](all []T, fn func([]T) error) error {
	for len(all) > 0 {
		n := min(len(all), chunk)
		if err := fn(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// requeueChunk adds what one transaction did to the result.
func (s *Store) requeueChunk(ctx context.Context, sum *state.RequeueResult, fn func(*group, *state.RequeueResult)) error {
	var part state.RequeueResult
	err := s.write(ctx, func(g *group) error {
		part = state.RequeueResult{}
		fn(g, &part)
		return nil
	})
	if err != nil {
		return err
	}
	sum.Queued += part.Queued
	sum.AlreadyPending = append(sum.AlreadyPending, part.AlreadyPending...)
	sum.PayloadGone = append(sum.PayloadGone, part.PayloadGone...)
	sum.Unknown = append(sum.Unknown, part.Unknown...)
	return nil
}

// endedSeqs lists the ended events that o names by status and time.
func (s *Store) endedSeqs(ctx context.Context, o state.RequeueOptions) ([]uint64, error) {
	var seqs []uint64
	err := s.view(ctx, func(t *tables) error {
		filter := state.EventFilter{Status: o.Status, Since: o.Since}
		for k, line := range t.all(ledger) {
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := parseHeader(line)
			if err != nil {
				return &damage{bucket: ledger, seq: parseSeq(k), err: err}
			}
			if h.matches(filter) {
				seqs = append(seqs, parseSeq(k))
			}
		}
		return nil
	})
	return seqs, err
}

func (g *group) requeueIDs(r *state.RequeueResult, names []string, force bool) {
	for _, name := range names {
		if e, ok := g.find(name); ok {
			g.requeueEvent(r, &e, name, force)
		} else {
			r.Unknown = append(r.Unknown, name)
		}
	}
}

// requeueSeqs leaves out what has changed since the list was made.
func (g *group) requeueSeqs(r *state.RequeueResult, seqs []uint64, o state.RequeueOptions) {
	for _, seq := range seqs {
		e, ok := g.event(ledger, seq)
		named := o.Status == "" || e.Status == o.Status
		if o.Resync {
			named = !givenUp(&e)
		}
		if ok && named {
			g.requeueEvent(r, &e, e.ID, o.Force)
		}
	}
}

func (g *group) requeueEvent(r *state.RequeueResult, e *state.Event, name string, force bool) {
	if e.Status == state.Pending {
		r.AlreadyPending = append(r.AlreadyPending, name)
		return
	}
	if !g.has(bodies, seqKey(e.Seq)) {
		r.PayloadGone = append(r.PayloadGone, name)
		return
	}
	g.reopen(e, func() { e.Force = force })
	r.Queued++
}

// requeueWinner queues the event that wrote a record's present version, for that
// record alone, when that is possible: a dead one waits for a person.
func (g *group) requeueWinner(lane state.Lane) {
	l, ok := g.link(lane)
	if !ok {
		return
	}
	seq, ok := g.seqOf(ids, l.Version.EventID)
	if !ok {
		return
	}
	e, ok := g.event(ledger, seq)
	if ok && e.Status != state.Dead && g.has(bodies, seqKey(seq)) {
		records := e.Records
		g.reopen(&e, func() { e.Records = reopened(records, lane) })
	}
}

// reopened returns the records of an event with one of them to be settled again.
func reopened(records []state.Record, lane state.Lane) []state.Record {
	out := slices.Clone(records)
	for i := range out {
		if out[i].Lane() == lane {
			out[i].Status = state.Pending
		}
	}
	return out
}
