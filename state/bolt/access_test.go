package bolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"crmsync/state/bolt"
)

func TestCheckAccess_LeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	assertLeft := func(want int) {
		t.Helper()
		if left, err := os.ReadDir(dir); err != nil || len(left) != want {
			t.Errorf("the directory holds %v, %v", left, err)
		}
	}
	if err := bolt.CheckAccess(path); err != nil {
		t.Error(err)
	}
	assertLeft(0)
	closeClean(t, open(t, path, bolt.Options{}))
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := bolt.CheckAccess(path); err != nil {
		t.Error(err)
	}
	assertLeft(1)
	if after, err := os.Stat(path); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the file was changed", err)
	}
}

// A link to a volume that is not mounted is no place for a new state.
func TestCheckAccess_OfADanglingLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.Symlink(filepath.Join(t.TempDir(), "missing", "state.db"), path); err != nil {
		t.Fatal(err)
	}
	_, want := bolt.Open(path, bolt.Options{})
	if got := bolt.CheckAccess(path); got == nil || want == nil || got.Error() != want.Error() {
		t.Errorf("got %v, want %v", got, want)
	}
}
