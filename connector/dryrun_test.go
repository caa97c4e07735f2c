package connector

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
	"crmsync/state"
)

// A dry run accepts, maps, plans and reads; the events wait, and are delivered
// once it is switched off.
func TestDryRun_WritesNothingAndSaysWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) { o.DryRun = true })
		stop := w.start()
		w.inOrder(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"), callEvent("e2", "c1", "u1", 2, "Call"))
		time.Sleep(5 * time.Second)
		w.accept(userEvent("e3", "updated", "u1", 3, "Jonas B", "j@sales.example"), `{"type":"call.completed"}`)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		w.want()
		want := &DryRun{
			Events:   4,
			Statuses: map[state.Status]int{state.Applied: 3, state.Dead: 1},
			Actions:  map[string]int{"created": 2, "stale": 1, "updated": 1},
			Links:    1, Requests: 4,
		}
		if diff := cmp.Diff(want, w.d.DryRun()); diff != "" {
			t.Errorf("sum: %s", diff)
		}
		if s := w.stats(); s.Counts[state.Pending] != 4 || s.Binding != nil {
			t.Errorf("stats %+v", s)
		}
		for _, request := range w.crm.requests {
			if !reads(request) {
				t.Errorf("sent %s", request)
			}
		}
		w.restart(nil)
		w.settle()
		if s := w.stats(); s.Counts[state.Pending] != 0 || s.Counts[state.Applied] != 2 || s.Counts[state.Stale] != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// An outage in a dry run is shown like any other, and what it hid is played
// when the CRM is back: each event once.
func TestDryRun_OutlivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) { o.DryRun = true })
		down := true
		w.crm.before = func(string, []string) error {
			w.crm.mu.Lock()
			defer w.crm.mu.Unlock()
			if down {
				return &crm.Error{Kind: crm.Unauthorized, Status: 401, Message: "expired"}
			}
			return nil
		}
		stop := w.start()
		for i := range 5 {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), i, "Name", fmt.Sprintf("u%d@sales.example", i)))
		}
		time.Sleep(time.Minute)
		if s := w.d.CRMState(); s.State != StatePaused {
			t.Errorf("state %+v", s)
		}
		w.crm.mu.Lock()
		down = false
		w.crm.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		stop()
		if got := w.d.DryRun(); got.Events != 5 || got.Actions["created"] != 5 {
			t.Errorf("sum %+v", got)
		}
		if s := w.d.CRMState(); s.State != StateOK {
			t.Errorf("state %+v", s)
		}
		w.want()
	})
}

// A pause by hand ends with the request that is under way, outlives a restart,
// and asks the CRM for nothing.
func TestPause_StopsWritingUntilResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.maxBatch = 2
		reached, release := make(chan struct{}), make(chan struct{})
		w.crm.before = func(op string, _ []string) error {
			if op == "upsert contact" && w.crm.count(op) == 1 {
				close(reached)
				<-release
			}
			return nil
		}
		for i := range 6 {
			w.accept(userEvent(fmt.Sprintf("e%d", i), "created", fmt.Sprintf("u%d", i), i, "Name", fmt.Sprintf("u%d@sales.example", i)))
		}
		stop := w.start()
		<-reached
		paused := make(chan error)
		go func() { paused <- w.d.Pause(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-paused:
			t.Fatalf("paused while a request is under way: %v", err)
		default:
		}
		close(release)
		if err := <-paused; err != nil {
			t.Fatal(err)
		}
		sent := w.crm.total()
		if s := w.stats(); s.Counts[state.Applied] != 2 || s.Counts[state.Pending] != 4 {
			t.Errorf("stats %+v", s)
		}
		w.accept(userEvent("e9", "created", "u9", 9, "Name", "u9@sales.example"))
		time.Sleep(time.Hour)
		if s := w.d.CRMState(); s.State != StatePaused || w.crm.total() != sent {
			t.Errorf("state %+v, %d requests more", s, w.crm.total()-sent)
		}
		stop()
		w.restart(nil)
		stop = w.start()
		time.Sleep(time.Hour)
		if s := w.d.CRMState(); s.State != StatePaused || w.crm.total() != sent {
			t.Errorf("after a restart: state %+v, %d requests more", s, w.crm.total()-sent)
		}
		if err := w.d.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		if s := w.stats(); s.Counts[state.Applied] != 7 || w.d.CRMState().State != StateOK {
			t.Errorf("stats %+v, %+v", s, w.d.CRMState())
		}
	})
}

// Pausing again keeps the time of the first pause.
func TestPause_KeepsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		if err := w.d.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := w.d.CRMState().Reason
		time.Sleep(time.Hour)
		if err := w.d.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.d.CRMState().Reason; got != first {
			t.Errorf("%s, was %s", got, first)
		}
	})
}

// While an object is paused the CRM is asked when its pause has run out, and not
// each second.
func TestDryRun_DoesNotPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.dropField(true)
		w.restart(func(o *DispatcherOptions) { o.DryRun = true })
		w.accept(users("u", 5)...)
		w.accept(orgEvent("o1", "updated", "o1", 1, "Org"))
		stop := w.start()
		defer stop()
		time.Sleep(time.Hour)
		if got := w.crm.count("preview company"); got > 20 {
			t.Errorf("%d previews in an hour", got)
		}
		w.crm.dropField(false)
		time.Sleep(2 * pauseMax)
		if got := w.d.DryRun().Events; got != 6 {
			t.Errorf("%d events were summed up after the mend", got)
		}
	})
}
