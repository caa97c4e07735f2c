package connector

import (
	"context"
	"maps"
	"sync"
	"time"

	"crmsync/state"
)

// fakeInbox keeps in memory what a Receiver hands over.
type fakeInbox struct {
	mu         sync.Mutex
	messages   []state.Message
	accepts    int
	counts     int // calls of CountRejected
	rejected   map[string]int64
	skew       time.Duration
	err        error                           // of every call
	room       int                             // size of the largest body that fits; 0 for no bound
	onAccept   func(ctx context.Context) error // runs before the commit
	outcomeFor map[string]state.Outcome        // of known message ids; else Duplicate
}

func (f *fakeInbox) Accept(ctx context.Context, m state.Message) (state.Receipt, error) {
	if f.onAccept != nil {
		if err := f.onAccept(ctx); err != nil {
			return state.Receipt{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepts++
	if err := ctx.Err(); err != nil {
		return state.Receipt{}, err
	}
	if f.err != nil {
		return state.Receipt{}, f.err
	}
	if f.room > 0 && len(m.Body) > f.room {
		return state.Receipt{}, state.ErrFull
	}
	for _, known := range f.messages {
		if known.MessageID == m.MessageID {
			outcome := max(f.outcomeFor[m.MessageID], state.Duplicate)
			return state.Receipt{Outcome: outcome, ID: m.MessageID}, nil
		}
	}
	f.messages = append(f.messages, m)
	return state.Receipt{Outcome: state.Added, ID: m.MessageID}, nil
}

func (f *fakeInbox) CountRejected(ctx context.Context, n map[string]int64, skew time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts++
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.err != nil {
		return f.err
	}
	if f.rejected == nil {
		f.rejected = map[string]int64{}
	}
	for reason, k := range n {
		f.rejected[reason] += k
	}
	if skew != 0 {
		f.skew = skew
	}
	return nil
}

func (f *fakeInbox) Ready(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeInbox) Room(_ context.Context, size int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.room > 0 && size > f.room {
		return state.ErrFull
	}
	return f.err
}

// limit sets how large a body may be that fits.
func (f *fakeInbox) limit(room int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room = room
}

func (f *fakeInbox) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// stored returns how many messages are stored.
func (f *fakeInbox) stored() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.messages)
}

// counted returns how often rejections were counted, and what it came to.
func (f *fakeInbox) counted() (calls int, rejected map[string]int64, skew time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts, maps.Clone(f.rejected), f.skew
}
