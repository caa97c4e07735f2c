package connector

import (
	"fmt"
	"slices"
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
