package bolt_test

import (
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
)

// Whoever waits for a file that is replaced must not work on the old one, which
// has no name any more.
func TestOpen_looksForTheFileAgainOnceItHasTheLock(t *testing.T) {
	path := filled(t)
	holder := open(t, path, bolt.Options{})
	opened := make(chan *bolt.Store)
	go func() {
		s, err := bolt.Open(path, bolt.Options{LockTimeout: time.Minute})
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	waitFor(t, func() bool { return descriptors(t, path) == 2 }) // it has the old one open
	replace(t, holder, path)
	if _, err := holder.Accept(t.Context(), delivery("lost")); err != nil {
		t.Fatal(err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	s := <-opened
	if s == nil {
		return
	}
	defer closeClean(t, s)
	if _, err := s.Event(t.Context(), "evt-lost"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("works on the file that was replaced: %v", err)
	}
}

// replace puts a backup in the place of the file.
func replace(t *testing.T, s *bolt.Store, path string) {
	t.Helper()
	f, err := os.Create(path + ".copy")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Backup(t.Context(), f), f.Close(), os.Rename(f.Name(), path)); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for what another goroutine does.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); !done(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it does not happen")
		}
	}
}

// descriptors counts the open ones of this process that can write to the file:
// bbolt's, not those that only look at it.
func descriptors(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name()) // closed since it was listed
		info, _ := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if to == path && writable.Match(info) {
			n++
		}
	}
	return n
}

// writable matches O_RDWR, an octal number.
var writable = regexp.MustCompile(`(?m)^flags:\s*[0-7]*2$`)
