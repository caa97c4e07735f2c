package app

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// A run of 200,000 takes three to seven minutes on two cores:
//
//	go test ./connector/app -run TestLongRun -longrun 200000 -v
var longRunEvents = flag.Int("longrun", 3000, "how many events TestLongRun sends")

const (
	longRunRound = 500 // events that are sent at once
	longRunCalls = 1000
	longRunUsers = 200
)

// longRun is a connector that is used for long: the records are always the same
// ones, and what has ended is removed soon.
type longRun struct {
	t      *testing.T
	v      *service
	sender *sender
	sent   int
	pruned state.PruneResult
}

// TestLongRun compares the end of a run with its middle: memory and file have
// not grown. Nothing is left of the connector after it.
func TestLongRun(t *testing.T) {
	before := runtime.NumGoroutine()
	cfg := testConfig(t, t.TempDir())
	cfg.EventRetention, cfg.PayloadRetention = 400*time.Millisecond, 200*time.Millisecond
	cfg.Common.RateLimit = crm.RateLimit{Off: true}
	l := &longRun{t: t, v: startTest(t, cfg)}
	l.connect()
	start := time.Now()
	rounds := max(4, *longRunEvents/longRunRound)
	for range rounds / 2 {
		l.round()
	}
	middle := l.measure()
	for range rounds - rounds/2 {
		l.round()
	}
	end := l.measure()
	t.Logf("%d events in %s, %d pruned; middle %+v, end %+v", l.sent, time.Since(start).Round(time.Millisecond), l.pruned.Events, middle, end)
	if end.heap > middle.heap*5/4+4<<20 {
		t.Errorf("memory grows: %d bytes in the middle, %d at the end", middle.heap, end.heap)
	}
	if end.file > middle.file*5/4+1<<20 {
		t.Errorf("the file grows: %d bytes in the middle, %d at the end", middle.file, end.file)
	}
	if end.goroutines > middle.goroutines+5 {
		t.Errorf("%d goroutines in the middle, %d at the end", middle.goroutines, end.goroutines)
	}
	l.judge()
	if err := l.v.stop(); err != nil {
		t.Error(err)
	}
	l.sender.client.CloseIdleConnections()
	l.until("its goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func (l *longRun) connect() {
	l.t.Helper()
	var err error
	if l.sender, err = newSender("http://"+l.v.public.address().String()+"/webhooks", []string{string(l.v.cfg.WebhookSecrets[0])}); err != nil {
		l.t.Fatal(err)
	}
	l.sender.client.Transport = &http.Transport{MaxIdleConnsPerHost: 32}
}

// round sends events, every tenth of them twice, waits for most of them to end,
// and removes what is old, as the connector itself does by the hour.
func (l *longRun) round() {
	l.t.Helper()
	var senders sync.WaitGroup
	for worker := range 32 {
		senders.Go(func() {
			for i := l.sent + worker; i < l.sent+longRunRound; i += 32 {
				for range 1 + (i+1)%10/9 {
					if err := l.sender.send(l.t.Context(), fmt.Sprintf("msg_%d", i), longRunEvent(i)); err != nil {
						l.t.Error(err)
					}
				}
			}
		})
	}
	senders.Wait()
	l.sent += longRunRound
	l.until("events end", func() bool { return l.stats().Counts[state.Pending] < longRunRound })
	l.prune()
}

func (l *longRun) prune() {
	l.t.Helper()
	gone, err := l.v.store.Prune(l.t.Context(), outdated(l.v.cfg, time.Now()))
	if err != nil {
		l.t.Fatal(err)
	}
	l.pruned.Events += gone.Events
}

// longRunEvent is an analysis of one of the calls, or an update of one of the
// users.
func longRunEvent(i int) []byte {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	user := fmt.Sprintf(`{"id":"user-%d","orgId":"org","email":"rep%d@sales.example","name":"Rep %d","status":"active","streak":%d}`,
		i%longRunUsers, i%longRunUsers, i, i)
	if i%5 == 0 {
		return fmt.Appendf(nil, `{"id":"evt-%d","type":"user.updated","timestamp":%q,"payload":{"user":%s}}`, i, now, user)
	}
	turns := strings.Repeat(fmt.Sprintf(`{"speakerName":"Rep","prospectText":"what was said in %d"},`, i), 30)
	return fmt.Appendf(nil, `{"id":"evt-%d","type":"call.completed","timestamp":%q,"payload":{"call":{"id":"call-%d","orgId":"org","title":"Call %d","user":%s,"transcript":[%s{}]}}}`,
		i, now, i%longRunCalls, i, user, turns)
}

func (l *longRun) stats() state.Stats {
	l.t.Helper()
	s, err := l.v.store.Stats(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// until polls what the connector does in the background.
func (l *longRun) until(what string, cond func() bool) {
	l.t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for start := time.Now(); !cond(); <-ticker.C {
		if time.Since(start) > time.Minute {
			l.t.Fatalf("waited in vain: %s; %d goroutines", what, runtime.NumGoroutine())
		}
	}
}

// footprint is what a connector at rest uses.
type footprint struct {
	heap, file int64 // bytes
	goroutines int
}

func (l *longRun) measure() footprint {
	l.t.Helper()
	l.until("all events end", func() bool { return l.stats().Counts[state.Pending] == 0 })
	runtime.GC()
	runtime.GC() // pools are emptied by the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	info, err := os.Stat(l.v.cfg.State)
	if err != nil {
		l.t.Fatal(err)
	}
	return footprint{int64(m.HeapAlloc), info.Size(), runtime.NumGoroutine()}
}

// judge looks at what has become of the events.
func (l *longRun) judge() {
	l.t.Helper()
	s := l.stats()
	if !s.Balanced() || s.Received != int64(l.sent) || s.Duplicates != int64(l.sent/10) || s.Counts[state.Dead] > 0 {
		l.t.Errorf("got %+v of %d", s, l.sent)
	}
	if findings, err := l.v.store.Verify(l.t.Context()); err != nil || len(findings) > 0 {
		l.t.Errorf("verify: %v %v", findings, err)
	}
	l.until("half of the events are pruned", func() bool { l.prune(); return l.pruned.Events >= l.sent/2 })
	server := l.v.client.(*sandboxClient).server
	calls, contacts := len(server.Records("calls")), len(server.Records("contacts"))
	if calls != longRunCalls*4/5 || contacts != longRunUsers {
		l.t.Errorf("%d calls and %d contacts in the CRM", calls, contacts)
	}
}
