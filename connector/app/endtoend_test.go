package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"crmsync/crm/sandbox"
)

// Two secrets, as during a rotation.
var endToEndSecrets = []string{"whsec_Y3Jtc3luYy1lbmQtdG8tZW5kLWtleS1vbmUtMDEyMw==", "whsec_Y3Jtc3luYy1lbmQtdG8tZW5kLWtleS10d28tMDEyMw=="}

// connectorProcess is the real program between real sockets.
type connectorProcess struct {
	t     *testing.T
	dir   string
	url   string // of the webhook
	addr  string
	env   []string
	cmd   *exec.Cmd
	log   *lockedBuffer
	ended chan error
	where func(line []string) []string // the command line that runs line elsewhere; nil for here
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newConnector prepares a connector for the CRM at crmURL and lets the program
// set the CRM up.
func newConnector(t *testing.T, crmURL string, env ...string) *connectorProcess {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	dir := t.TempDir()
	p := &connectorProcess{t: t, dir: dir, addr: addr, url: "http://" + addr + "/webhooks", log: &lockedBuffer{}}
	p.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0",
		"CRMSYNC_CRM=hubspot", "CRMSYNC_HUBSPOT_BASE_URL=" + crmURL, "CRMSYNC_HUBSPOT_TOKEN=pat-end-to-end-secret",
		"CRMSYNC_WEBHOOK_SECRETS=" + strings.Join(endToEndSecrets, ","),
		"CRMSYNC_LISTEN_ADDR=" + addr, "CRMSYNC_ADMIN_ADDR=off",
		"CRMSYNC_STATE=" + filepath.Join(dir, "crmsync.db"), "CRMSYNC_RATE_LIMIT=off",
	}, env...)
	p.mustRun("setup")
	return p
}

func (p *connectorProcess) command(args ...string) *exec.Cmd {
	line := append([]string{"crmsync"}, args...)
	if p.where != nil {
		line = p.where(line)
	}
	cmd := exec.CommandContext(p.t.Context(), line[0], line[1:]...)
	cmd.Env, cmd.Dir = p.env, p.dir
	return cmd
}

// run executes a command line and returns its exit code and output.
func (p *connectorProcess) run(args ...string) (int, string) {
	out, err := p.command(args...).CombinedOutput()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		return exit.ExitCode(), string(out)
	case err != nil:
		p.t.Fatalf("crmsync %v: %v", args, err)
	}
	return 0, string(out)
}

func (p *connectorProcess) mustRun(args ...string) string {
	p.t.Helper()
	code, out := p.run(args...)
	if code != 0 {
		p.t.Fatalf("crmsync %v: exit code %d\n%s", args, code, out)
	}
	return out
}

// start runs serve until kill or stop, and waits until it is ready.
func (p *connectorProcess) start() {
	p.t.Helper()
	p.launch()
	p.eventually("the connector is ready", 20*time.Second, func() bool { return p.probe("/readyz") == http.StatusOK })
}

// launch runs serve until kill or stop.
func (p *connectorProcess) launch() {
	p.t.Helper()
	p.execute("serve")
}

// execute begins a command, which ends or is killed.
func (p *connectorProcess) execute(args ...string) {
	p.t.Helper()
	p.cmd = p.command(args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(p.cmd, p.ended)
	p.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
}

// probe returns the status of an answer, 0 when there is none.
func (p *connectorProcess) probe(path string) int {
	resp, err := http.Get("http://" + p.addr + path)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// stop ends serve as a container runtime does; it must exit with 0.
func (p *connectorProcess) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := <-p.ended; err != nil {
		p.t.Errorf("serve: %v\n%s", err, p.log)
	}
}

// eventually polls a condition that another process makes true.
func (p *connectorProcess) eventually(what string, patience time.Duration, cond func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for start := time.Now(); !cond(); <-ticker.C {
		if time.Since(start) > patience {
			p.t.Fatalf("not within %s: %s\n%s", patience, what, p.log)
		}
	}
}

type statusJSON struct {
	Received, Pending, Applied, Unchanged, Skipped, Stale, Dead, Duplicates int
	Balanced                                                                bool
	WaitingLinks                                                            int `json:"waiting_links"`
	CRM                                                                     struct {
		State  string
		Reason string
	}
}

func (p *connectorProcess) status() (s statusJSON) {
	p.t.Helper()
	_, out := p.run("status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		p.t.Fatalf("status: %v\n%s", err, out)
	}
	return s
}

// settled waits until nothing is pending.
func (p *connectorProcess) settled(patience time.Duration) statusJSON {
	p.t.Helper()
	var s statusJSON
	p.eventually("nothing is pending", patience, func() bool { s = p.status(); return s.Pending == 0 })
	return s
}

// delivery is one signed request.
type delivery struct {
	id, body, secret, family string
}

// post sends a delivery and returns the status, 0 when no answer came.
func (p *connectorProcess) post(client *http.Client, d delivery) int {
	wh, err := svix.NewWebhook(d.secret)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	now := time.Now()
	signature, err := wh.Sign(d.id, now, []byte(d.body))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url, strings.NewReader(d.body))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	req.Header.Set(d.family+"-id", d.id)
	req.Header.Set(d.family+"-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(d.family+"-signature", signature)
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// sendAll posts deliveries over many connections. Like Svix it sends again
// what was not answered with a 2xx, for at most a minute.
func (p *connectorProcess) sendAll(deliveries []delivery) {
	p.sendVia([]*connectorProcess{p}, deliveries)
}

// sendVia is sendAll through a balancer in front of several processes, which
// tries them in turn.
func (p *connectorProcess) sendVia(processes []*connectorProcess, deliveries []delivery) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	queue := make(chan delivery)
	var senders sync.WaitGroup
	for range 64 {
		senders.Go(func() {
			for d := range queue {
				retry := time.NewTicker(50 * time.Millisecond)
				start := time.Now()
				for n := 0; processes[n%len(processes)].post(client, d) != http.StatusNoContent; n++ {
					<-retry.C
					if time.Since(start) > time.Minute {
						p.t.Errorf("delivery %s was never accepted", d.id)
						break
					}
				}
				retry.Stop()
			}
		})
	}
	for _, d := range deliveries {
		queue <- d
	}
	close(queue)
	senders.Wait()
}

// stream is a made-up history and what the CRM should hold in the end.
type stream struct {
	bodies []string
	want   []string
}

// newStream makes n events of users, organisations and calls, in the order in
// which they happened.
func newStream(n int) *stream {
	random := rand.New(rand.NewPCG(1, 2))
	s := &stream{}
	users, orgs := n/25, n/200+1
	contact, company := map[int]string{}, map[int]string{}
	fromUser := map[int]bool{}
	start := time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
	stamp := func(i int) string {
		return start.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000000000")
	}
	event := func(i int, kind, payload string) {
		s.bodies = append(s.bodies, fmt.Sprintf(`{"id":"00000000-0000-4000-8000-%012d","type":%q,"timestamp":%q,"payload":%s}`, i, kind, stamp(i), payload))
	}
	user := func(i, u int, status string) string {
		return fmt.Sprintf(`{"id":"user-%d","orgId":"org-%d","email":"rep%d.%d@sales.example","name":"Rep Number%d","role":"Sales Rep","status":%q,"streak":%d}`, u, u%orgs, u, i, i, status, i)
	}
	row := func(i, u int, status string, deleted bool) string {
		return fmt.Sprintf("contact user-%d: rep%d.%d@sales.example Number%d %s %d %t -> org-%d", u, u, i, i, status, i, deleted, u%orgs)
	}
	for i := range n {
		u, o := random.IntN(users), random.IntN(orgs)
		switch pick := random.IntN(100); {
		case i < orgs:
			event(i, "org.updated", fmt.Sprintf(`{"org":{"id":"org-%d","name":"Org %d","status":"active"}}`, i, i))
			company[i] = fmt.Sprintf("company org-%d: Org %d active false", i, i)
		case pick < 3:
			event(i, "org.updated", fmt.Sprintf(`{"org":{"id":"org-%d","name":"Org %d","status":"active"}}`, o, i))
			company[o] = fmt.Sprintf("company org-%d: Org %d active false", o, i)
		case pick < 25:
			kind := "user.updated"
			if !fromUser[u] {
				kind = "user.created"
			}
			event(i, kind, `{"user":`+user(i, u, "active")+`}`)
			contact[u], fromUser[u] = row(i, u, "active", false), true
		case pick < 28:
			event(i, "user.deleted", `{"user":`+user(i, u, "inactive")+`}`)
			contact[u], fromUser[u] = row(i, u, "inactive", true), true
		default:
			event(i, "call.completed", fmt.Sprintf(`{"call":{"id":"call-%d","orgId":"org-%d","title":"Call %d","createdAt":%q,"stats":{"duration":61.5},"analysis":[{"analysisType":"general","score":7.5,"summary":"ok"}],"user":%s}}`, i, u%orgs, i, stamp(i), user(i, u, "calling")))
			if !fromUser[u] {
				contact[u] = row(i, u, "calling", false)
			}
			s.want = append(s.want, fmt.Sprintf("activity call-%d: Call %d 61500 7.5 -> org-%d, user-%d", i, i, u%orgs, u))
		}
	}
	for _, c := range contact {
		s.want = append(s.want, c)
	}
	for _, c := range company {
		s.want = append(s.want, c)
	}
	slices.Sort(s.want)
	return s
}

// shuffled returns the events in another order, a fifth of them twice, signed
// with both secrets in both families of headers.
func (s *stream) shuffled() []delivery {
	random := rand.New(rand.NewPCG(3, 4))
	var out []delivery
	for i, body := range s.bodies {
		d := delivery{
			id: fmt.Sprintf("msg_%027d", i), body: body,
			secret: endToEndSecrets[i%2], family: []string{"svix", "webhook"}[i/2%2],
		}
		out = append(out, d)
		if i%4 == 0 {
			out = append(out, d)
		}
	}
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// dump describes what a sandbox holds, in the words of stream.want.
func dump(crm *sandbox.Server) []string {
	keys := map[string]string{}
	for _, object := range []string{"companies", "contacts", "calls"} {
		for _, r := range crm.Records(object) {
			if !r.Archived {
				keys[object+r.ID] = r.Properties["crmsync_id"]
			}
		}
	}
	var out []string
	linked := map[string][]string{}
	for _, pair := range [][2]string{{"contacts", "companies"}, {"calls", "companies"}, {"calls", "contacts"}} {
		for _, a := range crm.Associations(pair[0], pair[1]) {
			linked[pair[0]+a[0]] = append(linked[pair[0]+a[0]], keys[pair[1]+a[1]])
		}
	}
	for _, r := range crm.Records("companies") {
		p := r.Properties
		out = append(out, fmt.Sprintf("company %s: %s %s %s", p["crmsync_id"], p["name"], p["crmsync_status"], p["crmsync_deleted"]))
	}
	for _, r := range crm.Records("contacts") {
		p := r.Properties
		out = append(out, fmt.Sprintf("contact %s: %s %s %s %s %s -> %s", p["crmsync_id"], p["email"], p["lastname"], p["crmsync_status"], p["crmsync_streak"], p["crmsync_deleted"], strings.Join(linked["contacts"+r.ID], ", ")))
	}
	for _, r := range crm.Records("calls") {
		p := r.Properties
		to := linked["calls"+r.ID]
		slices.Sort(to)
		out = append(out, fmt.Sprintf("activity %s: %s %s %s -> %s", p["crmsync_id"], p["hs_call_title"], p["hs_call_duration"], p["crmsync_score"], strings.Join(to, ", ")))
	}
	slices.Sort(out)
	return out
}

// compare reports the first few differences.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	missing, extra := 0, 0
	for _, line := range want {
		if _, ok := slices.BinarySearch(got, line); !ok {
			if missing++; missing <= 5 {
				t.Errorf("missing: %s", line)
			}
		}
	}
	for i, line := range got {
		if _, ok := slices.BinarySearch(want, line); !ok || i > 0 && got[i-1] == line {
			if extra++; extra <= 5 {
				t.Errorf("too much: %s", line)
			}
		}
	}
	if missing+extra > 0 {
		t.Errorf("%d lines missing, %d too much", missing, extra)
	}
}

func newCRM(t *testing.T) (*sandbox.Server, string) {
	t.Helper()
	crm := sandbox.New(sandbox.Options{Token: "pat-end-to-end-secret"})
	url, err := crm.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { crm.Close() })
	return crm, url
}

// requestsOf counts what was asked of the CRM since before.
func requestsOf(crm *sandbox.Server, before map[string]int) (n int) {
	for op, count := range crm.Requests() {
		n += count - before[op]
	}
	return n
}

func TestEndToEnd_ShuffledRunEqualsOrderedRun(t *testing.T) {
	t.Parallel() // they wait more than they work
	const events = 4000
	crm, url := newCRM(t)
	p := newConnector(t, url)
	s := newStream(events)
	deliveries := s.shuffled()
	before := crm.Requests()
	crm.SetLatency(20 * time.Millisecond)
	p.start()
	p.sendAll(deliveries)
	status := p.settled(2 * time.Minute)
	p.stop()
	compare(t, dump(crm), s.want)
	if !status.Balanced || status.Received != events || status.Duplicates != len(deliveries)-events || status.Dead != 0 || status.WaitingLinks != 0 {
		t.Errorf("status %+v", status)
	}
	perEvent := float64(requestsOf(crm, before)) / float64(len(deliveries))
	t.Logf("%.4f requests per event", perEvent)
	if perEvent > 0.06 {
		t.Errorf("%.4f requests per event", perEvent)
	}
	p.mustRun("state", "verify")
}

func TestEndToEnd_TokenExpiresMidRun(t *testing.T) {
	t.Parallel() // they wait more than they work
	crm, url := newCRM(t)
	p := newConnector(t, url)
	s := newStream(600)
	deliveries := s.shuffled()
	p.start()
	p.sendAll(deliveries[:300])
	p.settled(time.Minute)
	crm.Revoke()
	p.sendAll(deliveries[300:])
	p.eventually("writing pauses", 20*time.Second, func() bool { return p.status().CRM.State == "paused" })
	if resp, err := http.Get("http://" + p.addr + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz while paused: %v %v", resp, err)
	}
	if code, out := p.run("health"); code != 0 {
		t.Errorf("health: %d %s", code, out)
	}
	if code, out := p.run("health", "--crm"); code != 1 {
		t.Errorf("health --crm: %d %s", code, out)
	}
	if code, _ := p.run("status"); code != 1 {
		t.Errorf("status while paused exits with %d", code)
	}
	if status := p.status(); status.Dead != 0 || status.Pending == 0 {
		t.Errorf("status %+v", status)
	}
	crm.Restore()
	status := p.settled(90 * time.Second) // the first probe comes after 30 s
	p.stop()
	compare(t, dump(crm), s.want)
	if status.Dead != 0 || !status.Balanced {
		t.Errorf("status %+v", status)
	}
	if strings.Contains(p.log.String(), "pat-end-to-end-secret") || strings.Contains(p.log.String(), "@sales.example") {
		t.Error("the log holds a secret or an address")
	}
}
