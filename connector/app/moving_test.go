package app_test

import (
	"strings"
	"testing"
	"time"
)

// A state that moves to another account, as the README tells it step by step,
// brings everything there: records, links and deletions.
func TestRebind_BringsEverythingToAnotherAccount(t *testing.T) {
	t.Parallel() // it waits more than it works
	const events = 600
	_, url := newCRM(t)
	p := newConnector(t, url)
	s := newStream(events)
	deliveries := s.shuffled()
	p.start()
	p.sendAll(deliveries[:len(deliveries)*2/3])
	p.settled(time.Minute)
	p.stop()

	other, otherURL := newCRM(t)
	p.env = append(p.env, "CRMSYNC_HUBSPOT_BASE_URL="+otherURL) // the last one counts
	if code, out := p.run("state", "rebind"); code != 1 || !strings.Contains(out, "Nothing was done") {
		t.Fatalf("rebind without --yes: exit code %d\n%s", code, out)
	}
	if out := p.mustRun("state", "rebind", "--yes"); !strings.Contains(out, "crmsync resync") {
		t.Errorf("rebind does not say how to go on:\n%s", out)
	}
	p.mustRun("setup")
	p.mustRun("check")
	p.start()
	p.mustRun("resync")
	p.sendAll(deliveries[len(deliveries)*2/3:])
	p.eventually("nothing is left to do", time.Minute, func() bool {
		status := p.status()
		return status.Pending+status.WaitingLinks == 0
	})
	status := p.status()
	p.stop()
	compare(t, dump(other), s.want)
	if !status.Balanced || status.Received != events || status.Dead != 0 {
		t.Errorf("status %+v", status)
	}
	p.mustRun("state", "verify")
}
