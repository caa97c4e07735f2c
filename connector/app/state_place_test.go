package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A state that serve will not take is found by check, which leaves nothing behind.
func TestCheck_SaysOfAPlaceForTheStateWhatServeSays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "crmsync.db")
	if err := os.Symlink(filepath.Join(dir, "not-mounted", "crmsync.db"), path); err != nil {
		t.Fatal(err)
	}
	useSandbox(t, path)
	for _, args := range [][]string{{"serve"}, {"check"}, {"check", "--offline"}} {
		code, out, errOut := runLimited(t, args...)
		if code != exitUsage || !strings.Contains(out+errOut, "is a link to a file that does not exist") ||
			!strings.Contains(out+errOut, "mount the volume that it leads to") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
		if left := names(t, dir); len(left) != 1 {
			t.Errorf("%v left %v", args, left)
		}
	}
}
