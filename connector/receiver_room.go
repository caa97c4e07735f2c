package connector

import "sync"

// shortage remembers the size of the largest event that the store refused,
// until it takes one of that size.
type shortage struct {
	mu   sync.Mutex
	size int
}

// note takes down what became of an event, or of a probe, of size bytes.
func (s *shortage) note(size int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.size = max(s.size, size)
	case size >= s.size:
		s.size = 0
	}
}

// largest returns 0 when nothing is refused.
func (s *shortage) largest() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}
