package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm/hubspot"
	"crmsync/crm/sandbox"
	"crmsync/state"
)

// disruption is what a wire does to the bytes on it.
type disruption int32

const (
	wireWorks     disruption = iota
	wireSlow                 // every piece takes 100 ms
	wireRefuses              // connections are reset at once
	resetsRequest            // reset before the CRM sees the request
	resetsAnswer             // reset when the answer comes: the request took effect
	cutsAnswer               // the connection ends in the middle of the answer's body
	swallows                 // the answer never comes
)

// wire is a TCP proxy between a connector and a CRM, which disturbs them.
type wire struct {
	listener net.Listener
	target   string
	mode     atomic.Int32
	hits     atomic.Int32
	stopped  chan struct{}
	working  sync.WaitGroup
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: target, stopped: make(chan struct{})}
	w.working.Go(w.serve)
	t.Cleanup(func() {
		close(w.stopped)
		l.Close()
		w.working.Wait()
	})
	return w
}

func (w *wire) url() string { return "http://" + w.listener.Addr().String() }

func (w *wire) disturb(d disruption) { w.mode.Store(int32(d)) }

// is counts a disturbance that is about to be made.
func (w *wire) is(d disruption) bool {
	if disruption(w.mode.Load()) != d {
		return false
	}
	w.hits.Add(1)
	return true
}

func (w *wire) serve() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return
		}
		if w.is(wireRefuses) {
			reset(from)
			continue
		}
		to, err := net.Dial("tcp", w.target)
		if err != nil {
			reset(from)
			continue
		}
		w.working.Go(func() { <-w.stopped; from.Close(); to.Close() })
		w.working.Go(func() { w.carry(from, to, false); to.Close(); from.Close() })
		w.working.Go(func() { w.carry(to, from, true); to.Close(); from.Close() })
	}
}

// reset ends a connection with RST instead of FIN.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// carry copies requests or answers until it disturbs one.
func (w *wire) carry(from, to net.Conn, answers bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		piece := buffer[:n]
		switch {
		case w.is(wireSlow):
			select {
			case <-time.After(100 * time.Millisecond):
			case <-w.stopped:
			}
		case !answers && (w.is(resetsRequest) || w.is(wireRefuses)):
			reset(from)
			return
		case answers && w.is(resetsAnswer):
			reset(to)
			return
		case answers && w.is(swallows):
			continue
		case answers && w.is(cutsAnswer):
			head, body, _ := bytes.Cut(piece, []byte("\r\n\r\n"))
			_, _ = to.Write(piece[:len(head)+min(4, n-len(head))+len(body)/2])
			return
		}
		if _, err := to.Write(piece); err != nil {
			return
		}
	}
}

// faultyWorld is a running connector, a CRM, and the wire between them.
type faultyWorld struct {
	t       *testing.T
	crm     *sandbox.Server
	wire    *wire
	cfg     *config.Config
	service *service
	log     *bytes.Buffer
	sender  *sender
	sent    int
}

// hubspotConfig is a configuration for the CRM at url.
func hubspotConfig(t *testing.T, url string) *config.Config {
	t.Helper()
	cfg := testConfig(t, t.TempDir()) // the mapping of the sandbox is HubSpot's
	cfg.CRM = "hubspot"
	cfg.Options = &hubspot.Options{Token: "secret", BaseURL: url}
	cfg.Common.RequestTimeout = 2 * time.Second
	cfg.Common.RateLimit.Off = true
	return cfg
}

func newFaultyWorld(t *testing.T) *faultyWorld {
	t.Helper()
	server := sandbox.New(sandbox.Options{Token: "secret", Owners: []sandbox.Owner{{ID: "71", Email: "rep1@sales.example"}}})
	url, err := server.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	w := &faultyWorld{t: t, crm: server, wire: newWire(t, strings.TrimPrefix(url, "http://")), log: &bytes.Buffer{}}
	cfg := hubspotConfig(t, w.wire.url())
	client, err := openClient(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provision(t.Context(), cfg, client, false); err != nil {
		t.Fatal(err)
	}
	w.cfg = cfg
	w.start()
	return w
}

// start starts the connector, again after stop.
func (w *faultyWorld) start() {
	w.t.Helper()
	var err error
	if w.service, err = startService(w.t.Context(), w.cfg, slog.New(slog.NewTextHandler(w.log, nil))); err != nil {
		w.t.Fatal(err)
	}
	if w.sender, err = newSender("http://"+w.service.public.address().String()+"/webhooks", []string{string(w.cfg.WebhookSecrets[0])}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *faultyWorld) stop() {
	w.t.Helper()
	if err := w.service.stop(); err != nil {
		w.t.Error(err)
	}
}

func (w *faultyWorld) send(bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		w.sent++
		if err := w.sender.send(w.t.Context(), fmt.Sprintf("msg_%d", w.sent), []byte(body)); err != nil {
			w.t.Fatalf("event %d is not accepted: %v", w.sent, err)
		}
	}
}

func (w *faultyWorld) stats() state.Stats {
	w.t.Helper()
	s, err := w.service.store.Stats(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if !s.Balanced() {
		w.t.Errorf("the counts do not add up: %+v", s)
	}
	return s
}

// eventually waits for what the connector does in its own time.
func (w *faultyWorld) eventually(what string, cond func() bool) {
	w.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(90 * time.Second); !cond(); <-ticker.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s; %+v, %+v", what, w.service.dispatch.CRMState(), w.stats())
		}
	}
}

func (w *faultyWorld) settled() {
	w.t.Helper()
	w.eventually("nothing is pending", func() bool {
		s := w.stats()
		return s.Counts[state.Pending] == 0 && s.WaitingLinks == 0
	})
}

// holds describes every record of the CRM by our key, with its links.
func (w *faultyWorld) holds() []string {
	var lines []string
	names := map[string]string{}
	objects := []string{"companies", "contacts", "calls"}
	for _, object := range objects {
		for _, r := range w.crm.Records(object) {
			names[object+r.ID] = object + " " + r.Properties["crmsync_id"]
			lines = append(lines, fmt.Sprint(names[object+r.ID], " ", r.Archived, " ", r.Properties))
		}
	}
	for _, from := range objects {
		for _, to := range objects {
			for _, pair := range w.crm.Associations(from, to) {
				lines = append(lines, names[from+pair[0]]+" -> "+names[to+pair[1]])
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// faultEvents are the events of three hours, in order: an organisation, its
// people and their calls.
func faultEvents() (bodies []string) {
	start := time.Now().Add(-3 * time.Hour).UTC()
	add := func(kind, payload string) {
		i := len(bodies)
		bodies = append(bodies, fmt.Sprintf(`{"id":"event-%d","type":%q,"timestamp":%q,"payload":%s}`,
			i, kind, start.Add(time.Duration(i)*time.Minute).Format("2006-01-02T15:04:05.000000000"), payload))
	}
	user := func(u int) string {
		return fmt.Sprintf(`{"id":"user-%d","orgId":"org-1","email":"rep%d@sales.example","name":"Rep Number%d","role":"Sales Rep","status":"active"}`, u, u, u)
	}
	add("org.updated", `{"org":{"id":"org-1","name":"Sales","status":"active"}}`)
	for i := range 90 {
		if u := i % 12; i%3 == 0 {
			add("user.updated", `{"user":`+user(u)+`}`)
		} else {
			add("call.completed", fmt.Sprintf(`{"call":{"id":"call-%d","orgId":"org-1","title":"Call %d","stats":{"duration":61},"user":%s}}`, i, i, user(u)))
		}
	}
	return bodies
}

// faultCase is one way in which a CRM, or the way to it, fails.
type faultCase struct {
	name   string
	wire   disruption
	fault  sandbox.Fault // none without a Status, Hang, Cut or SilentNoop
	revoke bool
	state  string // what status says meanwhile; "" when the connector copes
	says   string // a part of the reason

	early   bool // from the first event
	restart bool // what was asked for is longer than a test: a new process tries at once
}

func faultCases() []faultCase {
	limited := func(after string) sandbox.Fault {
		return sandbox.Fault{Op: "batch/upsert", Status: http.StatusTooManyRequests, Policy: "SECONDLY", RetryAfter: after}
	}
	const retrying, rateLimited = connector.StateRetrying, connector.StateRateLimited
	return []faultCase{
		{name: "latency", wire: wireSlow},
		{name: "connections refused", wire: wireRefuses, state: retrying, says: "unavailable"},
		{name: "reset before the write", wire: resetsRequest, state: retrying, says: "unavailable"},
		{name: "reset behind the write", wire: resetsAnswer, state: retrying, says: "unavailable"},
		{name: "half a body", wire: cutsAnswer, state: retrying, says: "unavailable"},
		{name: "no answer", wire: swallows, state: retrying, says: "unavailable"},
		{name: "hangs", fault: sandbox.Fault{Op: "batch/upsert", Hang: true}, state: retrying, says: "unavailable"},
		{name: "429 with a negative time", fault: limited("-31536000"), state: rateLimited, says: "429"},
		{name: "429 with a date in the past", fault: limited("Wed, 21 Oct 2015 07:28:00 GMT"), state: rateLimited, says: "429"},
		{name: "429 with garbage", fault: limited("soon"), state: rateLimited, says: "429"},
		{name: "429 for a year", fault: limited("31536000"), restart: true, state: rateLimited, says: "429"},
		{name: "423", fault: sandbox.Fault{Op: "batch/upsert", Status: http.StatusLocked}, state: rateLimited, says: "423"},
		{name: "502 with HTML", fault: sandbox.Fault{Status: 502, Body: "<html><b>rep1@sales.example</b></html>"}, state: retrying, says: "502"},
		{name: "503 with HTML for links", fault: sandbox.Fault{Op: "associations/", Status: 503, Body: "<html>"}, state: retrying, says: "503"},
		{name: "200 with nothing", fault: sandbox.Fault{Op: "batch/upsert", SilentNoop: true}, state: retrying, says: "silent_noop"},
		{name: "200 with an empty body", fault: sandbox.Fault{Op: "batch/upsert", Status: 200, Body: " "}, state: retrying, says: "unavailable"},
		{name: "200 with a page", fault: sandbox.Fault{Op: "batch/upsert", Status: 200, Body: "<html>Sign in</html>"}, state: retrying, says: "unavailable"},
		{name: "owners unavailable", fault: sandbox.Fault{Op: "GET owners", Status: 503}, early: true, state: retrying, says: "owners"},
		{name: "401", revoke: true, state: connector.StatePaused, says: "401"},
	}
}

// Whatever the CRM or the way to it does, status says so, nothing dies, and when
// it is over the connector goes on alone and the CRM is as if nothing had
// happened.
func TestFaults_TheConnectorOutlivesThem(t *testing.T) {
	t.Parallel() // it waits more than it works
	bodies := faultEvents()
	clean := newFaultyWorld(t)
	clean.send(bodies...)
	clean.settled()
	clean.stop()
	want := clean.holds()
	var cases sync.WaitGroup // they wait more than they work
	for _, c := range faultCases() {
		cases.Go(func() { t.Run(c.name, func(t *testing.T) { outliveFault(t, c, bodies, want) }) })
	}
	cases.Wait()
}

func outliveFault(t *testing.T, c faultCase, bodies, want []string) {
	w := newFaultyWorld(t)
	third := len(bodies) / 3
	before := total(w.crm.Requests())
	if !c.early {
		w.send(bodies[:third]...)
		w.settled()
		bodies = bodies[third:]
	}
	remove := w.begin(c)
	w.send(bodies[:third]...)
	if c.state == "" {
		w.settled()
	} else {
		w.eventually("status is "+c.state, func() bool { return w.service.dispatch.CRMState().State == c.state })
		if s := w.service.dispatch.CRMState(); !strings.Contains(s.Reason, c.says) || strings.Contains(s.Reason, "@") {
			t.Errorf("status says %+v", s)
		}
		if err := w.service.store.Ready(t.Context()); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if w.stats().Counts[state.Pending] == 0 {
			t.Error("nothing waits")
		}
	}
	remove()
	if c.restart {
		w.stop()
		w.start()
	}
	w.send(bodies[third:]...)
	w.settled()
	s := w.stats()
	w.stop()
	if diff := cmp.Diff(want, w.holds()); diff != "" {
		t.Errorf("CRM: -want +got\n%s", diff)
	}
	if s.Counts[state.Dead] != 0 || s.Received != int64(w.sent) {
		t.Errorf("stats %+v", s)
	}
	if n := total(w.crm.Requests()) - before; n > 250 {
		t.Errorf("%d requests", n)
	}
	if text := w.log.String(); strings.Contains(text, "@sales.example") || strings.Contains(text, "secret") {
		t.Error("the log holds a secret or an address")
	}
}

// begin makes things fail until remove.
func (w *faultyWorld) begin(c faultCase) (remove func()) {
	switch {
	case c.revoke:
		w.crm.Revoke()
		return w.crm.Restore
	case c.wire != wireWorks:
		w.wire.disturb(c.wire)
		return func() {
			w.wire.disturb(wireWorks)
			if w.wire.hits.Load() == 0 {
				w.t.Error("the wire disturbed nothing")
			}
		}
	}
	return w.crm.Fault(c.fault)
}

func total(requests map[string]int) (n int) {
	for count := range maps.Values(requests) {
		n += count
	}
	return n
}
