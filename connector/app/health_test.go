package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A connector on another state file, wherever it listens, says nothing about
// this one.
func TestHealth_OfNoConnector(t *testing.T) {
	other := startTest(t, testConfig(t, t.TempDir()))
	path := filepath.Join(t.TempDir(), "crmsync.db")
	t.Setenv("CRMSYNC_LISTEN_ADDR", other.public.address().String())
	t.Setenv("CRMSYNC_STATE", path)
	want := "no connector answers on state file " + path + ", its socket is not there: start it"
	check := func(when string) {
		t.Helper()
		for _, args := range [][]string{{"health"}, {"health", "--crm"}, {"health", "--state", path}} {
			if code, out, errOut := run(t, args...); code != exitFailed || !strings.Contains(errOut, want) {
				t.Errorf("%s: %v: exit code %d\n%s%s", when, args, code, out, errOut)
			}
		}
	}
	check("without a state file")
	if err := os.WriteFile(path, usedState(t), 0o600); err != nil {
		t.Fatal(err)
	}
	check("of a stopped connector")
	leaveSocket(t, path+".sock")
	if err := os.WriteFile(path+".lock", []byte(`{"pid":1,"host":"here","socket":"`+path+`.sock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	check("of one that was killed")
}
