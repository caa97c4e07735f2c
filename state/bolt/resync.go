package bolt

import (
	"context"
	"slices"

	"crmsync/state"
)

// resyncSeqs lists, oldest first and each once, the ended events that a changed
// mapping may treat differently, and the ids of those that were pruned.
func (s *Store) resyncSeqs(ctx context.Context, o state.RequeueOptions) (seqs []uint64, gone []string, err error) {
	r := &resync{RequeueOptions: o, ctx: ctx, gone: make(map[string]bool)}
	err = s.view(ctx, func(t *tables) error {
		r.tables = t
		r.winners()
		if r.WrittenSince.IsZero() {
			r.passedOver()
		}
		return ctx.Err()
	})
	for id := range r.gone {
		gone = append(gone, id)
	}
	slices.Sort(gone)
	slices.Sort(r.seqs)
	return slices.Compact(r.seqs), gone, err
}

// resync is a list of events that is being made.
type resync struct {
	*tables
	state.RequeueOptions
	ctx  context.Context
	seqs []uint64
	gone map[string]bool // winners without a line
}

// winners adds the events that wrote the present version of a record. When one
// without a line was received is not known, so that Since leaves it out.
func (r *resync) winners() {
	var prefix []byte
	if r.Object != "" {
		prefix = []byte{objectCode(r.Object)}
	}
	for k, value := range r.scan(links, prefix, nil) {
		if r.ctx.Err() != nil {
			return
		}
		lane, err := parseLane(k)
		r.fail(err)
		l, err := decodeLink(lane, value)
		r.fail(err)
		id := l.Version.EventID
		if id == "" || l.UpdatedAt.Before(r.WrittenSince) {
			continue
		}
		if seq, ok := r.seqOf(ids, id); !ok {
			if r.Since.IsZero() {
				r.gone[id] = true
			}
		} else if e, ok := r.event(ledger, seq); ok && r.since(&e) && !givenUp(&e) {
			r.seqs = append(r.seqs, seq)
		}
	}
}

// passedOver adds the events that ended without having been used.
func (r *resync) passedOver() {
	for k, line := range r.all(ledger) {
		if r.ctx.Err() != nil {
			return
		}
		seq := parseSeq(k)
		h, err := parseHeader(line)
		if err != nil {
			r.fail(&damage{bucket: ledger, seq: seq, err: err})
			return
		}
		if !h.matches(state.EventFilter{Status: state.Skipped, Since: r.Since}) {
			continue
		}
		e, ok := r.event(ledger, seq)
		if ok && (e.Reason == state.ReasonFiltered || e.Reason == state.ReasonObjectOff) && r.writes(&e) {
			r.seqs = append(r.seqs, seq)
		}
	}
}

func (r *resync) since(e *state.Event) bool { return !e.ReceivedAt.Before(r.Since) }

// writes reports whether the event has a lane of the object that is asked for.
func (r *resync) writes(e *state.Event) bool {
	return r.Object == "" || slices.ContainsFunc(e.Lanes, func(l state.Lane) bool { return l.Object == r.Object })
}

// givenUp reports whether an event waits for a person to replay it, also when
// some of its records were written.
func givenUp(e *state.Event) bool {
	return e.Status == state.Dead || e.Reason == state.ReasonDiscarded
}
