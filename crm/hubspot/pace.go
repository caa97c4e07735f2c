package hubspot

import (
	"context"
	"sync"
	"time"

	"crmsync/crm"
)

// How writes go on to an object that was found locked by too many at once.
const (
	lockSpacing = 2 * time.Second
	lockMemory  = 10 * time.Minute // since the last time
)

// pacer leaves lockSpacing between the batches that write an object, for
// lockMemory after a 423. Objects that were never locked do not wait. The zero
// value is ready to use.
type pacer struct {
	mu    sync.Mutex
	locks map[crm.Object]*lock
}

// lock is what is known about an object that was locked.
type lock struct {
	until time.Time // when spacing ends
	next  time.Time // when the next batch may start
}

// locked notes a 423 at now; object is "" when the request wrote none.
func (p *pacer) locked(object crm.Object, now time.Time) {
	if object == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.locks == nil {
		p.locks = map[crm.Object]*lock{}
	}
	p.locks[object] = &lock{until: now.Add(lockMemory), next: now.Add(lockSpacing)}
}

// wait returns when a batch to object may start, or the error of ctx.
func (p *pacer) wait(ctx context.Context, object crm.Object) error {
	for {
		pause := p.admit(object, time.Now())
		if pause <= 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// admit records a start at now, or says how long to wait before asking again.
// Nothing is reserved: whoever gives up waiting costs the others no time.
func (p *pacer) admit(object crm.Object, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.locks[object]
	switch {
	case l == nil:
		return 0
	case !now.Before(l.until):
		delete(p.locks, object)
		return 0
	case now.Before(l.next):
		return l.next.Sub(now)
	}
	l.next = now.Add(lockSpacing)
	return 0
}
