package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// heldCRM is a HubSpot account that answers writes only when it is released.
func heldCRM(t *testing.T) (writing <-chan struct{}, release func()) {
	t.Helper()
	account := useHubSpot(t)
	entered, released := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/upsert") {
			entered <- struct{}{}
			<-released
		}
		account.ServeHTTP(w, r)
	}))
	release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(server.Close)
	t.Cleanup(release)
	t.Setenv("CRMSYNC_HUBSPOT_BASE_URL", server.URL)
	t.Setenv("CRMSYNC_LISTEN_ADDR", "127.0.0.1:0")
	t.Setenv("CRMSYNC_ADMIN_ADDR", "off")
	if code, _, errOut := run(t, "setup"); code != exitOK {
		t.Fatal(errOut)
	}
	return entered, release
}

// While work in flight is finished, senders and balancers are told to turn
// away; nobody is refused a connection.
func TestShutdown_AnswersWhileItDrains(t *testing.T) {
	writing, release := heldCRM(t)
	cfg, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	v, err := startService(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	body, err := demoEvents.ReadFile("demo/org.updated.json")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + v.public.address().String()
	sender, err := newSender(base+"/webhooks", []string{testSecret})
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.send(t.Context(), "msg_1", body); err != nil {
		t.Fatal(err)
	}
	<-writing
	stopped := make(chan error, 1)
	go func() { stopped <- v.stop() }()
	await(t, func() bool { return v.receiver.Ready(t.Context()) != nil })
	for path, want := range map[string]int{"/readyz": 503, "/healthz": 200, "/webhooks": 503} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || (path == "/webhooks" && resp.Header.Get("Retry-After") == "") {
			t.Errorf("%s: answered %d, want %d", path, resp.StatusCode, want)
		}
	}
	release()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(base + "/healthz"); err == nil {
		t.Error("the listener is still open")
	}
	if code, out, _ := run(t, "events", "--status", "applied", "--json"); code != exitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("the event in flight: exit code %d\n%s", code, out)
	}
}
