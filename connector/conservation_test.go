package connector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// auditedStore looks at the counts after every commit that can move an event.
type auditedStore struct {
	state.Store
	t testing.TB

	mu       sync.Mutex
	commits  int
	received int64 // as last seen
}

func (s *auditedStore) Accept(ctx context.Context, m state.Message) (state.Receipt, error) {
	receipt, err := s.Store.Accept(ctx, m)
	s.audit("accept")
	return receipt, err
}

func (s *auditedStore) Settle(ctx context.Context, b state.Batch) error {
	err := s.Store.Settle(ctx, b)
	s.audit("settle")
	return err
}

func (s *auditedStore) Requeue(ctx context.Context, o state.RequeueOptions) (state.RequeueResult, error) {
	res, err := s.Store.Requeue(ctx, o)
	s.audit("requeue")
	return res, err
}

// audit fails the test unless received = pending + applied + unchanged +
// skipped + stale + dead, and received never falls.
func (s *auditedStore) audit(after string) {
	s.mu.Lock() // before the look, so that looks are in order
	defer s.mu.Unlock()
	stats, err := s.Store.Stats(context.Background())
	if err != nil {
		s.t.Errorf("stats after %s: %v", after, err)
		return
	}
	s.commits++
	if !stats.Balanced() {
		s.t.Errorf("after %s, commit %d: the counts do not add up: %+v", after, s.commits, stats)
	}
	if stats.Received < s.received {
		s.t.Errorf("after %s, commit %d: %d received, and %d before", after, s.commits, stats.Received, s.received)
	}
	s.received = max(s.received, stats.Received)
}

// outage is a time in which requests go wrong in one way.
type outage struct {
	from, to time.Time
	op       string // of the requests; "" is every one
	fail     func(random *rand.Rand) error
}

// weather is a schedule of outages, one behind the other.
type weather struct {
	mu      sync.Mutex
	random  *rand.Rand
	outages []outage
	hits    int
}

func (w *weather) before(op string, _ []string) error {
	w.mu.Lock()
	now := time.Now()
	i := slices.IndexFunc(w.outages, func(o outage) bool {
		return !now.Before(o.from) && now.Before(o.to) && (o.op == "" || o.op == op)
	})
	if i < 0 {
		w.mu.Unlock()
		return nil
	}
	w.hits++
	fail := w.outages[i].fail
	random := rand.New(rand.NewPCG(w.random.Uint64(), 3))
	w.mu.Unlock() // an outage may take its time to fail
	return fail(random)
}

// always fails every request in the same way.
func always(err error) func(*rand.Rand) error {
	return func(*rand.Rand) error { return err }
}

// slowly takes d for every request before it says err.
func slowly(d time.Duration, err error) func(*rand.Rand) error {
	return func(*rand.Rand) error {
		time.Sleep(d)
		return err
	}
}

// sometimes fails one request of n.
func sometimes(n int, err error) func(*rand.Rand) error {
	return func(random *rand.Rand) error {
		if random.IntN(n) > 0 {
			return nil
		}
		return err
	}
}

// outageKinds are the ways in which a CRM lets its users down, none of them the
// fault of a record.
func outageKinds() map[string]func(*rand.Rand) error {
	refused := &crm.Error{Err: errors.New("connection refused")}
	reset := tookEffect{&crm.Error{Err: errors.New("connection reset by peer")}}
	return map[string]func(*rand.Rand) error{
		"unreachable":                always(refused),
		"flaky":                      sometimes(2, refused),
		"reset behind the write":     always(reset),
		"reset now and then":         sometimes(3, reset),
		"a page of HTML":             always(&crm.Error{Status: 502, Message: "<html>Bad Gateway</html>"}),
		"slow":                       slowly(20*time.Second, nil),
		"hangs":                      slowly(30*time.Second, &crm.Error{Err: context.DeadlineExceeded}),
		"hangs behind the write":     slowly(30*time.Second, tookEffect{&crm.Error{Err: context.DeadlineExceeded}}),
		"success without an effect":  always(&crm.Error{Status: 200, Code: crm.CodeSilentNoop}),
		"429 without a time":         always(&crm.Error{Kind: crm.RateLimited, Status: 429}),
		"429 for ten minutes":        always(&crm.Error{Kind: crm.RateLimited, Status: 429, RetryAfter: 10 * time.Minute}),
		"429 in the past":            always(&crm.Error{Kind: crm.RateLimited, Status: 429, RetryAfter: -time.Hour}),
		"locked":                     always(&crm.Error{Kind: crm.RateLimited, Status: 423, RetryAfter: 2 * time.Second}),
		"token expired":              always(&crm.Error{Kind: crm.Unauthorized, Status: 401}),
		"field removed":              always(&crm.Error{Kind: crm.Misconfigured, Status: 400, Code: "PROPERTY_DOESNT_EXIST", Field: "role"}),
		"field removed now and then": sometimes(2, &crm.Error{Kind: crm.Misconfigured, Status: 400, Field: "role"}),
	}
}

// forecast draws a schedule of outages over the next hours, and returns when
// the last one is over.
func forecast(random *rand.Rand) ([]outage, time.Time) {
	kinds := outageKinds()
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	ops := []string{"", "", "", "upsert contact", "upsert activity", "link contact company", "owners", "ping", "describe contact"}
	at := time.Now()
	var outages []outage
	for range 2 + random.IntN(5) {
		at = at.Add(time.Duration(random.IntN(120)) * time.Second)
		o := outage{from: at, op: ops[random.IntN(len(ops))], fail: kinds[names[random.IntN(len(names))]]}
		at = at.Add(time.Second << random.IntN(12)) // up to half an hour
		o.to = at
		outages = append(outages, o)
	}
	return outages, at
}

// I9: under any schedule of outages, lost commits and restarts the counts add
// up at every commit, nothing dies of it, and in the end the CRM is as after
// one clean, ordered run.
func TestI9_CountsAddUpAtEveryCommitOfAnySchedule(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			bodies := history(random, 50)
			clean := newWorld(t, nil)
			for _, body := range bodies {
				clean.deliver(body)
			}
			want := clean.crm.dump()
			synctest.Test(t, func(t *testing.T) { weatherSchedule(t, random, bodies, want) })
		})
	}
}

func weatherSchedule(t *testing.T, random *rand.Rand, bodies, want []string) {
	outages, over := forecast(random)
	sky := &weather{random: rand.New(rand.NewPCG(random.Uint64(), 5)), outages: outages}
	w := newWorld(t, nil)
	audited := &auditedStore{Store: w.store, t: t}
	w.store, w.crm.before = audited, sky.before
	w.crm.noUpsert = random.IntN(3) == 0
	lost := rand.New(rand.NewPCG(random.Uint64(), 6)) // for the goroutine of the dispatcher
	lose := func() bool { return time.Now().Before(over) && lost.IntN(10) == 0 }
	begin := func() (stop func()) {
		w.restart(func(o *DispatcherOptions) { o.Store = &forgetfulStore{audited, lose} })
		return w.start()
	}
	stop := begin()
	random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	for _, body := range bodies {
		w.accept(body)
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(300)) * time.Second)
		}
		if random.IntN(15) == 0 { // the process is replaced, whatever is under way
			stop()
			stop = begin()
		}
	}
	time.Sleep(max(0, time.Until(over)) + time.Hour)
	synctest.Wait()
	stop()
	w.want(want...)
	s := w.stats()
	if s.Counts[state.Pending]+s.Counts[state.Dead] != 0 || s.Received != int64(len(bodies)) {
		t.Errorf("an hour after the last outage: %+v, %+v", s, w.d.CRMState())
	}
	if ready, err := w.store.ReadyLinks(t.Context(), 1); err != nil || len(ready) > 0 {
		t.Errorf("a link could be made and was not: %v %v", ready, err)
	}
	if audited.commits <= len(bodies) {
		t.Errorf("%d commits looked at, and %d events", audited.commits, len(bodies))
	}
}
