package connector

import (
	"context"
	"fmt"
	"time"
)

// Pause stops writing until Resume, also of a process that starts later, and
// returns when nothing is being written any more. Events are still accepted. A
// connector that is paused stays paused since then. Safe for concurrent use.
func (d *Dispatcher) Pause(ctx context.Context) error {
	since, err := d.store.Paused(ctx)
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	if since.IsZero() {
		since = time.Now()
		if err := d.store.SetPaused(ctx, since); err != nil {
			return fmt.Errorf("pause: %w", err)
		}
	}
	d.gate.halt(since) // what is left of the present round is for later
	select {
	case d.busy <- struct{}{}:
		<-d.busy
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the last request: %w", ctx.Err())
	}
}

// Resume lets writing go on. Safe for concurrent use.
func (d *Dispatcher) Resume(ctx context.Context) error {
	d.gate.halt(time.Time{})
	if err := d.store.SetPaused(ctx, time.Time{}); err != nil { // wakes
		return fmt.Errorf("resume: %w", err)
	}
	return nil
}

// halted reports whether a person stopped writing.
func (d *Dispatcher) halted(ctx context.Context) (bool, error) {
	since, err := d.store.Paused(ctx)
	if err != nil {
		return false, fmt.Errorf("read whether writing is paused: %w", err)
	}
	d.gate.halt(since)
	return !since.IsZero(), nil
}
