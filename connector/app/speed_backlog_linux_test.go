package app_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmsync/mapping"
	"crmsync/state"
	"crmsync/state/bolt"
)

const (
	million     = 1_000_000
	maxReady    = 2 * time.Second
	maxAnon     = 200 << 20
	watchMemory = 20 * time.Second
)

// TestSpeed_Backlog kills the program while a million calls of 8 KB are queued.
// It has to be ready again soon, and delivers with little memory of its own: the
// file is mapped, and what is read of it can be dropped at any time.
func TestSpeed_Backlog(t *testing.T) {
	if !*speed {
		return // a busy machine measures itself
	}
	crm, url := newCRM(t)
	p := newConnector(t, url)
	queue(t, filepath.Join(p.dir, "crmsync.db"), million)
	crm.SetLatency(crmLatency)
	p.start() // reads what a cold start has to
	for range 3 {
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		start := time.Now()
		p.launch()
		awaitTrue(t, "the program is ready", time.Millisecond, func() bool { return p.probe("/readyz") == http.StatusOK })
		ready := time.Since(start)
		t.Logf("ready %s after a kill", ready.Round(time.Millisecond))
		if ready > maxReady {
			t.Errorf("ready after %s, want %s", ready, maxReady)
		}
	}
	most := 0
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for start := time.Now(); time.Since(start) < watchMemory; <-ticker.C {
		most = max(most, anonymous(t, p.cmd.Process.Pid))
	}
	status := p.status()
	t.Logf("%d MB of anonymous memory at most, %d events pending", most>>20, status.Pending)
	if most > maxAnon {
		t.Errorf("%d bytes of anonymous memory, want at most %d", most, maxAnon)
	}
	if status.Applied == 0 || status.Pending < million/2 || !status.Balanced {
		t.Errorf("nothing was delivered meanwhile, or nothing is queued any more: %+v", status)
	}
}

// queue accepts n calls into the state at path.
func queue(t *testing.T, path string, n int) {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bodies := newCallBodies()
	var next atomic.Int64
	var writers sync.WaitGroup
	for range 1000 { // share a commit
		writers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := store.Accept(t.Context(), bodies.message(int(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// message is the n-th call as it is stored.
func (c *callBodies) message(n int) state.Message {
	body := c.call(n, users)
	envelope := mapping.Peek(body)
	m := state.Message{
		ID: envelope.ID, MessageID: fmt.Sprintf("msg_%027x", n), Type: envelope.Type, Key: envelope.Key,
		OccurredAt: envelope.Timestamp, ReceivedAt: time.Now(), Body: body,
	}
	for _, lane := range envelope.Lanes {
		m.Lanes = append(m.Lanes, state.Lane{Object: string(lane.Object), Key: lane.Key})
	}
	return m
}

// anonymous returns how many bytes a process holds that no file backs.
func anonymous(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\nRssAnon:")
	line, _, _ := strings.Cut(after, "kB")
	kilobytes, err := strconv.Atoi(strings.TrimSpace(line))
	if !found || err != nil {
		t.Fatalf("RssAnon of process %d: %v", pid, err)
	}
	return kilobytes << 10
}
