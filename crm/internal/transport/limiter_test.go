package transport

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"crmsync/crm"
)

// Whatever the limit and however requests arrive, no window of length Per
// holds more than Max starts, and nobody waits while there is room.
func TestLimiter_NeverMoreThanMaxInAnyWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := crm.RateLimit{
			Max: rapid.IntRange(1, 6).Draw(rt, "max"),
			Per: time.Duration(rapid.IntRange(1, 20).Draw(rt, "per")) * time.Second,
		}
		gaps := rapid.SliceOfN(rapid.IntRange(0, 9000), 1, 40).Draw(rt, "gaps in ms")
		l := newLimiter(limit, crm.RateLimit{})
		now := time.Unix(1_800_000_000, 0)
		var starts []time.Time
		for _, gap := range gaps {
			now = now.Add(time.Duration(gap) * time.Millisecond)
			for {
				pause, err := l.admit(now)
				if err != nil {
					rt.Fatal(err)
				}
				if pause == 0 {
					break
				}
				if n := len(starts) - limit.Max; n < 0 || now.Sub(starts[n]) >= limit.Per {
					rt.Fatalf("paused %v with room in the window", pause)
				}
				now = now.Add(pause)
			}
			starts = append(starts, now)
			if n := len(starts) - 1 - limit.Max; n >= 0 && now.Sub(starts[n]) < limit.Per {
				rt.Fatalf("%d starts within %v", limit.Max+1, now.Sub(starts[n]))
			}
		}
	})
}

func TestLimiter_PacesConcurrentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var starts []time.Time
		c := newClient(t, Options{
			Limit: crm.RateLimit{Max: 5, Per: 10 * time.Second},
			Network: roundTripper(func(*http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				starts = append(starts, time.Now())
				return answer(200, nil, ""), nil
			}),
		})
		begin := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _, _ = c.Do(t.Context(), get("/x")) })
		}
		wg.Wait()
		for i := 5; i < len(starts); i++ {
			if starts[i].Sub(starts[i-5]) < 10*time.Second {
				t.Errorf("6 starts within %v", starts[i].Sub(starts[i-5]))
			}
		}
		if took := time.Since(begin); len(starts) != 20 || took != 30*time.Second {
			t.Errorf("%d calls took %v, want 20 in 30s", len(starts), took)
		}
	})
}

func TestLimiter_GivingUpCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(crm.RateLimit{Max: 1, Per: 10 * time.Second}, crm.RateLimit{})
		begin := time.Now()
		if err := l.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		if err := l.wait(t.Context()); err != nil || time.Since(begin) != 10*time.Second {
			t.Errorf("got %v after %v, want a start after 10s", err, time.Since(begin))
		}
	})
}

func TestLimiter_AdoptsWhatTheCRMTellsUnlessConfigured(t *testing.T) {
	usual := crm.RateLimit{Max: 100, Per: 10 * time.Second}
	told := crm.RateLimit{Max: 190, Per: 10 * time.Second}
	mine := crm.RateLimit{Max: 7, Per: time.Second}
	off := crm.RateLimit{Off: true}
	for _, test := range []struct{ configured, told, want crm.RateLimit }{
		{crm.RateLimit{}, told, told},
		{mine, told, mine},
		{off, told, off},
		{crm.RateLimit{}, crm.RateLimit{Max: -1, Per: time.Second}, usual},
		{crm.RateLimit{}, crm.RateLimit{Max: 5}, usual},
		{crm.RateLimit{}, crm.RateLimit{Max: 1, Per: 48 * time.Hour}, usual},
	} {
		l := newLimiter(test.configured, usual)
		l.set(test.told)
		if l.limit != test.want {
			t.Errorf("configured %v, told %v: paces by %v", test.configured, test.told, l.limit)
		}
	}
}

func TestHold_WaitsWhenShortAndRefusesWhenLong(t *testing.T) {
	for _, limit := range []crm.RateLimit{{}, {Off: true}} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, Options{
				Common:  crm.Common{RateLimit: limit},
				Network: roundTripper(func(*http.Request) (*http.Response, error) { return answer(200, nil, ""), nil }),
			})
			begin := time.Now()
			c.Hold(2 * time.Second)
			if _, err := c.Do(t.Context(), get("/x")); err != nil || time.Since(begin) != 2*time.Second {
				t.Errorf("a short hold: %v after %v", err, time.Since(begin))
			}

			begin = time.Now()
			c.Hold(time.Hour)
			c.Hold(time.Minute) // never shortens
			_, err := c.Do(t.Context(), get("/x"))
			e := crm.AsError(err)
			if e.Kind != crm.RateLimited || e.RetryAfter != time.Hour || e.Op != "read contacts" || time.Since(begin) != 0 {
				t.Errorf("a long hold: %+v after %v", e, time.Since(begin))
			}
			time.Sleep(time.Hour)
			if _, err := c.Do(t.Context(), get("/x")); err != nil {
				t.Errorf("after the hold: %v", err)
			}
		})
	}
}

func TestHold_IsAtMostADay(t *testing.T) {
	l := newLimiter(crm.RateLimit{}, crm.RateLimit{})
	now := time.Unix(1_800_000_000, 0)
	l.hold(now, 1<<62)
	if until := l.heldUntil.Sub(now); until != maxRetryAfter {
		t.Errorf("held for %v", until)
	}
}

// A program that is to end does not wait for the turn of a request.
func TestLimiter_NobodyWaitsWhenTheProgramEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(crm.RateLimit{Max: 1, Per: time.Hour}, crm.RateLimit{})
		end, stop := context.WithCancel(t.Context())
		ctx := crm.WithDrain(t.Context(), end)
		if err := l.wait(ctx); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error)
		go func() { waited <- l.wait(ctx) }()
		synctest.Wait()
		started := time.Now()
		stop()
		if err := <-waited; !errors.Is(err, crm.ErrDraining) || time.Since(started) > 0 {
			t.Errorf("got %v after %s", err, time.Since(started))
		}
		if err := newLimiter(crm.RateLimit{Max: 1, Per: time.Hour}, crm.RateLimit{}).wait(ctx); err != nil {
			t.Errorf("a request whose turn it is: %v", err)
		}
	})
}
