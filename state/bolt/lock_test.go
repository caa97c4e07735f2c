package bolt_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"crmsync/state/bolt"
)

// waiter is an OpenWait under way.
type waiter struct {
	waiting chan *bolt.LockedError
	opened  chan *bolt.Store
	err     error // once opened gave nil
}

func openWait(ctx context.Context, path string) *waiter {
	w := &waiter{waiting: make(chan *bolt.LockedError, 10), opened: make(chan *bolt.Store)}
	go func() {
		var s *bolt.Store
		s, w.err = bolt.OpenWait(ctx, path, bolt.Options{}, func(e *bolt.LockedError) { w.waiting <- e })
		w.opened <- s
	}()
	return w
}

// inUse returns a state that somebody waits for.
func inUse(ctx context.Context, t *testing.T) (holder *bolt.Store, path string, w *waiter) {
	t.Helper()
	path = filled(t)
	holder = open(t, path, bolt.Options{Socket: "/run/crmsync.sock"})
	w = openWait(ctx, path)
	if locked := <-w.waiting; locked.Holder.PID != os.Getpid() || locked.Holder.Socket == "" {
		t.Errorf("waits for %+v", locked)
	}
	return holder, path, w
}

func TestOpenWait_opensWhatTheHolderLeaves(t *testing.T) {
	holder, _, w := inUse(t.Context(), t)
	if _, err := holder.Accept(t.Context(), delivery("late")); err != nil {
		t.Fatal(err)
	}
	closeClean(t, holder)
	s := <-w.opened
	if s == nil {
		t.Fatal(w.err)
	}
	defer closeClean(t, s)
	if _, err := s.Event(t.Context(), "evt-late"); err != nil {
		t.Error(err)
	}
	if len(w.waiting) > 0 {
		t.Error("was told more than once that it waits")
	}
}

func TestOpenWait_doesNotWaitForNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := bolt.OpenWait(t.Context(), path, bolt.Options{}, func(e *bolt.LockedError) { t.Errorf("waits: %v", e) })
	if err != nil {
		t.Fatal(err)
	}
	closeClean(t, s)
}

func TestOpenWait_endsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	holder, path, w := inUse(ctx, t)
	defer closeClean(t, holder)
	cancel()
	if s := <-w.opened; s != nil {
		t.Fatal("opened a file in use")
	}
	if _, locked := errors.AsType[*bolt.LockedError](w.err); !locked || !errors.Is(w.err, context.Canceled) {
		t.Errorf("got %v", w.err)
	}
	if _, err := bolt.OpenWait(ctx, path, bolt.Options{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: got %v", err)
	}
}

// A file that is taken away may be about to be restored.
func TestOpenWait_doesNotStartAnew(t *testing.T) {
	holder, path, w := inUse(t.Context(), t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if s := <-w.opened; s != nil {
		t.Fatal("opened something")
	}
	if _, err := os.Stat(path); !errors.Is(w.err, fs.ErrNotExist) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, the file %v", w.err, err)
	}
}
