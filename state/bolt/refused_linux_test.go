package bolt_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"crmsync/state"
	"crmsync/state/bolt"
)

// What makes this process the one that opens a state where it may not.
var (
	openState    = flag.String("open.state", "", "internal: open this state file and print the error")
	openReadOnly = flag.Bool("open.readonly", false, "internal: for reading only")
)

// otherUser is who opens what belongs to the user of this test. It is the user
// of the container image.
const otherUser = 65532

// TestOpen_saysWhoseTheFileIs opens files and directories of one user as
// another one.
func TestOpen_saysWhoseTheFileIs(t *testing.T) {
	if *openState != "" {
		printOpenError()
	}
	needRoot(t)
	tests := []struct {
		name    string
		modes   map[string]os.FileMode // of DIR and what is in it
		blocked string                 // what to chown
		mode    string
	}{
		{"the file", map[string]os.FileMode{".": 0o777, "state.db": 0o600}, "DIR/state.db", "-rw-------"},
		{"a file that may be read", map[string]os.FileMode{".": 0o777, "state.db": 0o644}, "DIR/state.db", "-rw-r--r--"},
		{"the directory, without file", map[string]os.FileMode{".": 0o755}, "DIR", "drwxr-xr-x"},
		{"the directory of a file that may be written", map[string]os.FileMode{".": 0o755, "state.db": 0o666}, "DIR", "drwxr-xr-x"},
		{"a directory that may not be entered", map[string]os.FileMode{".": 0o700, "state.db": 0o666}, "DIR", "drwx------"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(openDir(t), "data")
			path := filepath.Join(dir, "state.db")
			arrange(t, dir, tt.modes)
			got := openAs(t, otherUser, path)
			blocked := strings.ReplaceAll(tt.blocked, "DIR", dir)
			want := fmt.Sprintf("state file %s may not be used by user %d, because of %s (of user 0, %s): chown %[2]d %[3]s, or run crmsync as another user",
				path, otherUser, blocked, tt.mode)
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// A lock file that root left behind, from a command that was killed, does not
// keep the connector from starting.
func TestOpen_takesOverTheLockFile(t *testing.T) {
	needRoot(t)
	dir := filepath.Join(openDir(t), "data")
	arrange(t, dir, map[string]os.FileMode{".": 0o777, "state.db": 0o666})
	if err := os.WriteFile(dir+"/state.db.lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openAs(t, otherUser, dir+"/state.db"); got != "" {
		t.Error(got)
	}
}

func TestOpen_onFileSystemsThatTakeNothing(t *testing.T) {
	needRoot(t)
	const remedy = "mount a volume at DIR that can be written, or set CRMSYNC_STATE to a path on one"
	tests := []struct {
		name  string
		mount string // DIR is an empty directory, FILE a state elsewhere
		flags string
		want  string
	}{
		{"read-only with a file", `cp FILE DIR/state.db; mount --bind DIR DIR; mount -o remount,bind,ro DIR`, "",
			"is on a read-only file system: " + remedy},
		{"read-only without a file", `mount --bind DIR DIR; mount -o remount,bind,ro DIR`, "",
			"is on a read-only file system: " + remedy},
		{"read-only for a reader", `cp FILE DIR/state.db; mount --bind DIR DIR; mount -o remount,bind,ro DIR`, "-open.readonly", ""},
		{"the file alone is a volume", `touch DIR/state.db; mount --bind DIR DIR; mount --bind FILE DIR/state.db; mount -o remount,bind,ro DIR`, "",
			"is on a read-only file system: " + remedy},
		{"full without a file", `mount -t tmpfs -o size=8k none DIR`, "",
			"finds no room, the file system of DIR is full: make room there"},
		{"full with a file", `mount -t tmpfs -o size=16M none DIR; cp FILE DIR/state.db; cat /dev/zero 2>/dev/null > DIR/rest || true`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r := strings.NewReplacer("DIR", dir, "FILE", filled(t))
			path := filepath.Join(dir, "state.db")
			script := r.Replace(tt.mount) + `; exec "$@"`
			args := []string{"--mount", "--propagation", "private", "sh", "-ec", script, "sh", os.Args[0], openTest, "-open.state=" + path}
			got := printed(t, exec.CommandContext(t.Context(), "unshare", append(args, strings.Fields(tt.flags)...)...))
			want := ""
			if tt.want != "" {
				want = "state file " + path + " " + r.Replace(tt.want)
			}
			if !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// needRoot skips where nothing can be mounted and no other user be had, except
// in CI.
func needRoot(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "true").CombinedOutput()
	switch {
	case err == nil && os.Geteuid() == 0:
	case os.Getenv("CI") == "":
		t.Skipf("only root may mount and change the user: %v %s", err, out)
	default:
		t.Fatalf("CI has to run this as root that may mount: %v %s", err, out)
	}
}

// openTest is the test that the process runs which opens a state.
const openTest = "-test.run=^TestOpen_saysWhoseTheFileIs$"

// printOpenError is what that process does. What keeps a writer from the state
// has to be seen without opening it, too.
func printOpenError() {
	var access error
	if !*openReadOnly {
		access = bolt.CheckAccess(*openState)
	}
	s, err := bolt.Open(*openState, bolt.Options{ReadOnly: *openReadOnly})
	if err == nil {
		err = s.Close()
	}
	if fmt.Sprint(access) != fmt.Sprint(err) && !errors.Is(err, state.ErrFull) { // an empty file needs no room
		fmt.Printf("CheckAccess said: %v, Open: ", access)
	}
	if err != nil {
		fmt.Print(err)
	}
	os.Exit(0)
}

// openDir returns a temporary directory that every user may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// arrange makes dir, and a state in it where modes names one.
func arrange(t *testing.T, dir string, modes map[string]os.FileMode) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, mode := range modes {
		if name != "." {
			closeClean(t, open(t, filepath.Join(dir, name), bolt.Options{}))
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// openAs returns what a process of the user says when it opens the state.
func openAs(t *testing.T, user uint32, path string) string {
	t.Helper()
	program := filepath.Join(openDir(t), "program") // the user may not enter where the test's is
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, openTest, "-open.state="+path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	return printed(t, cmd)
}

func printed(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // a second each
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
