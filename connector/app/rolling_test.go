package app_test

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// successor returns another connector on the state of p, with an address of its
// own, as a container has, or with the same one.
func (p *connectorProcess) successor(addr string) *connectorProcess {
	next := &connectorProcess{t: p.t, dir: p.dir, addr: addr, url: "http://" + addr + "/webhooks", log: &lockedBuffer{}}
	next.env = append(append([]string(nil), p.env...), "CRMSYNC_LISTEN_ADDR="+addr) // the last one counts
	return next
}

func freeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// A rolling update starts the new process first. It waits for the state, the old
// one goes on, and when that is told to end nothing is lost or written twice.
func TestRollingUpdate_LosesNothing(t *testing.T) {
	for _, tt := range []struct {
		name        string
		sameAddress bool // one machine: the address is taken as well
		end         syscall.Signal
	}{
		{"two containers", false, syscall.SIGTERM},
		{"one machine", true, syscall.SIGTERM},
		{"two containers, the old one is killed", false, syscall.SIGKILL},
		{"one machine, the old one is killed", true, syscall.SIGKILL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			const events = 1500
			crm, url := newCRM(t)
			before := newConnector(t, url)
			addr := freeAddr(t)
			if tt.sameAddress {
				addr = before.addr
			}
			after := before.successor(addr)
			s := newStream(events)
			crm.SetLatency(5 * time.Millisecond)
			before.start()
			after.launch()
			after.eventually("the new process waits", 20*time.Second, func() bool { return strings.Contains(after.log.String(), "waiting until it is free") })
			if !tt.sameAddress {
				after.eventually("the new process lives", 20*time.Second, func() bool { return after.probe("/healthz") == http.StatusOK })
				if got := after.probe("/readyz"); got != http.StatusServiceUnavailable {
					t.Errorf("/readyz of the new process: %d", got)
				}
			}
			sent := make(chan struct{})
			go func() { defer close(sent); before.sendVia([]*connectorProcess{before, after}, s.shuffled()) }()
			before.eventually("400 records are written", time.Minute, func() bool { return crm.Writes() >= 400 })
			if status := after.status(); !status.Balanced || status.Received == 0 {
				t.Errorf("commands do not reach the old process: %+v", status)
			}
			if err := before.cmd.Process.Signal(tt.end); err != nil {
				t.Fatal(err)
			}
			if err := <-before.ended; err != nil && tt.end == syscall.SIGTERM {
				t.Errorf("the old process: %v\n%s", err, before.log)
			}
			after.eventually("the new process is ready", 20*time.Second, func() bool { return after.probe("/readyz") == http.StatusOK })
			<-sent
			var status statusJSON
			after.eventually("nothing is left to do", time.Minute, func() bool {
				status = after.status()
				return status.Pending+status.WaitingLinks == 0
			})
			after.stop()
			compare(t, dump(crm), s.want)
			if !status.Balanced || status.Received != events || status.Dead != 0 {
				t.Errorf("status %+v", status)
			}
			if got := strings.Count(after.mustRun("events", "--json"), `"message_id"`); got != events {
				t.Errorf("%d events in the state, want %d", got, events)
			}
			if got := strings.Count(after.log.String(), `"level":"WARN"`); got != 1 {
				t.Errorf("%d warnings of the new process, want 1\n%s", got, after.log)
			}
			after.mustRun("state", "verify")
		})
	}
}

// While it waits it ends at once, with 0, and the old process does not notice.
func TestRollingUpdate_TakenBack(t *testing.T) {
	t.Parallel() // it waits for the lock
	_, url := newCRM(t)
	before := newConnector(t, url)
	before.start()
	after := before.successor(freeAddr(t))
	after.launch()
	after.eventually("the new process answers", 20*time.Second, func() bool { return after.probe("/healthz") == http.StatusOK })
	if code, out := after.run("health"); code != 1 || !strings.Contains(out, "waiting for the state file") {
		t.Errorf("health of the new process: exit code %d\n%s", code, out)
	}
	before.mustRun("health")
	start := time.Now()
	after.stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := before.probe("/readyz"); got != http.StatusOK {
		t.Errorf("/readyz of the old process: %d", got)
	}
	before.mustRun("status")
	before.stop()
}

// What is wrong with the configuration is told at once, not after the wait.
func TestRollingUpdate_WithAMistakeDoesNotWait(t *testing.T) {
	t.Parallel() // it waits for the lock
	_, url := newCRM(t)
	before := newConnector(t, url)
	before.start()
	after := before.successor(freeAddr(t))
	after.env = append(after.env, "CRMSYNC_MAP_CONTACT_firstname=user.nane")
	if code, out := after.run("serve"); code != 2 || !strings.Contains(out, "CRMSYNC_MAP_CONTACT_firstname") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	before.stop()
}
