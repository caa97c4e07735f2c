package bolt

import (
	"context"
	"fmt"
	"time"

	"crmsync/state"
)

// Prune implements [state.Store].
func (s *Store) Prune(ctx context.Context, o state.PruneOptions) (state.PruneResult, error) {
	result, err := s.prune(ctx, o)
	if err != nil {
		return result, fmt.Errorf("prune events: %w", err)
	}
	return result, nil
}

func (s *Store) prune(ctx context.Context, o state.PruneOptions) (state.PruneResult, error) {
	var sum state.PruneResult
	if s.readOnly {
		return sum, state.ErrReadOnly
	}
	for from := uint64(0); ; {
		var seqs []uint64
		err := s.view(ctx, func(t *tables) error {
			seqs, from = t.prunable(o, from)
			return nil
		})
		if err != nil || len(seqs) == 0 {
			return sum, err
		}
		var part state.PruneResult
		err = s.write(ctx, func(g *group) error {
			part = g.prune(o, seqs)
			return nil
		})
		if err != nil {
			return sum, err
		}
		sum.Events += part.Events
		sum.Payloads += part.Payloads
	}
}

// prunable returns up to a chunk of ended events, from seq on, of which
// something may go, and where to continue.
func (t *tables) prunable(o state.PruneOptions, from uint64) (seqs []uint64, next uint64) {
	for k, line := range t.scan(ledger, nil, seqKey(from)) {
		seq := parseSeq(k)
		next = seq + 1
		h, err := parseHeader(line)
		if err != nil {
			t.fail(&damage{bucket: ledger, seq: seq, err: err})
			return nil, next
		}
		if h.status == statusCode(state.Dead) || !h.settled.Before(latest(o.EventsBefore, o.PayloadsBefore)) {
			continue
		}
		if e, ok := t.event(ledger, seq); ok && t.prunes(o, &e) != nothing {
			if seqs = append(seqs, seq); len(seqs) == chunk {
				break
			}
		}
	}
	return seqs, next
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// part of an event that goes.
type part int

const (
	nothing part = iota
	payloadOnly
	everything
)

// prunes says what of an ended event goes.
func (t *tables) prunes(o state.PruneOptions, e *state.Event) part {
	has := t.has(bodies, seqKey(e.Seq))
	if e.Status == state.Dead || (has && o.KeepWinners && t.winner(e)) {
		return nothing
	}
	switch {
	case e.SettledAt.Before(o.EventsBefore):
		return everything
	case has && e.SettledAt.Before(o.PayloadsBefore):
		return payloadOnly
	}
	return nothing
}

// winner reports whether the event wrote the present version of a record.
func (t *tables) winner(e *state.Event) bool {
	for _, lane := range e.Lanes {
		if l, ok := t.link(lane); ok && l.Version.EventID == e.ID {
			return true
		}
	}
	return false
}

// prune removes what may still go: an event may have been queued again since
// it was listed.
func (g *group) prune(o state.PruneOptions, seqs []uint64) state.PruneResult {
	var result state.PruneResult
	for _, seq := range seqs {
		e, ok := g.event(ledger, seq)
		if !ok {
			continue
		}
		goes := g.prunes(o, &e)
		if goes == nothing {
			continue
		}
		if g.delete(bodies, seqKey(seq)) {
			result.Payloads++
		}
		if goes == everything {
			g.forget(&e)
			result.Events++
		}
	}
	return result
}

// forget removes the line of an ended event; the totals keep counting it.
func (g *group) forget(e *state.Event) {
	g.delete(ledger, seqKey(e.Seq))
	g.delete(ids, packID(e.ID))
	g.delete(messages, packID(e.MessageID))
	add(g.sums.Pruned, e.Status, 1)
}
