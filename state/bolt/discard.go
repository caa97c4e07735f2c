package bolt

import (
	"context"
	"fmt"

	"crmsync/state"
)

// Discard implements [state.Store]. Many events are discarded in several
// transactions.
func (s *Store) Discard(ctx context.Context, ids []string, reason string) (state.DiscardResult, error) {
	var sum state.DiscardResult
	err := inChunks(ids, func(ids []string) error {
		var part state.DiscardResult
		err := s.write(ctx, func(g *group) error {
			part = g.discard(ids, reason)
			return nil
		})
		if err != nil {
			return err
		}
		sum.Discarded += part.Discarded
		sum.NotDead = append(sum.NotDead, part.NotDead...)
		sum.Unknown = append(sum.Unknown, part.Unknown...)
		return nil
	})
	if err != nil {
		return sum, fmt.Errorf("discard events: %w", err)
	}
	return sum, nil
}

func (g *group) discard(names []string, reason string) state.DiscardResult {
	var result state.DiscardResult
	for _, name := range names {
		e, ok := g.find(name)
		switch {
		case !ok:
			result.Unknown = append(result.Unknown, name)
		case e.Status != state.Dead:
			result.NotDead = append(result.NotDead, name)
		default:
			g.sums.count(&e, -1)
			e.Status, e.Reason, e.Error, e.SettledAt = state.Skipped, state.ReasonDiscarded, reason, g.now
			g.putEvent(ledger, &e)
			g.sums.count(&e, 1)
			result.Discarded++
		}
	}
	return result
}
