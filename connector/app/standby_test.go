package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/state/bolt"
)

// freeAddr returns a local address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// logBuffer is read while a service writes to it.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// secondService is one that is started while another one has its state.
type secondService struct {
	cfg    *config.Config
	log    logBuffer
	cancel context.CancelFunc
	ended  chan struct{}
	v      *service
	err    error
}

// startSecond starts a service on the state of cfg, at addresses of its own.
func startSecond(t *testing.T, cfg *config.Config) *secondService {
	t.Helper()
	s := &secondService{cfg: testConfig(t, filepath.Dir(cfg.State)), ended: make(chan struct{})}
	s.cfg.ListenAddr, s.cfg.AdminAddr = freeAddr(t), freeAddr(t)
	s.start(t)
	return s
}

func (s *secondService) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() {
		defer close(s.ended)
		s.v, s.err = startService(ctx, s.cfg, slog.New(slog.NewTextHandler(&s.log, nil)))
	}()
	t.Cleanup(func() {
		cancel()
		<-s.ended
		if s.v != nil {
			if err := s.v.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func httpGet(url string) (status int, body string) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func TestStandby_TakesOverWhenTheFirstEnds(t *testing.T) {
	t.Parallel() // it waits for the lock
	cfg := testConfig(t, t.TempDir())
	first := startTest(t, cfg)
	second := startSecond(t, cfg)
	public, admin := "http://"+second.cfg.ListenAddr, "http://"+second.cfg.AdminAddr
	await(t, func() bool { status, _ := httpGet(admin + "/healthz"); return status == http.StatusOK })
	for url, want := range map[string]int{
		public + "/healthz": 200, public + "/readyz": 503, public + "/webhooks": 503,
		admin + "/readyz": 503, admin + "/api/v1/status": 503, admin + "/metrics": 200,
	} {
		if got, body := httpGet(url); got != want {
			t.Errorf("%s: answered %d %s, want %d", url, got, body, want)
		}
	}
	holder := fmt.Sprintf("process %d on ", os.Getpid())
	if _, body := httpGet(admin + "/readyz"); !strings.Contains(body, "waiting for the state file "+cfg.State+", which "+holder) {
		t.Errorf("the reason is %q", body)
	}
	if log := second.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, holder) || !strings.Contains(log, "otherwise stop it") {
		t.Errorf("the log is %s", log)
	}
	if code, out, errOut := run(t, "status", "--state", cfg.State); code != exitOK {
		t.Errorf("status of the first: exit code %d\n%s%s", code, out, errOut)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	<-second.ended
	if second.err != nil {
		t.Fatal(second.err)
	}
	if status, _ := httpGet(public + "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz of the second: %d", status)
	}
	if code, out, errOut := run(t, "health", "--state", cfg.State); code != exitOK {
		t.Errorf("health: exit code %d\n%s%s", code, out, errOut)
	}
}

// On one machine the first has the addresses too.
func TestStandby_TakesOverTheAddresses(t *testing.T) {
	t.Parallel() // it waits for the lock
	cfg := testConfig(t, t.TempDir())
	cfg.ListenAddr, cfg.AdminAddr = freeAddr(t), freeAddr(t)
	first := startTest(t, cfg)
	second := &secondService{cfg: cfg, ended: make(chan struct{})}
	second.start(t)
	await(t, func() bool { return strings.Contains(second.log.String(), "waiting until it is free") })
	if status, _ := httpGet("http://" + cfg.ListenAddr + "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz of the first: %d", status)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	<-second.ended
	if second.err != nil {
		t.Fatal(second.err)
	}
	for _, addr := range []string{cfg.ListenAddr, cfg.AdminAddr} {
		if status, _ := httpGet("http://" + addr + "/readyz"); status != http.StatusOK {
			t.Errorf("%s/readyz of the second: %d", addr, status)
		}
	}
}

func TestStandby_EndsAtOnceWhenItIsTold(t *testing.T) {
	t.Parallel() // it waits for the lock
	cfg := testConfig(t, t.TempDir())
	startTest(t, cfg)
	second := startSecond(t, cfg)
	await(t, func() bool {
		status, _ := httpGet("http://" + second.cfg.ListenAddr + "/healthz")
		return status == http.StatusOK
	})
	second.cancel()
	<-second.ended
	if !errors.Is(second.err, context.Canceled) {
		t.Errorf("got %v", second.err)
	}
	if status, _ := httpGet("http://" + second.cfg.ListenAddr + "/healthz"); status != 0 {
		t.Errorf("it still answers: %d", status)
	}
	if code, out, errOut := run(t, "health", "--state", cfg.State); code != exitOK {
		t.Errorf("health of the first: exit code %d\n%s%s", code, out, errOut)
	}
}

// An address that this machine does not have is a mistake that is told before
// the first process ends, not after.
func TestStandby_DoesNotWaitWithAnAddressThatIsWrong(t *testing.T) {
	t.Parallel() // it waits for the lock
	cfg := testConfig(t, t.TempDir())
	startTest(t, cfg)
	second := &secondService{cfg: testConfig(t, filepath.Dir(cfg.State)), ended: make(chan struct{})}
	second.cfg.ListenAddr = "192.0.2.1:8080" // https://www.rfc-editor.org/rfc/rfc5737
	second.start(t)
	<-second.ended
	if second.err == nil || !strings.Contains(second.err.Error(), "CRMSYNC_LISTEN_ADDR") {
		t.Errorf("got %v", second.err)
	}
}

// Who looks at the log after an hour learns what it waits for, and for whom: the
// holder may be another one by then.
func TestStandby_RemindsEveryFewMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		v := &service{
			cfg: &config.Config{State: filepath.Join(t.TempDir(), "crmsync.db")}, log: slog.New(slog.NewTextHandler(&log, nil)),
			public: &entrance{listener: &net.TCPListener{}}, // open already
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*standbyReminder+time.Second)
		defer cancel()
		holder := `{"pid":2,"host":"second"}`
		if err := os.WriteFile(v.cfg.State+".lock", []byte(holder), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := v.standBy(ctx, &bolt.LockedError{Path: v.cfg.State, Holder: bolt.Holder{PID: 1, Host: "first"}}); err != nil {
			t.Error(err)
		}
		if got := log.String(); strings.Count(got, "process 1 on first") != 1 || strings.Count(got, "process 2 on second") != 2 {
			t.Errorf("the log is\n%s", got)
		}
	})
}

// A reader that holds the file, such as a backup of a stopped connector, is
// waited for as well; it has no name.
func TestStandby_WaitsForAReader(t *testing.T) {
	t.Parallel() // it waits for the lock
	cfg := testConfig(t, t.TempDir())
	v := startTest(t, cfg)
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	reader, err := bolt.Open(cfg.State, bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	second := startSecond(t, cfg)
	await(t, func() bool { return strings.Contains(second.log.String(), `holder="another process"`) })
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	<-second.ended
	if second.err != nil {
		t.Error(second.err)
	}
}

// In a rolling update two containers share the volume, and with it the socket of
// the old one; a probe is about its own container.
func TestHealth_OfAContainerThatWaits(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	startTest(t, cfg)
	if err := os.WriteFile(cfg.State+".lock", []byte(`{"pid":1,"host":"old-container"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CRMSYNC_STATE", cfg.State)
	t.Setenv("CRMSYNC_LISTEN_ADDR", freeAddr(t))
	if code, out, errOut := run(t, "health"); code != exitOK {
		t.Errorf("nobody waits here: exit code %d\n%s%s", code, out, errOut)
	}
	other := startTest(t, testConfig(t, t.TempDir()))
	other.receiver.Drain()
	t.Setenv("CRMSYNC_LISTEN_ADDR", other.public.address().String())
	if code, out, errOut := run(t, "health"); code != exitOK {
		t.Errorf("one on another state is not ready: exit code %d\n%s%s", code, out, errOut)
	}
	waiting := httptest.NewServer(connector.NewStandby(connector.NewMetrics(nil)))
	defer waiting.Close()
	t.Setenv("CRMSYNC_LISTEN_ADDR", waiting.Listener.Addr().String())
	for _, args := range [][]string{{"health"}, {"health", "--crm"}, {"health", "--json"}} {
		code, out, errOut := run(t, args...)
		if code != exitFailed || !strings.Contains(out, "waiting for the state file, which process 1 on old-container has open") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
}
