package connector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// poison is what a bad record does to the request that it is in.
type poison func(w *world, bad func(key string) bool)

// Bad records and how the CRM says so.
var (
	// refusedAlone is a CRM that answers for each record.
	refusedAlone poison = func(w *world, bad func(string) bool) {
		w.crm.judge = func(r crm.Record) *crm.Error {
			if r.Object != crm.Contact || !bad(r.Key) {
				return nil
			}
			return &crm.Error{
				Kind: crm.Invalid, Status: 400, Code: "INVALID_EMAIL", Field: "email", RequestID: "req-" + r.Key,
				Message: fmt.Sprintf("%v is not an address of %v", r.Fields["email"], r.Fields["name"]),
			}
		}
	}
	// refusedWhole is one that refuses the whole batch because of one.
	refusedWhole poison = func(w *world, bad func(string) bool) {
		failWhole(w, bad, func(key string) error {
			return &crm.Error{Kind: crm.Invalid, Status: 400, Code: "INVALID_EMAIL", Field: "email", RequestID: "req-" + key, Message: key + "@sales.example is not an address"}
		})
	}
	// crashes is one that a record makes fail.
	crashes poison = func(w *world, bad func(string) bool) {
		failWhole(w, bad, func(key string) error {
			return &crm.Error{Status: 500, RequestID: "req-" + key, Message: "cannot handle " + key + "@sales.example"}
		})
	}
)

func failWhole(w *world, bad func(string) bool, fail func(key string) error) {
	w.crm.before = func(op string, keys []string) error {
		if i := slices.IndexFunc(keys, bad); op == "upsert contact" && i >= 0 {
			return fail(keys[i])
		}
		return nil
	}
}

// Good records arrive whatever stands beside them; bad ones end dead with the
// CRM's words, its field and its request id, and without a personal value. To
// find b bad ones in a batch of n costs at most 1 + 2b·log2(n) requests, and at
// most 2n.
func TestPoison_CostsOnlyTheBadRecords(t *testing.T) {
	for _, tt := range []struct {
		name     string
		poison   poison
		n, bad   int
		requests int
		reason   string
	}{
		{"one of 100, told apart", refusedAlone, 100, 1, 1, "dead/refused"},
		{"ten of 100, told apart", refusedAlone, 100, 10, 1, "dead/refused"},
		{"one of 100 refuses the batch", refusedWhole, 100, 1, 15, "dead/refused"},
		{"ten of 100 refuse the batch", refusedWhole, 100, 10, 134, "dead/refused"},
		{"99 of 100 refuse the batch", refusedWhole, 100, 99, 200, "dead/refused"},
		{"one of 100 crashes it", crashes, 100, 1, 60, "dead/gave_up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *DispatcherOptions) { o.GiveUpAfter = time.Hour })
				bad := spread(tt.n, tt.bad)
				tt.poison(w, func(key string) bool { return bad[key] })
				w.accept(users("u", tt.n)...)
				stop := w.start()
				defer stop()
				time.Sleep(time.Second)
				synctest.Wait()
				if s := w.stats(); s.Counts[state.Applied] != int64(tt.n-tt.bad) {
					t.Errorf("after a second: %+v, %+v", s, w.d.CRMState())
				}
				for i := range 240 { // others keep arriving
					w.accept(userEvent(fmt.Sprintf("f%d", i), "created", fmt.Sprintf("v%d", i), 1, "N", ""))
					time.Sleep(time.Minute)
				}
				synctest.Wait()
				wantPoisoned(t, w, bad, tt.reason)
				n := w.crm.count("upsert contact") - 240
				t.Logf("%d requests", n)
				if n > tt.requests {
					t.Errorf("%d requests, want %d at most", n, tt.requests)
				}
			})
		})
	}
}

// Several records that crash the CRM look like an outage again and again: each
// time, one that has not failed is tried first, so that they hold up nobody.
func TestPoison_SeveralThatCrashHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		bad := spread(100, 10)
		crashes(w, func(key string) bool { return bad[key] })
		w.accept(users("u", 100)...)
		stop := w.start()
		defer stop()
		const minutes = 240
		for i := range minutes {
			w.accept(userEvent(fmt.Sprintf("f%d", i), "created", fmt.Sprintf("v%d", i), 1, "N", ""))
			time.Sleep(time.Minute)
			synctest.Wait()
			if s := w.stats(); s.Counts[state.Applied] < int64(90+i) || s.Counts[state.Dead] > 0 {
				t.Fatalf("after %d minutes: %+v, %+v", i+1, s, w.d.CRMState())
			}
		}
		if n := w.crm.total(); n > 8*minutes {
			t.Errorf("%d requests in %d minutes", n, minutes)
		}
	})
}

// users are n events of as many users, e<i> of <prefix><i>.
func users(prefix string, n int) (bodies []string) {
	for i := range n {
		key := fmt.Sprintf("%s%d", prefix, i)
		bodies = append(bodies, userEvent(fmt.Sprintf("e%d", i), "created", key, 1, "Name of "+key, key+"@sales.example"))
	}
	return bodies
}

// spread marks bad of n users, evenly.
func spread(n, bad int) map[string]bool {
	marked := map[string]bool{}
	for i := range bad {
		marked[fmt.Sprintf("u%d", i*n/bad)] = true
	}
	return marked
}

// wantPoisoned checks that just the bad users' events are dead, and say why.
func wantPoisoned(t *testing.T, w *world, bad map[string]bool, reason string) {
	t.Helper()
	if s := w.stats(); s.Counts[state.Dead] != int64(len(bad)) || s.Counts[state.Pending] != 0 {
		t.Errorf("in the end: %+v, %+v", s, w.d.CRMState())
	}
	for key := range bad {
		id := "e" + strings.TrimPrefix(key, "u")
		ev := w.event(id)
		if got := w.status(id); got != reason || len(ev.Body) == 0 {
			t.Errorf("%s is %s with %d bytes of body", id, got, len(ev.Body))
			continue
		}
		if !strings.Contains(ev.Error, "req-") || !strings.Contains(ev.Error, "‹email›") || strings.Contains(ev.Error, "@") || strings.Contains(ev.Error, "Name of") {
			t.Errorf("%s says %q", id, ev.Error)
		}
		rec := ev.Records[0]
		if wantField := reason == "dead/refused"; wantField != (rec.Field == "email") || rec.RequestID == "" {
			t.Errorf("%s: record %+v", id, rec)
		}
		if w.crm.get(crm.Contact, key) != nil {
			t.Errorf("%s is in the CRM", key)
		}
	}
}

// A stretch in which every record is bad costs those records below the guard,
// and none at the guard or above it: then it is the mapping that is to blame.
func TestPoison_EveryRecordIsBad(t *testing.T) {
	for _, poison := range []poison{refusedAlone, refusedWhole} {
		for _, n := range []int{refusalGuard - 1, refusalGuard, 3 * refusalGuard} {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { allBad(t, poison, n) })
			})
		}
	}
}

func allBad(t *testing.T, poison poison, n int) {
	w := newWorld(t, nil)
	poison(w, func(key string) bool { return strings.HasPrefix(key, "u") })
	w.accept(users("u", n)...)
	stop := w.start()
	time.Sleep(time.Second)
	synctest.Wait()
	// Each of the first 200 is sent alone once, and so is every part that holds it.
	if got := w.crm.count("upsert contact"); got > 2*refusalGuard {
		t.Errorf("%d requests", got)
	}
	s := w.stats()
	if n < refusalGuard {
		w.accept(userEvent("good", "created", "v1", 1, "N", "")) // something else arrives: they were bad
		synctest.Wait()
		stop()
		wantPoisoned(t, w, spread(n, n), "dead/refused")
		return
	}
	if got := w.d.CRMState(); s.Counts[state.Dead] != 0 || got.State != StatePaused || !slices.Contains(got.PausedObjects, "contact") ||
		!strings.Contains(got.Reason, "200 records in a row") || !strings.Contains(got.Reason, "CRMSYNC_MAP_email") || strings.Contains(got.Reason, "@") {
		t.Errorf("%+v, %+v", s, got)
	}
	w.crm.mu.Lock()
	w.crm.judge, w.crm.before = nil, nil // the mapping, or the rule of the CRM, is mended
	w.crm.mu.Unlock()
	time.Sleep(time.Hour)
	synctest.Wait()
	stop()
	if s := w.stats(); s.Counts[state.Applied] != int64(n) {
		t.Errorf("an hour after it was mended: %+v, %+v", s, w.d.CRMState())
	}
}

// A guard that tripped over bad records lets the first good one through that
// comes after them.
func TestPoison_GoodRecordsEndThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.judge = func(r crm.Record) *crm.Error {
			if strings.HasPrefix(r.Key, "u") {
				return &crm.Error{Kind: crm.Invalid, Code: "NO", Field: "name"}
			}
			return nil
		}
		w.accept(users("u", refusalGuard)...)
		stop := w.start()
		defer stop()
		time.Sleep(time.Second)
		w.accept(users("good", 20)...)
		time.Sleep(3 * pauseMax)
		if got := w.stats().Counts[state.Applied]; got != 20 {
			t.Errorf("%d of 20 good records got through: %+v", got, w.d.CRMState())
		}
	})
}
