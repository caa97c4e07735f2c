package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
)

// usedState writes a state file that has held an event and returns its bytes.
func usedState(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmsync.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := state.Message{MessageID: "msg_1", Type: "user.created", Body: []byte("{}"), ReceivedAt: testNow}
	if _, err := store.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// formatEntry is how a state file says what it is: a CBOR map {1: "crmsync", 2: 1}.
const formatEntry = "\xa2\x01\x67crmsync\x02\x01"

func patched(t *testing.T, text []byte, entry string) []byte {
	t.Helper()
	if !bytes.Contains(text, []byte(formatEntry)) {
		t.Fatal("the format is written in another way")
	}
	return bytes.ReplaceAll(text, []byte(formatEntry), []byte(entry))
}

// stateCommandLines are all that open a state file.
var stateCommandLines = [][]string{
	{"serve"}, {"check", "--offline"}, {"status"}, {"events"}, {"explain", "msg_1"}, {"objects"},
	{"replay", "--status", "dead"}, {"resync"}, {"discard", "msg_1", "--reason", "x"}, {"pause"}, {"resume"},
	{"state", "verify"}, {"state", "backup", "copy.db"}, {"state", "compact"}, {"state", "prune"}, {"state", "export"},
	{"state", "rebind"}, {"state", "rebind", "--yes"},
}

// Whatever lies at the place of the state file: every command says what it is and
// what to do, changes nothing, and does not start with no memory.
func TestState_ThatCannotBeUsed(t *testing.T) {
	used := usedState(t)
	for _, tt := range []struct {
		name string
		text []byte
		code int
		says []string
	}{
		{"truncated", used[:len(used)/2], exitFailed, []string{"is damaged (truncated to ", "restore the newest backup"}},
		{"cut in its first page", used[:100], exitFailed, []string{"is damaged", "restore the newest backup"}},
		{"empty", nil, exitFailed, []string{"is empty", "restore a backup in its place, or delete it to start with no memory of past events"}},
		{"garbage", bytes.Repeat([]byte("Dear diary\n"), 10_000), exitUsage, []string{"is not a crmsync state file", "CRMSYNC_STATE", "nothing was changed"}},
		{"of another program", patched(t, used, "\xa2\x01\x67boltapp\x02\x01"), exitUsage, []string{"is not a crmsync state file", "CRMSYNC_STATE", "nothing was changed"}},
		{"of a newer release", patched(t, used, "\xa2\x01\x67crmsync\x02\x09"), exitFailed, []string{"has format version 9, this release reads up to 1", "use the release that wrote it"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			path := filepath.Join(dir, "crmsync.db")
			if err := os.WriteFile(path, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			useSandbox(t, path)
			for _, args := range stateCommandLines {
				code, out, errOut := runLimited(t, args...)
				if code != tt.code {
					t.Errorf("%v: exit code %d, want %d\n%s%s", args, code, tt.code, out, errOut)
				}
				for _, want := range append(tt.says, path) {
					if !strings.Contains(out+errOut, want) {
						t.Errorf("%v does not say %q:\n%s%s", args, want, out, errOut)
					}
				}
				if strings.Contains(out+errOut, "goroutine") {
					t.Errorf("%v: a stack trace\n%s%s", args, out, errOut)
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, tt.text) {
					t.Fatalf("%v changed the file: %v", args, err)
				}
				if left := names(t, dir); !slices.Equal(left, []string{"crmsync.db"}) {
					t.Fatalf("%v left %v", args, left)
				}
			}
		})
	}
}

// A path that cannot be a state file is a mistake in the configuration.
func TestState_PathThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, serve, others string }{
		{"a directory", dir, "CRMSYNC_STATE: ", "is a directory"},
		{"in no directory", filepath.Join(dir, "missing", "crmsync.db"), "CRMSYNC_STATE: is in a directory that does not exist", "there is no state file"},
		{"below a file", filepath.Join(dir, "file", "crmsync.db"), "CRMSYNC_STATE: is in a directory that does not exist", "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			useSandbox(t, tt.path)
			for _, args := range stateCommandLines {
				code, out, errOut := runLimited(t, args...)
				want := tt.others
				if args[0] == "serve" || args[0] == "check" {
					want = tt.serve
				}
				if code != exitUsage || !strings.Contains(out+errOut, want) || strings.Contains(out+errOut, "goroutine") {
					t.Errorf("%v: exit code %d, want 2 and %q\n%s%s", args, code, want, out, errOut)
				}
			}
		})
	}
	if left := names(t, dir); !slices.Equal(left, []string{"file"}) {
		t.Errorf("left behind: %v", left)
	}
}

// useSandbox configures a connector with the CRM in memory.
func useSandbox(t *testing.T, statePath string) {
	t.Helper()
	for name, value := range map[string]string{
		"CRMSYNC_CRM": "sandbox", "CRMSYNC_WEBHOOK_SECRETS": testSecret, "CRMSYNC_STATE": statePath,
		"CRMSYNC_LISTEN_ADDR": "127.0.0.1:0", "CRMSYNC_ADMIN_ADDR": "off",
	} {
		t.Setenv(name, value)
	}
}

// runLimited is run for command lines that should end by themselves.
func runLimited(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, errOut bytes.Buffer
	code = Run(ctx, args, strings.NewReader(""), &out, &errOut)
	if ctx.Err() != nil {
		t.Errorf("%v went on", args)
	}
	return code, out.String(), errOut.String()
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
