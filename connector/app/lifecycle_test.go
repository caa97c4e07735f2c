package app

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestTeardown_TakesEveryStepInReverse(t *testing.T) {
	var down teardown
	var taken []string
	broken := errors.New("broken")
	for _, name := range []string{"state", "crm", "listener"} {
		down.addCloser("close "+name, func() error {
			taken = append(taken, name)
			if name == "crm" {
				return broken
			}
			return nil
		})
	}
	err := down.run(context.Background())
	if want := []string{"listener", "crm", "state"}; !slices.Equal(taken, want) {
		t.Errorf("took %v, want %v", taken, want)
	}
	if !errors.Is(err, broken) || err.Error() != "close crm: broken" {
		t.Errorf("got %v", err)
	}
	if err := down.run(context.Background()); err != nil || len(taken) != 3 {
		t.Errorf("a second run took %v, %v", taken, err)
	}
}
