package transport

import (
	"context"
	"slices"
	"sync"
	"time"

	"crmsync/crm"
)

// limiter lets at most limit.Max requests start in any period of limit.Per,
// and none while held. It is shared by all requests of an account.
type limiter struct {
	mu        sync.Mutex
	limit     crm.RateLimit
	fixed     bool // configured: what the CRM tells is not adopted
	starts    []time.Time
	heldUntil time.Time
}

// newLimiter paces by the configured limit, else by the usual one.
func newLimiter(configured, usual crm.RateLimit) *limiter {
	if configured.Off || valid(configured) {
		return &limiter{limit: configured, fixed: true}
	}
	return &limiter{limit: usual}
}

func valid(limit crm.RateLimit) bool { return limit.Max > 0 && limit.Per > 0 }

// set adopts limit. One that makes no sense is ignored: it comes from outside.
func (l *limiter) set(limit crm.RateLimit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.fixed && valid(limit) && limit.Per <= maxRetryAfter {
		l.limit = limit
	}
}

// hold makes everybody wait until now+d. It never shortens a longer hold.
func (l *limiter) hold(now time.Time, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := now.Add(min(d, maxRetryAfter))
	if until.After(l.heldUntil) {
		l.heldUntil = until
	}
}

// wait returns when a request may start. It returns a RateLimited error at
// once when a hold lasts longer than 3 s; pacing takes as long as it takes,
// unless the program is to end.
func (l *limiter) wait(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		pause, err := l.admit(time.Now())
		if err != nil || pause == 0 {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-crm.Draining(ctx):
			timer.Stop()
			return &crm.Error{Err: crm.ErrDraining}
		case <-timer.C:
		}
	}
}

// admit records a start at now, or says how long to wait before asking again.
// Nothing is reserved: whoever gives up waiting costs the others no time.
func (l *limiter) admit(now time.Time) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.heldUntil.Sub(now); held > maxWait {
		return 0, &crm.Error{Kind: crm.RateLimited, RetryAfter: held, Message: "the CRM asked to wait"}
	} else if held > 0 {
		return held, nil
	}
	if l.limit.Off || !valid(l.limit) {
		return 0, nil
	}
	l.starts = slices.DeleteFunc(l.starts, func(t time.Time) bool { return now.Sub(t) >= l.limit.Per })
	if over := len(l.starts) - l.limit.Max; over >= 0 {
		return l.starts[over].Add(l.limit.Per).Sub(now), nil
	}
	l.starts = append(l.starts, now)
	return 0, nil
}
