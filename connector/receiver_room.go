package connector

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// refusalHolds is how long a receiver is not ready after it had to refuse an
// event, whatever the store says by then: a sender that comes again sooner
// finds out for itself.
const refusalHolds = 30 * time.Second

// shortage remembers the largest event that the store refused, until it takes
// one of that size.
type shortage struct {
	mu   sync.Mutex
	size int
	last time.Time // of the latest refusal
}

// note takes down what became of an event of size bytes.
func (s *shortage) note(size int, now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.size, s.last = max(s.size, size), now
	case size >= s.size:
		s.size = 0
	}
}

// look returns a size of 0 when nothing is refused.
func (s *shortage) look() (size int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.last
}

// checkRoom fails after an event was refused, until there is room for one of
// its size: a store that is nearly full still takes small ones.
func (rc *Receiver) checkRoom(ctx context.Context) error {
	size, last := rc.refused.look()
	if size == 0 {
		return nil
	}
	if now := rc.now(); now.Sub(last) < refusalHolds {
		return fmt.Errorf("an event of %d bytes could not be stored at %s", size, last.UTC().Format(time.TimeOnly))
	}
	if err := rc.store.Room(ctx, size); err != nil {
		return fmt.Errorf("an event of %d bytes could not be stored, and there is no room for it yet: %w", size, err)
	}
	rc.refused.note(size, last, nil)
	return nil
}
