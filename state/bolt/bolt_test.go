package bolt_test

import (
	"path/filepath"
	"testing"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
	"crmsync/state/statetest"
)

func open(t testing.TB, path string, o bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	paths := make(map[state.Store]string)
	statetest.Run(t, statetest.Harness{
		Open: func(t testing.TB, now func() time.Time) state.Store {
			path := filepath.Join(t.TempDir(), "state.db")
			s := open(t, path, bolt.Options{Now: now})
			paths[s] = path
			return s
		},
		Reopen: func(t testing.TB, s state.Store, now func() time.Time) state.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, paths[s], bolt.Options{Now: now})
			paths[again] = paths[s]
			return again
		},
	})
}
