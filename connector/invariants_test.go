package connector

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// -seeds runs more histories than a usual run has time for.
var seeds = flag.Uint64("seeds", 40, "histories to run through faults")

// forgetfulStore loses commits of rounds, as a process does that is killed
// between a write to the CRM and its settlement.
type forgetfulStore struct {
	state.Store
	lose func() bool
}

func (s *forgetfulStore) Settle(ctx context.Context, b state.Batch) error {
	if s.lose() {
		return errors.New("lost")
	}
	return s.Store.Settle(ctx, b)
}

// history is n events of a few users, organisations and calls, in the order in
// which they happened, and every value that an event gives.
func history(random *rand.Rand, n int) (bodies []string) {
	for i := range n {
		u, o := fmt.Sprintf("u%d", random.IntN(6)), fmt.Sprintf("o%d", random.IntN(3))
		verb := []string{"created", "updated", "updated", "deleted"}[random.IntN(4)]
		var body string
		switch id := fmt.Sprintf("e%d", i); random.IntN(5) {
		case 0:
			body = orgEvent(id, "updated", o, i, fmt.Sprintf("Org %d", i%3))
		case 1, 2:
			body = userEvent(id, verb, u, i, fmt.Sprintf("Name %d", i%3), fmt.Sprintf("%s.%d@sales.example", u, i%3))
		default:
			body = callEvent(id, fmt.Sprintf("c%d", random.IntN(n)), u, i, fmt.Sprintf("Call %d", i))
		}
		bodies = append(bodies, strings.ReplaceAll(body, `"o1"`, `"`+o+`"`))
	}
	return bodies
}

// chaos makes requests fail in every way until it has made left of them fail.
func chaos(random *rand.Rand, left int) func(string, []string) error {
	failures := []func() error{
		func() error { return &crm.Error{Err: errors.New("connection refused")} },
		func() error { return tookEffect{&crm.Error{Err: errors.New("connection reset")}} },
		func() error { return &crm.Error{Status: 502, Message: "<html>"} },
		func() error { return tookEffect{&crm.Error{Status: 504}} },
		func() error { return &crm.Error{Kind: crm.RateLimited, Status: 429, RetryAfter: 3 * time.Second} },
		func() error { return &crm.Error{Kind: crm.RateLimited, Status: 423} },
		func() error { return &crm.Error{Kind: crm.Unauthorized, Status: 401} },
		func() error { return &crm.Error{Kind: crm.Misconfigured, Status: 400, Field: "role"} },
	}
	return func(string, []string) error {
		if left == 0 || random.IntN(3) > 0 {
			return nil
		}
		left--
		return failures[random.IntN(len(failures))]()
	}
}

// I2, I5, I9: whatever goes wrong on the way and in whatever order the events
// come, the CRM ends as after one clean, ordered run, nothing is dead, every
// event has one status and the counts add up whenever one looks.
func TestI5_AnyFaultsAndAnyOrderGiveOneState(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			bodies := history(random, 60)
			clean := newWorld(t, nil)
			for _, body := range bodies {
				clean.deliver(body)
			}
			want := clean.crm.dump()
			shuffled := slices.Clone(bodies)
			random.Shuffle(len(bodies), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			synctest.Test(t, func(t *testing.T) { survive(t, random, shuffled, want) })
		})
	}
}

func survive(t *testing.T, random *rand.Rand, bodies, want []string) {
	faults := rand.New(rand.NewPCG(random.Uint64(), 2)) // for the goroutine of the dispatcher
	left := 10
	lose := func() bool {
		lost := left > 0 && faults.IntN(4) == 0
		if lost {
			left--
		}
		return lost
	}
	w := newWorld(t, nil)
	w.restart(func(o *DispatcherOptions) {
		o.Store = &forgetfulStore{w.store, lose}
		if random.IntN(2) == 0 { // nobody edits anything: the policy makes no difference
			o.Mapper = newMapper(t, policies("contact.name", mapping.IfUnchanged, "company.name", mapping.IfUnchanged, "activity.title", mapping.IfUnchanged))
		}
	})
	w.crm.before = chaos(faults, 30)
	stop := w.start()
	for _, body := range bodies {
		w.accept(body)
		if random.IntN(5) == 0 { // a duplicate, and a look in between
			w.sent--
			w.accept(body)
			time.Sleep(time.Duration(random.IntN(60)) * time.Second)
			w.stats()
		}
	}
	time.Sleep(24 * time.Hour)
	synctest.Wait()
	stop()
	w.want(want...)
	s := w.stats()
	if s.Counts[state.Pending]+s.Counts[state.Dead] != 0 || s.Received != int64(len(bodies)) {
		t.Errorf("stats %+v, %+v", s, w.d.CRMState())
	}
	if n := w.crm.total(); n > 40*len(bodies) {
		t.Errorf("%d requests for %d events", n, len(bodies))
	}
}

// I6: a dead event keeps its body and can be replayed; nothing else but the
// five statuses ends an event.
func TestI6_DeadEventsKeepTheirBody(t *testing.T) {
	w := newWorld(t, nil)
	w.crm.judge = func(crm.Record) *crm.Error { return &crm.Error{Kind: crm.Invalid, Code: "NO"} }
	w.deliver(userEvent("e1", "created", "u1", 1, "Jonas", "j@sales.example"))
	if _, err := w.store.Prune(context.Background(), state.PruneOptions{PayloadsBefore: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if ev := w.event("e1"); ev.Status != state.Dead || len(ev.Body) == 0 {
		t.Errorf("event %+v", ev)
	}
	w.crm.judge = nil
	if res, err := w.store.Requeue(context.Background(), state.RequeueOptions{IDs: []string{"e1"}}); err != nil || res.Queued != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	w.settle()
	if got := w.status("e1"); got != "applied" {
		t.Errorf("after the replay: %s", got)
	}
}

// I8: no personal value gets into the log, the ledger or the metrics, whatever
// the CRM writes into its messages.
func TestI8_NoPersonalValueLeavesTheRecord(t *testing.T) {
	marks := []string{"Marked Name", "marked@sales.example", "Marked Call"}
	kinds := []crm.Kind{crm.Unavailable, crm.RateLimited, crm.Unauthorized, crm.Misconfigured, crm.Invalid, crm.Conflict, crm.NotFound}
	for _, kind := range kinds {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole batch %t", kind, whole), func(t *testing.T) {
				reg := prometheus.NewRegistry()
				w := newWorld(t, func(o *DispatcherOptions) { o.Metrics = NewMetrics(reg) })
				leak := &crm.Error{Kind: kind, Status: 400, Code: "LEAK", Field: "name", Message: strings.Join(marks[:2], ", ") + " are bad"}
				if whole {
					w.crm.before = func(op string, _ []string) error {
						if strings.HasPrefix(op, "upsert") {
							return leak
						}
						return nil
					}
				} else {
					w.crm.judge = func(crm.Record) *crm.Error { return leak }
				}
				call := strings.Replace(callEvent("e2", "c1", "u1", 2, marks[2]), "Snap u1", marks[0], 1)
				w.deliver(userEvent("e1", "created", "u1", 1, marks[0], marks[1]), strings.Replace(call, "u1@sales.example", marks[1], 1))
				families, err := reg.Gather()
				if err != nil {
					t.Fatal(err)
				}
				texts := w.log.String() + fmt.Sprint(families) + fmt.Sprintf("%+v", w.d.CRMState())
				for _, id := range []string{"e1", "e2"} {
					ev := w.event(id)
					texts += fmt.Sprintf("%q %q %+v", ev.Error, ev.Reason, ev.Records)
				}
				for _, mark := range append(marks, "@") {
					if strings.Contains(texts, mark) {
						t.Errorf("%q is shown in %s", mark, texts)
					}
				}
			})
		}
	}
}
