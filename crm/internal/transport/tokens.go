package transport

import (
	"context"
	"sync"
	"time"
)

// tokenMargin is how long before its end a token is replaced: a request must
// not arrive after it.
const tokenMargin = 2 * time.Minute

// Token is an access token.
type Token struct {
	Value string
	Life  time.Duration // from the moment it was asked for; 0 is until it is refused
}

// tokens keeps an access token fresh. It is replaced shortly before it ends, and
// once it was refused, by one request however many wait for it.
type tokens struct {
	issue func(context.Context) (Token, error)
	hide  func(secrets ...string)

	mu       sync.Mutex // guards all below
	value    string     // "" for none
	renewAt  time.Time  // zero is never
	pending  *renewal   // under way, else nil
	failures int
	failure  error // the last one
}

// renewal is one request for a token. Its result may be read once done is closed.
type renewal struct {
	done  chan struct{}
	value string
	err   error
}

// failed counts the renewals that failed until now.
func (t *tokens) failed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

// get returns the token, after getting a new one if need be. Should that have
// failed since the caller counted the failures, it fails in the same way: those
// who were under way together do not ask one by one.
func (t *tokens) get(ctx context.Context, failures int) (string, error) {
	t.mu.Lock()
	if t.value != "" && (t.renewAt.IsZero() || time.Now().Before(t.renewAt)) {
		defer t.mu.Unlock()
		return t.value, nil
	}
	if t.failures > failures {
		defer t.mu.Unlock()
		return "", t.failure
	}
	r := t.pending
	if r == nil {
		r = &renewal{done: make(chan struct{})}
		t.pending = r
		go t.renew(context.WithoutCancel(ctx), r) // others wait for it: it must not end with this caller
	}
	t.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-r.done:
		return r.value, r.err
	}
}

func (t *tokens) renew(ctx context.Context, r *renewal) {
	asked := time.Now()
	token, err := t.issue(ctx)
	if err == nil {
		t.hide(token.Value) // before anybody can send it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = nil
	if r.value, r.err = token.Value, err; err != nil {
		t.failures++
		t.failure = err
	} else {
		t.value, t.renewAt = token.Value, renewAt(asked, token.Life)
	}
	close(r.done)
}

// renewAt is when a token of this life is replaced, that of a short one after
// half of it.
func renewAt(asked time.Time, life time.Duration) time.Time {
	if life <= 0 {
		return time.Time{}
	}
	return asked.Add(life - min(tokenMargin, life/2))
}

// forget drops a token that was refused, unless a newer one is there already.
func (t *tokens) forget(refused string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == refused {
		t.value = ""
	}
}
