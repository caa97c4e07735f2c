package connector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// A CRM that begins to answer with success and does nothing costs no event, not
// even one that comes alone, shortly after others arrived.
func TestFaults_SilenceOfTheCRMIsNobodysFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(userEvent("e0", "created", "u0", 1, "N", ""))
		var silent atomic.Bool
		silent.Store(true)
		w.crm.judge = func(crm.Record) *crm.Error {
			if silent.Load() {
				return &crm.Error{Status: 200, Code: crm.CodeSilentNoop}
			}
			return nil
		}
		stop := w.start()
		for i := range 3 {
			w.accept(userEvent(fmt.Sprintf("f%d", i), "created", fmt.Sprintf("v%d", i), 1, "N", ""))
			time.Sleep(10 * time.Minute)
		}
		if s := w.stats(); s.Counts[state.Pending] != 3 {
			t.Errorf("meanwhile: %+v", s)
		}
		silent.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		if s := w.stats(); s.Counts[state.Applied] != 4 {
			t.Errorf("in the end: %+v, %+v", s, w.d.CRMState())
		}
	})
}

// A CRM that falls silent twice, and takes others in between, costs no event
// either that came alone both times.
func TestFaults_SilenceTwiceMayBeAnAccident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var sent atomic.Int64
		w.crm.judge = func(r crm.Record) *crm.Error {
			if r.Key != "u1" || sent.Add(1) > 2 {
				return nil
			}
			return &crm.Error{Status: 200, Code: crm.CodeSilentNoop}
		}
		stop := w.start()
		w.accept(userEvent("e1", "created", "u1", 1, "N", ""))
		synctest.Wait()
		w.accept(userEvent("e2", "created", "u2", 1, "N", ""))
		synctest.Wait()
		if got := w.status("e2"); sent.Load() != 1 || got != "applied" {
			t.Fatalf("sent %d times, and another one is %s", sent.Load(), got)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stop()
		if got := w.status("e1"); got != "applied" {
			t.Errorf("event is %s after %d sends", got, sent.Load())
		}
	})
}

// That the CRM takes links says nothing about its taking records.
func TestFaults_LinksDoNotVouchForRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.deliver(callEvent("e1", "c1", "u1", 1, "Call")) // its link to the company waits
		w.crm.judge = func(r crm.Record) *crm.Error {
			if r.Object == crm.Activity {
				return &crm.Error{Status: 200, Code: crm.CodeSilentNoop}
			}
			return nil
		}
		stop := w.start()
		w.accept(callEvent("e2", "c2", "u1", 2, "Call"))
		synctest.Wait()
		w.accept(orgEvent("e3", "updated", "o1", 3, "Org"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stop()
		if got := w.crm.dump(); !slices.Contains(got, "activity c1 -> company o1") {
			t.Fatalf("no link was made: %v", got)
		}
		if got := w.status("e2"); got != "pending" {
			t.Errorf("event is %s", got)
		}
	})
}

// storm is what happens to a CRM while it fails: when each request came.
type storm struct {
	mu   sync.Mutex
	fail func() error // nil: the CRM works
	at   []time.Time  // of requests that failed
}

func (s *storm) before(op string, failing func(op string) bool) error {
	s.mu.Lock()
	fail := s.fail
	if fail == nil || !failing(op) {
		s.mu.Unlock()
		return nil
	}
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	return fail() // may take its time
}

func (s *storm) set(fail func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// worst returns the most requests in any minute, and those in the last hour.
func (s *storm) worst() (minute, lastHour int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := 0
	for i, at := range s.at {
		for at.Sub(s.at[from]) >= time.Minute {
			from++
		}
		minute = max(minute, i-from+1)
		if time.Since(at) < time.Hour {
			lastHour++
		}
	}
	return minute, lastHour
}

// A CRM that fails for hours sees few requests, however many events wait for it:
// a short burst, then a few a minute. When it
// works again everything arrives without help.
func TestFaults_AnOutageIsNoStorm(t *testing.T) {
	every := func(string) bool { return true }
	kinds := outageKinds()
	for _, tt := range []struct {
		kind, what       string
		failing          func(op string) bool
		minute, lastHour int
		state            string
	}{
		{"unreachable", "all", every, 40, 400, StateRetrying},
		{"reset behind the write", "all", every, 40, 400, StateRetrying},
		{"hangs", "all", every, 4, 100, StateRetrying},
		{"success without an effect", "all", every, 40, 400, StateRetrying},
		{"429 without a time", "all", every, 8, 75, StateRateLimited},
		{"429 for ten minutes", "all", every, 1, 7, StateRateLimited},
		{"token expired", "all", every, 8, 16, StatePaused},
		{"field removed", "all", every, 8, 30, StatePaused},
		{"unreachable", "links", func(op string) bool { return strings.HasPrefix(op, "link ") }, 40, 400, StateRetrying},
		{"unreachable", "owners", func(op string) bool { return op == "owners" }, 40, 400, StateRetrying},
	} {
		t.Run(tt.kind+", "+tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				random := rand.New(rand.NewPCG(1, 7))
				s := &storm{fail: func() error { return kinds[tt.kind](random) }}
				w.crm.before = func(op string, _ []string) error { return s.before(op, tt.failing) }
				outlive(t, w, s, tt.state)
				minute, lastHour := s.worst()
				t.Logf("%d requests in the worst minute, %d in the last hour, %d in all", minute, lastHour, len(s.at))
				if minute > tt.minute || lastHour > tt.lastHour {
					t.Errorf("%d requests in the worst minute, want %d at most; %d in the last hour, want %d at most", minute, tt.minute, lastHour, tt.lastHour)
				}
			})
		})
	}
}

// outlive lets three hours of an outage pass over 5,000 events, and more that
// come meanwhile.
func outlive(t *testing.T, w *world, s *storm, want string) {
	t.Helper()
	const waiting, later = 5000, 36
	bodies := make([]string, waiting)
	for i := range bodies {
		bodies[i] = callEvent(fmt.Sprintf("e%d", i), fmt.Sprintf("c%d", i), fmt.Sprintf("u%d", i%200), 1, "Call")
	}
	w.accept(bodies...)
	stop := w.start()
	for i := range later {
		time.Sleep(5 * time.Minute)
		w.accept(callEvent(fmt.Sprintf("f%d", i), fmt.Sprintf("d%d", i), fmt.Sprintf("v%d", i), 1, "Call"))
	}
	time.Sleep(time.Second)
	synctest.Wait()
	if got := w.d.CRMState(); got.State != want || got.Reason == "" {
		t.Errorf("meanwhile: %+v, want %s", got, want)
	}
	if stats := w.stats(); stats.Counts[state.Dead] > 0 {
		t.Errorf("meanwhile: %+v", stats)
	}
	s.set(nil)
	time.Sleep(15 * time.Minute)
	synctest.Wait()
	stop()
	if stats := w.stats(); stats.Counts[state.Applied] != waiting+later {
		t.Errorf("a quarter of an hour after the outage: %+v, %+v", stats, w.d.CRMState())
	}
}
