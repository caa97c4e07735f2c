package app

import (
	"context"
	"errors"
	"fmt"
)

// teardown undoes a start: named steps, run in reverse order. Each step is
// added on the line after its resource exists, so that a start that stops half
// way leaves nothing behind.
type teardown struct{ steps []teardownStep }

type teardownStep struct {
	name string
	run  func(context.Context) error
}

// add puts a step in front of those added before.
func (t *teardown) add(name string, run func(context.Context) error) {
	t.steps = append(t.steps, teardownStep{name, run})
}

// addCloser adds a step that needs no time limit.
func (t *teardown) addCloser(name string, closer func() error) {
	t.add(name, func(context.Context) error { return closer() })
}

// run takes every step, also behind one that went wrong, and joins the errors.
// It may be called again: steps are taken once.
func (t *teardown) run(ctx context.Context) error {
	var errs []error
	for len(t.steps) > 0 {
		last := t.steps[len(t.steps)-1]
		t.steps = t.steps[:len(t.steps)-1]
		if err := last.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
