package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var flood = flag.Int("flood", 10000, "how many connections TestEndToEnd_Flood opens, if the system allows it")

// metric reads one number from /metrics of the admin listener at addr.
func metric(t *testing.T, addr, name string) float64 {
	t.Helper()
	page := readAs(t, "http://"+addr+"/metrics", "")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no metric %s in\n%s", name, page)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// inUse is the memory, in bytes, that a connector works in.
func inUse(t *testing.T, admin string) float64 {
	t.Helper()
	return metric(t, admin, "go_memstats_heap_inuse_bytes") + metric(t, admin, "go_memstats_stack_inuse_bytes")
}

// forged returns a request of 8 KB with a signature that is not ours.
func forged() string {
	body := strings.Repeat("x", 8<<10)
	return fmt.Sprintf("POST /webhooks HTTP/1.1\r\nHost: crmsync\r\nsvix-id: msg_forged\r\nsvix-timestamp: %d\r\nsvix-signature: v1,%s=\r\nContent-Length: %d\r\n\r\n%s",
		time.Now().Unix(), strings.Repeat("A", 43), len(body), body)
}

// attackers open connections and keep them.
type attackers struct {
	t     *testing.T
	addr  string
	mu    sync.Mutex
	conns []net.Conn
	wrong atomic.Int32 // answers other than 401
}

// attack opens n connections. Each sends a forged request; every other one sends
// half of another and stalls.
func (a *attackers) attack(n int) {
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range numbers {
				a.open(i)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
}

func (a *attackers) open(i int) {
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(a.t.Context(), "tcp", a.addr)
	if err != nil {
		a.t.Errorf("connection %d: %v", i, err)
		return
	}
	a.mu.Lock()
	a.conns = append(a.conns, conn)
	a.mu.Unlock()
	request := forged()
	if _, err := io.WriteString(conn, request); err != nil {
		a.t.Errorf("connection %d: %v", i, err)
		return
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusUnauthorized {
		a.wrong.Add(1)
	}
	if i%2 == 0 {
		_, _ = io.WriteString(conn, request[:len(request)/2])
	}
}

func (a *attackers) leave() {
	for _, conn := range a.conns {
		_ = conn.Close()
	}
}

// connectionsAllowed is how many connections the system lets a process have.
func connectionsAllowed(t *testing.T) int {
	t.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil { // package os has raised it to the hard limit
		t.Fatal(err)
	}
	return int(min(files.Cur, 1<<20)) - 500
}

// Bounds of the flood. A sender gives up after 15 s.
const (
	goodWithin    = 5 * time.Second
	perConnection = 48 << 10 // of memory: goroutine, buffers, a body of 8 KB
)

// TestEndToEnd_Flood holds thousands of connections of a forger open, half of them
// in the middle of a request. Good senders are served meanwhile, memory is bounded
// by the number of connections, and nothing is left when they are gone.
func TestEndToEnd_Flood(t *testing.T) {
	connections := min(*flood, connectionsAllowed(t))
	if connections < min(*flood, 2000) {
		t.Fatalf("the system allows only %d connections: raise ulimit -n", connections)
	}
	_, url := newCRM(t)
	admin := freeAddr(t)
	p := newConnector(t, url, "CRMSYNC_ADMIN_ADDR="+admin)
	p.start()
	good := newStream(400).shuffled()
	p.sendAll(good[:100])
	p.settled(time.Minute)
	goroutines, memory := metric(t, admin, "go_goroutines"), inUse(t, admin)

	a := &attackers{t: t, addr: p.addr}
	defer a.leave()
	start, attacked := time.Now(), make(chan struct{})
	go func() { defer close(attacked); a.attack(connections) }()
	slowest := p.sendThrough(good[100:], attacked)
	t.Logf("%d connections in %s, the slowest good answer took %s", connections, time.Since(start), slowest)
	if n := a.wrong.Load(); n > 0 {
		t.Errorf("%d forged requests were not answered with 401", n)
	}
	peak := inUse(t, admin)
	t.Logf("memory in use: %.0f MB before, %.0f MB with all connections, %.1f KB each", memory/1e6, peak/1e6, (peak-memory)/float64(connections)/1024)
	if bound := 2*memory + float64(connections)*perConnection; peak > bound {
		t.Errorf("%.0f MB in use with %d connections, bound %.0f MB", peak/1e6, connections, bound/1e6)
	}

	a.leave()
	p.eventually("goroutines return", 20*time.Second, func() bool { return metric(t, admin, "go_goroutines") <= goroutines+20 })
	waste := delivery{id: "msg_waste", body: strings.Repeat("x", 4<<20), secret: "whsec_" + strings.Repeat("QUFB", 8), family: "svix"}
	p.eventually("memory returns", 30*time.Second, func() bool {
		p.post(http.DefaultClient, waste) // what is garbage is found when there is more of it
		return inUse(t, admin) <= 2*memory+32<<20
	})
	if status := p.settled(time.Minute); !status.Balanced || status.Dead > 0 {
		t.Errorf("status %+v", status)
	}
	p.stop()
}

// A forger who takes every file descriptor keeps others from connecting, not from
// being served: who is connected still is, and all are as soon as he is gone.
func TestEndToEnd_NoFilesLeft(t *testing.T) {
	t.Parallel() // it waits more than it works
	crm, url := newCRM(t)
	p := newConnector(t, url)
	p.where = func(line []string) []string {
		return append([]string{"sh", "-c", `ulimit -n 100 && exec "$@"`, "sh"}, line...)
	}
	p.start()
	s := newStream(60)
	good := s.shuffled()
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxConnsPerHost: 1}}
	p.accepted(client, good[0])
	a := &attackers{t: t, addr: p.addr}
	defer a.leave()
	for range 150 { // more than 100 wait in the queue of the kernel
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		a.conns = append(a.conns, conn)
		_, _ = io.WriteString(conn, forged()[:200])
	}
	for _, d := range good[1:30] {
		p.accepted(client, d)
	}
	a.leave()
	p.sendAll(good[30:])
	status := p.settled(time.Minute)
	p.stop()
	compare(t, dump(crm), s.want)
	if !status.Balanced || status.Dead > 0 || status.Received != len(s.bodies) {
		t.Errorf("status %+v", status)
	}
}

// accepted sends a delivery that must be accepted at once.
func (p *connectorProcess) accepted(client *http.Client, d delivery) {
	p.t.Helper()
	start := time.Now()
	if code := p.post(client, d); code != http.StatusNoContent || time.Since(start) > goodWithin {
		p.t.Errorf("a good delivery is answered with %d after %s", code, time.Since(start))
	}
}

// sendThrough posts deliveries one by one until done is closed and all are sent,
// each of which must be accepted at once. It returns how long the slowest took.
func (p *connectorProcess) sendThrough(deliveries []delivery, done <-chan struct{}) (slowest time.Duration) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}} // each has to get in
	for i := 0; ; i++ {
		start := time.Now()
		p.accepted(client, deliveries[i%len(deliveries)])
		slowest = max(slowest, time.Since(start))
		select {
		case <-done:
			if i >= len(deliveries) {
				return slowest
			}
		default:
		}
	}
}

// markup is what must never reach a browser as it is.
const markup = `</p><script>alert(1)</script><img src=x onerror=alert(2)>"'&`

// hostileEvents put markup and control characters into every text.
func hostileEvents() []delivery {
	m, now := mustJSON(markup), time.Now().UTC().Format(time.RFC3339)
	control := mustJSON("\x1b[2J\x1b]0;x\a\x00\u202e" + markup)
	user := fmt.Sprintf(`{"id":"u<b>","orgId":"o1","email":"x@sales.example","name":%s,"role":%s,"status":%s}`, m, control, m)
	var out []delivery
	for i, event := range []string{
		fmt.Sprintf(`{"id":"e0<i>","type":"org.updated","timestamp":%q,"payload":{"org":{"id":"o1","name":%s,"status":%s}}}`, now, m, m),
		fmt.Sprintf(`{"id":"e1","type":"user.created","timestamp":%q,"payload":{"user":%s}}`, now, user),
		fmt.Sprintf(`{"id":"e2","type":"call.completed","timestamp":%q,"payload":{"call":{"id":"c1","orgId":"o1","title":%s,"createdAt":%q,"user":%s,
			"analysis":[{"analysisType":%s,"score":7,"summary":%s,"products":[%s],"actionItems":[%s]}],"transcript":[{"speakerName":%s,"prospectText":%s}]}}}`,
			now, m, now, user, m, m, m, m, m, m),
		fmt.Sprintf(`{"id":"e3","type":%s,"timestamp":%q,"payload":{}}`, m, now),
	} {
		out = append(out, delivery{id: fmt.Sprint("msg_", i), body: event, secret: endToEndSecrets[0], family: "svix"})
	}
	return out
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Where the CRM shows HTML, what people said arrives escaped; where it shows
// text, it arrives as said. What we serve and print holds no markup and no
// command for a terminal.
func TestEndToEnd_MarkupArrivesEscaped(t *testing.T) {
	t.Parallel() // it waits more than it works
	crm, url := newCRM(t)
	admin := freeAddr(t)
	p := newConnector(t, url, "CRMSYNC_ADMIN_ADDR="+admin, "CRMSYNC_MAP_ACTIVITY_crmsync_transcript=transcriptHTML(call)")
	p.start()
	p.sendAll(hostileEvents())
	if status := p.settled(time.Minute); status.Applied+status.Unchanged != 3 || status.Skipped != 1 { // the call may say first what the user's event says
		t.Fatalf("status %+v\n%s\n%s", status, p.mustRun("events"), p.log)
	}
	call, contact := crm.Records("calls")[0].Properties, crm.Records("contacts")[0].Properties
	for _, name := range []string{"hs_call_body", "crmsync_transcript"} {
		if v := call[name]; strings.Contains(v, "<script") || strings.Contains(v, "<img") || !strings.Contains(v, "&lt;script&gt;") {
			t.Errorf("%s is %q", name, v)
		}
	}
	if call["hs_call_title"] != markup || contact["firstname"]+" "+contact["lastname"] != markup {
		t.Errorf("texts were changed: %q, %q %q", call["hs_call_title"], contact["firstname"], contact["lastname"])
	}
	for _, path := range []string{"/", "/api/v1/status", "/api/v1/events", "/api/v1/events/e2", "/api/v1/events/%3Cscript%3E", "/api/v1/objects", "/api/v1/events?status=%3Cscript%3E", "/%3Cscript%3E"} {
		p.checkPage("http://" + admin + path)
	}
	for _, path := range []string{"/%3Cscript%3E", "/webhooks?%3Cscript%3E"} {
		p.checkPage("http://" + p.addr + path)
	}
	for _, line := range []string{"events", "objects", "explain e1", "explain e2", "preview --last 4", "status"} {
		_, out := p.run(strings.Fields(line)...)
		if i := strings.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' || r == 0x7f }); i >= 0 {
			t.Errorf("%s prints %q", line, out[max(0, i-40):min(len(out), i+40)])
		}
	}
	p.stop()
}

// checkPage fails when a browser could take a part of an answer for markup.
func (p *connectorProcess) checkPage(url string) {
	p.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if i := bytes.IndexByte(body, '<'); i >= 0 {
		p.t.Errorf("%s: %s", url, body[i:min(len(body), i+80)])
	}
	if len(body) > 0 && resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		p.t.Errorf("%s: the browser may guess what %q is", url, resp.Header.Get("Content-Type"))
	}
}
