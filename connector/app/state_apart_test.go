package app

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVerifyOutcome_OfAProcessThatDies(t *testing.T) {
	for script, why := range map[string]string{
		"kill -BUS $$":             "bus error",
		"echo panic: >&2; exit 2":  "exit status 2",
		"echo '{\"ok\":true,'":     "unexpected end of JSON",
		"kill -KILL $$; echo '{}'": "killed",
	} {
		v, err := verifyOutcome(t.Context(), "x.db", exec.Command("sh", "-c", script))
		if err != nil || v.OK || len(v.Findings) != 1 {
			t.Errorf("%s: got %+v, %v", script, v, err)
			continue
		}
		if f := v.Findings[0]; f.Code != codeDamaged || !strings.Contains(f.Message, "x.db") || !strings.Contains(f.Message, why) {
			t.Errorf("%s: got %+v", script, f)
		}
	}
}

func TestVerifyOutcome_OfAProcessThatHangs(t *testing.T) {
	limited, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	v, err := verifyOutcome(t.Context(), "x.db", exec.CommandContext(limited, "sleep", "60"))
	if err != nil || v.OK || v.Findings[0].Code != codeDamaged {
		t.Errorf("got %+v, %v", v, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := verifyOutcome(ended, "x.db", exec.CommandContext(ended, "sleep", "60")); err == nil {
		t.Error("an interrupted check found something")
	}
}

func TestVerifyOutcome_OfAFileThatWasNotLookedAt(t *testing.T) {
	for answer, want := range map[string]int{
		`{"ok":true,"findings":[],"error":"the file is in use"}`:                  exitFailed,
		`{"ok":true,"findings":[],"error":"the file is in use","misplaced":true}`: exitUsage,
	} {
		_, err := verifyOutcome(t.Context(), "x.db", exec.Command("echo", answer))
		if code, _ := exitCode(err); err == nil || err.Error() != "the file is in use" || code != want {
			t.Errorf("got %v, exit code %d", err, code)
		}
	}
}

// Where /proc is not mounted the system does not tell which program this is.
func TestProgram_WithoutProc(t *testing.T) {
	none := func() (string, error) { return "", errors.New("no /proc") }
	known := func() (string, error) { return "/crmsync", nil }
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(sh))
	for _, tt := range []struct {
		executable func() (string, error)
		name, want string
	}{
		{known, "crmsync", "/crmsync"},
		{none, "sh", sh},
		{none, "./sh", sh},
		{none, "no-such-program", ""},
	} {
		if got, err := program(tt.executable, tt.name); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
}
