package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crmsync/state"
)

// A disk that fails under the mapped file, or a file that is cut off while it is
// open, is an error and not the end of the process.
func TestStore_SurvivesAFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var accept []func(*group) error
	for i := range 500 {
		accept = append(accept, accepting(s, fmt.Sprint(i)))
	}
	for _, err := range inOneGroup(s, accept...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil { // leaves the meta pages
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"stats":  func() error { _, err := s.Stats(t.Context()); return err },
		"events": func() error { _, err := s.Events(t.Context(), state.EventFilter{}); return err },
		"event":  func() error { _, err := s.Event(t.Context(), "evt-1"); return err },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "state file is damaged") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A circle of pages is found before anything follows it.
func TestOpen_ChecksPages(t *testing.T) {
	data := grownFile(t)
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{CheckPages: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	branch := livePage(t, data, flagBranch)
	copy(branch[pageHeader+8:pageHeader+16], branch[:8]) // its first child is itself
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false} {
		_, err := Open(path, Options{CheckPages: true, ReadOnly: readOnly})
		if e, ok := errors.AsType[*FileError](err); !ok || e.Fault != Damage || !strings.Contains(e.Problem, "in use already") {
			t.Errorf("read-only %t: got %v", readOnly, err)
		}
	}
}
