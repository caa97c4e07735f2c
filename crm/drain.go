package crm

import (
	"context"
	"errors"
)

// ErrDraining says that a request was not begun, because its turn had not come
// when the program was asked to end.
var ErrDraining = errors.New("the connector is shutting down")

type drainKey struct{}

// WithDrain returns a ctx for work that goes on for a while after end is done:
// what is under way then is finished, but no request waits for its turn under
// the rate limit any more. Such a request fails with ErrDraining.
func WithDrain(ctx, end context.Context) context.Context {
	return context.WithValue(ctx, drainKey{}, end.Done())
}

// Draining is closed when no request should wait for its turn any more; nil
// when ctx knows of no end.
func Draining(ctx context.Context) <-chan struct{} {
	done, _ := ctx.Value(drainKey{}).(<-chan struct{})
	return done
}
