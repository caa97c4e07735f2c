package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/state"
)

// clockedLedger notes when it is pruned.
type clockedLedger struct {
	mu sync.Mutex
	fakeLedger
	at []time.Time
}

// set changes what the ledger answers.
func (l *clockedLedger) set(change func(*fakeLedger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.fakeLedger)
}

// times returns when it was pruned.
func (l *clockedLedger) times() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.at)
}

func (l *clockedLedger) Stats(ctx context.Context) (state.Stats, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fakeLedger.Stats(ctx)
}

func (l *clockedLedger) Prune(ctx context.Context, o state.PruneOptions) (state.PruneResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, time.Now())
	return l.fakeLedger.Prune(ctx, o)
}

// retain runs keepRetention while then goes on, in a bubble.
func retain(t *testing.T, l *clockedLedger, payloads time.Duration, then func()) {
	t.Helper()
	cfg := testConfig(t, t.TempDir())
	cfg.PayloadRetention = payloads
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- keepRetention(ctx, l, cfg, slog.New(slog.DiscardHandler)) }()
		synctest.Wait()
		then()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// after lets the time pass and everything that it brings.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRetention_PrunesEveryHour(t *testing.T) {
	l := &clockedLedger{}
	retain(t, l, time.Hour, func() {
		l.set(func(f *fakeLedger) { f.stats.Counts = map[state.Status]int64{state.Applied: 1} }) // no reason to hurry
		after(150 * time.Minute)
	})
	if len(l.times()) != 3 || l.times()[1].Sub(l.times()[0]) != time.Hour {
		t.Errorf("pruned at %v", l.times())
	}
	for _, o := range l.pruned {
		if o.EventsBefore.IsZero() || !o.PayloadsBefore.After(o.EventsBefore) || !o.KeepWinners {
			t.Errorf("got %+v", o)
		}
	}
}

// What is not to be kept goes within seconds, and an idle connector rests.
func TestRetention_OfNothing(t *testing.T) {
	l := &clockedLedger{}
	retain(t, l, 0, func() {
		after(10 * time.Minute)
		if len(l.times()) != 1 {
			t.Errorf("idle, and pruned at %v", l.times())
		}
		l.set(func(f *fakeLedger) { f.stats.Counts = map[state.Status]int64{state.Pending: 1} })
		after(10 * time.Minute)
		if len(l.times()) != 1 {
			t.Errorf("nothing ended, and pruned at %v", l.times())
		}
		for want, end := range []func(*fakeLedger){
			func(f *fakeLedger) { f.stats.Counts = map[state.Status]int64{state.Applied: 1} },
			func(f *fakeLedger) { f.stats.Duplicates++ }, // an event that had been filtered ends again
			func(f *fakeLedger) { f.err = errors.New("full") },
			func(f *fakeLedger) { f.err = nil },
		} {
			l.set(end)
			ended := time.Now()
			after(pruneSoon)
			if len(l.times()) != want+2 || l.times()[want+1].Sub(ended) > pruneSoon {
				t.Errorf("ended at %v, pruned at %v", ended, l.times())
			}
			after(10 * time.Minute)
		}
		after(time.Hour)
	})
	if want := 5 + 1; len(l.times()) != want { // and by the hour
		t.Errorf("pruned at %v, want %d times", l.times(), want)
	}
	for i, o := range l.pruned {
		if o.KeepWinners || !o.PayloadsBefore.Equal(l.times()[i]) {
			t.Errorf("got %+v", o)
		}
	}
}
