package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crmsync/connector/config"
)

// startLogged runs a connector until the test ends and returns its log.
func startLogged(t *testing.T, cfg *config.Config) *logBuffer {
	t.Helper()
	log := &logBuffer{}
	v, err := startService(context.Background(), cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("CRMSYNC_STATE", cfg.State)
	t.Setenv("CRMSYNC_LISTEN_ADDR", v.public.address().String())
	return log
}

// assertDeaf checks that a connector without socket can be probed, and that the
// commands say why they cannot ask it.
func assertDeaf(t *testing.T) {
	t.Helper()
	if code, out, errOut := run(t, "health"); code != exitOK {
		t.Errorf("health: exit code %d\n%s%s", code, out, errOut)
	}
	code, _, errOut := run(t, "status")
	if code != exitFailed || !strings.Contains(errOut, "which answers no commands: its log says why") {
		t.Errorf("status: exit code %d\n%s", code, errOut)
	}
}

func TestSocket_WithAFileInItsPlace(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	if err := os.WriteFile(cfg.State+".sock", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := startLogged(t, cfg)
	if want := cfg.State + ".sock is in the way: it is not a socket"; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, log)
	}
	assertDeaf(t)
	if text, _ := os.ReadFile(cfg.State + ".sock"); string(text) != "mine" {
		t.Errorf("the file holds %q now", text)
	}
}

// A read-only root file system has no temporary directory.
func TestSocket_OfALongPathWithoutTemporaryDirectory(t *testing.T) {
	cfg := testConfig(t, longDir(t))
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	log := startLogged(t, cfg)
	if !strings.Contains(log.String(), "no place for the local socket") || !strings.Contains(log.String(), "at most 95 bytes") {
		t.Errorf("the log does not say why there is no socket:\n%s", log)
	}
	t.Setenv("TMPDIR", "") // for the commands
	assertDeaf(t)
}

// A kill leaves the socket in its temporary directory, and the lock file that
// names it.
func TestSocket_OfALongPathLeftBehindByAKill(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	cfg := testConfig(t, longDir(t))
	left := filepath.Join(tmp, "crmsync-1234", "crmsync.sock")
	leaveSocket(t, left)
	if err := os.WriteFile(cfg.State+".lock", []byte(`{"pid":1,"host":"here","socket":"`+left+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	startLogged(t, cfg)
	for _, args := range [][]string{{"health"}, {"status"}, {"events"}} {
		if code, out, errOut := run(t, args...); code != exitOK {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
	if list := names(t, tmp); len(list) != 1 || list[0] == "crmsync-1234" {
		t.Errorf("the temporary directory holds %v", list)
	}
}

// What a lock file names is removed only when it can be nothing but our socket.
func TestRemoveLeftover_TouchesNothingElse(t *testing.T) {
	dir := t.TempDir()
	statePath := filepath.Join(dir, "crmsync.db")
	file := filepath.Join(dir, "crmsync-1", "crmsync.sock")
	elsewhere := filepath.Join(dir, "other", "crmsync.sock")
	beside := filepath.Join(dir, "crmsync-2", "beside")
	for _, path := range []string{file, beside} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaveSocket(t, elsewhere)
	ours := filepath.Join(filepath.Dir(beside), "crmsync.sock")
	leaveSocket(t, ours)
	for _, path := range []string{"", file, elsewhere, ours, filepath.Join(dir, "gone", "crmsync.sock")} {
		removeLeftover(statePath, path)
	}
	for _, path := range []string{file, elsewhere, beside} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Lstat(ours); err == nil {
		t.Error("the socket is still there")
	}
}
