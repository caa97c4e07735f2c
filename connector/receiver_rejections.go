package connector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// countEvery bounds how often rejected requests reach the disk: a flood of
	// forged ones must cost no more than that.
	countEvery = 10 * time.Second
	// countTimeout bounds one store: shutdown and status wait for it.
	countTimeout = 3 * time.Second
)

// rejections gathers rejected requests until they are stored.
type rejections struct {
	mu     sync.Mutex
	counts map[string]int64 // by result
	skew   time.Duration    // of the last request rejected for its time: how far our clock is ahead
	wake   chan struct{}    // holds a value when there may be something to store

	storing sync.Mutex // one store at a time, so that a Flush returns after all counts before it
}

func newRejections() *rejections {
	return &rejections{counts: map[string]int64{}, wake: make(chan struct{}, 1)}
}

// add counts one request.
func (j *rejections) add(result string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[result]++
	j.signal()
}

func (j *rejections) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *rejections) noteSkew(skew time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.skew = skew
}

// take empties j; a skew waits for the count of its request.
func (j *rejections) take() (counts map[string]int64, skew time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.counts) == 0 {
		return nil, 0
	}
	counts, skew = j.counts, j.skew
	j.counts, j.skew = map[string]int64{}, 0
	return counts, skew
}

// restore undoes a take; a skew seen since is the newer one.
func (j *rejections) restore(counts map[string]int64, skew time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for result, n := range counts {
		j.counts[result] += n
	}
	if j.skew == 0 {
		j.skew = skew
	}
	j.signal()
}

// Run stores the count of rejected requests, the first of a series at once and
// then at most every ten seconds, until ctx ends; the rest it stores then.
func (rc *Receiver) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
		case <-rc.rejections.wake:
		}
		err := rc.Flush(context.WithoutCancel(ctx))
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			rc.log.Warn("rejected requests could not be counted, will try again", keyError, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(countEvery):
		}
	}
}

// Flush stores the count of rejected requests now, so that what is read from
// the store next is exact.
func (rc *Receiver) Flush(ctx context.Context) error {
	rc.rejections.storing.Lock()
	defer rc.rejections.storing.Unlock()
	counts, skew := rc.rejections.take()
	if len(counts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	if err := rc.store.CountRejected(ctx, counts, skew); err != nil {
		rc.rejections.restore(counts, skew)
		return fmt.Errorf("count rejected requests: %w", err)
	}
	rc.log.Warn("webhooks rejected", rejectedAttrs(counts, skew)...)
	return nil
}

// rejectedAttrs names the reasons in a steady order.
func rejectedAttrs(counts map[string]int64, skew time.Duration) []any {
	var attrs []any
	for _, result := range slices.Sorted(maps.Keys(counts)) {
		attrs = append(attrs, slog.Int64(result, counts[result]))
	}
	if skew != 0 {
		attrs = append(attrs, slog.String("clock_ahead", skew.Round(time.Second).String()))
	}
	return attrs
}
