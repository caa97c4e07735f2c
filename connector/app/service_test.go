package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/state/bolt"
)

// startTest runs a connector on a CRM in memory until the test ends.
func startTest(t *testing.T, cfg *config.Config) *service {
	t.Helper()
	v, err := startService(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.stop(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func testConfig(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, err := demoConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run executes a command line of crmsync.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

// await returns when cond holds.
func await(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// sendSamples posts every sample of the demo and waits for the last one.
func sendSamples(t *testing.T, v *service) {
	t.Helper()
	d := &demo{session: &session{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}, service: v, crm: v.client.(*sandboxClient).server}
	if err := d.show(string(v.cfg.WebhookSecrets[0])); err != nil {
		t.Fatal(err)
	}
}

// A command prints the same about a running connector and about its file.
func TestCommands_SayTheSameOfSocketAndFile(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	v := startTest(t, cfg)
	sendSamples(t, v)
	commands := [][]string{{"events", "--json"}, {"objects", "--json"}, {"events"}, {"objects"}, {"state", "verify"}}
	var running []string
	for _, args := range commands {
		code, out, errOut := run(t, append(args, "--state", cfg.State)...)
		if code != exitOK || out == "" {
			t.Fatalf("%v of a running connector: exit code %d\n%s%s", args, code, out, errOut)
		}
		running = append(running, out)
	}
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	for i, args := range commands {
		if _, out, _ := run(t, append(args, "--state", cfg.State)...); out != running[i] {
			t.Errorf("%v: of the file\n%s\nof the running connector\n%s", args, out, running[i])
		}
	}
}

func TestStatus_OfARunningConnector(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	v := startTest(t, cfg)
	sendSamples(t, v)
	resp, err := http.Post("http://"+v.public.address().String()+"/webhooks", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	code, out, errOut := run(t, "status", "--json", "--state", cfg.State)
	var got statusView
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errOut)
	}
	if !got.Running || !got.Ready || got.ReadyReason != "" || !got.Balanced || got.Received != 6 || got.Applied != 4 || got.Stale != 1 || got.Dead != 1 || got.Duplicates != 1 {
		t.Errorf("got %+v", got)
	}
	if got.CRM.Kind != "sandbox" || got.CRM.State != "ok" {
		t.Errorf("CRM: got %+v", got.CRM)
	}
	if got.Rejected != 1 { // counted, though not stored yet
		t.Errorf("rejected: got %d, want 1", got.Rejected)
	}
}

func TestReplay_OfARunningConnector(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	v := startTest(t, cfg)
	sendSamples(t, v)
	code, out, errOut := run(t, "replay", "--status", "dead", "--state", cfg.State)
	if code != exitOK || out != "1 event queued\n" {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}

func TestHealth_FollowsTheConnector(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	v := startTest(t, cfg)
	for _, args := range [][]string{{"health"}, {"health", "--crm"}, {"health", "--json"}} {
		if code, out, errOut := run(t, append(args, "--state", cfg.State)...); code != exitOK {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
	v.receiver.Drain()
	if code, out, _ := run(t, "health", "--state", cfg.State); code != exitFailed || !strings.Contains(out, "shutting down") {
		t.Errorf("while draining: exit code %d, %s", code, out)
	}
	if code, out, _ := run(t, "status", "--state", cfg.State); code != exitFailed || !strings.Contains(out, "cannot be accepted") {
		t.Errorf("status while draining: exit code %d, %s", code, out)
	}
	if code, out, _ := run(t, "status", "--json", "--state", cfg.State); code != exitFailed || !strings.Contains(out, `"ready":false,"ready_reason":"shutting down"`) {
		t.Errorf("status while draining: exit code %d, %s", code, out)
	}
}

// A token that is refused pauses writing, is worth an alert, and never stops
// acceptance.
func TestPausedCRM_FailsStatusAndHealthButNotReadiness(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	v := startTest(t, cfg)
	v.client.(*sandboxClient).server.Revoke()
	sender, err := newSender("http://"+v.public.address().String()+"/webhooks", []string{string(cfg.WebhookSecrets[0])})
	if err != nil {
		t.Fatal(err)
	}
	body, err := demoEvents.ReadFile("demo/org.updated.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.send(t.Context(), "msg_1", body); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return v.dispatch.CRMState().State == connector.StatePaused })
	if err := sender.send(t.Context(), "msg_2", []byte(`{}`)); err != nil {
		t.Errorf("while paused: %v", err)
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"status"}, exitFailed, "Writing is paused"},
		{[]string{"health"}, exitOK, "ready"},
		{[]string{"health", "--crm"}, exitFailed, "the CRM is paused"},
	} {
		code, out, errOut := run(t, append(tt.args, "--state", cfg.State)...)
		if code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%v: exit code %d\n%s%s", tt.args, code, out, errOut)
		}
	}
}

func TestService_ServesMetricsOnTheAdminListener(t *testing.T) {
	v := startTest(t, testConfig(t, t.TempDir()))
	resp, err := http.Get("http://" + v.admin.address().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`crmsync_webhooks_total{result="accepted"} 0`, `crmsync_inbox_depth 0`, `crmsync_inbox_oldest_seconds 0`,
		`crmsync_dead_letters 0`, `crmsync_records_behind{object="contact"} 0`, `crmsync_events{status="applied"} 0`, `crmsync_crm_state{state="ok"} 1`,
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	for _, path := range []string{"/metrics", "/api/v1/status"} {
		resp, err := http.Get("http://" + v.public.address().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("public %s: answered %d", path, resp.StatusCode)
		}
	}
}

// A start that fails half way holds nothing: the next one works.
func TestService_ThatCannotListenLetsGoOfTheState(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := testConfig(t, t.TempDir())
	cfg.ListenAddr = taken.Addr().String()
	_, err = startService(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "CRMSYNC_LISTEN_ADDR") {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Lstat(cfg.State + ".sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stayed: %v", err)
	}
	store, err := bolt.Open(cfg.State, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
}

func TestSocket_IsForItsOwnerOnly(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	startTest(t, cfg)
	info, err := os.Stat(cfg.State + ".sock")
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestSocket_LeftBehindByAKillIsReplaced(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	leaveSocket(t, cfg.State+".sock")
	startTest(t, cfg)
	if code, out, errOut := run(t, "health", "--state", cfg.State); code != exitOK {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}

func TestSocket_NeverReplacesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listenSocket(path); err == nil {
		l.Close()
		t.Error("it listens in the place of a file")
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("the file holds %q now", text)
	}
}

// leaveSocket leaves a socket at path on which nobody listens, as a kill does.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// longDir returns a directory whose path is too long for a socket in it.
func longDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", maxSocketPath))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The path of a socket is short by nature, that of a state file is not.
func TestSocket_OfALongPathIsFound(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cfg := testConfig(t, longDir(t))
	v := startTest(t, cfg)
	if code, out, errOut := run(t, "health", "--state", cfg.State); code != exitOK {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDemo_ShowsEveryFate(t *testing.T) {
	code, out, errOut := run(t, "demo", "--once")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, out, errOut)
	}
	for _, want := range []string{
		"applied", "duplicate", "stale", "dead", "refused",
		"BrightSales GmbH", "Lena Okafor-Braun", "BrightSales GmbH, Jonas Weber",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
}
