package bolt

import (
	"context"
	"fmt"
	"time"

	"crmsync/state"
)

// pausedBody says since when writing to the CRM has been stopped by hand.
type pausedBody struct {
	Since packedTime `cbor:"1,keyasint,omitempty"`
}

// SetPaused implements [state.Store].
func (s *Store) SetPaused(ctx context.Context, since time.Time) error {
	since = since.Round(0).UTC() // as it is read back
	err := s.write(ctx, func(g *group) error {
		if since.IsZero() {
			g.delete(singleton, keyPaused)
		} else {
			value, err := encode(pausedBody{Since: packedTime(since)})
			g.fail(err)
			g.put(singleton, keyPaused, value)
		}
		// The caller may be gone by the time this commits.
		g.then = append(g.then, func() { s.paused.Store(&since) })
		g.wake = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("pause writing: %w", err)
	}
	return nil
}

// Paused implements [state.Store]. It reads memory only.
func (s *Store) Paused(ctx context.Context) (time.Time, error) {
	select {
	case <-s.closing:
		return zeroTime, state.ErrClosed
	default:
	}
	return *s.paused.Load(), ctx.Err()
}

// paused reads since when writing has been stopped by hand.
func (t *tables) paused() time.Time {
	value := t.get(singleton, keyPaused)
	if value == nil {
		return zeroTime
	}
	var b pausedBody
	if err := decode(value, &b); err != nil {
		t.fail(fmt.Errorf("decode pause: %w", err))
	}
	return time.Time(b.Since)
}
