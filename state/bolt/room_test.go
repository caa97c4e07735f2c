package bolt

import (
	"errors"
	"testing"

	"crmsync/state"
)

// A file near its limit has room for small events only.
func TestRoom_TellsSmallFromLarge(t *testing.T) {
	s := openTest(t, Options{MaxSize: 8 << 20})
	if err := s.Room(t.Context(), 100); err != nil {
		t.Errorf("a small event: %v", err)
	}
	if err := s.Room(t.Context(), 16<<20); !errors.Is(err, state.ErrFull) {
		t.Errorf("a large event: got %v, want ErrFull", err)
	}
	if _, err := s.Accept(t.Context(), message("a")); err != nil {
		t.Errorf("accept beside it: %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
}

// Looking for room twice takes no more of it than once.
func TestRoom_GivesBackWhatItTook(t *testing.T) {
	s := openTest(t, Options{MaxSize: 16 << 20})
	for range 3 {
		if err := s.Room(t.Context(), 2<<20); err != nil {
			t.Fatal(err)
		}
	}
	m := message("a")
	m.Body = make([]byte, 2<<20)
	if _, err := s.Accept(t.Context(), m); err != nil {
		t.Errorf("an event of that size: %v", err)
	}
}
