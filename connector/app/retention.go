package app

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"crmsync/connector/config"
	"crmsync/state"
)

const (
	// pruneEvery is short beside every sensible retention and long beside the work.
	pruneEvery = time.Hour
	// pruneSoon is for payloads that are not to be kept at all.
	pruneSoon = 5 * time.Second
	// pruneShare limits pruning to a small part of the time, however long the
	// ledger has become.
	pruneShare = 20
)

// pruner is what pruning needs of a state.Store.
type pruner interface {
	Prune(ctx context.Context, o state.PruneOptions) (state.PruneResult, error)
}

// retained is what retention needs of a state.Store.
type retained interface {
	pruner
	Stats(ctx context.Context) (state.Stats, error)
}

// keepRetention removes what is older than the configuration keeps, at once
// and every hour, until ctx ends. Where no payloads are kept it also does so
// soon after events have ended.
func keepRetention(ctx context.Context, s retained, cfg *config.Config, log *slog.Logger) error {
	for {
		seen, start := endedIn(ctx, s), time.Now()
		gone, err := s.Prune(ctx, outdated(cfg, start))
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the service stops
		case err != nil: // a full disk, most likely: /readyz and the receiver say so
			log.Error("old events could not be removed", "error", err)
		case gone.Events > 0 || gone.Payloads > 0 && cfg.PayloadRetention > 0:
			log.Info("removed old events", "events", gone.Events, "payloads", gone.Payloads)
		}
		if !awaitPrune(ctx, s, cfg.PayloadRetention == 0, pruned{start, time.Since(start), seen}) {
			return nil
		}
	}
}

// pruned is what the last pruning found.
type pruned struct {
	start time.Time
	took  time.Duration
	ended map[state.Status]int64
}

// awaitPrune returns when it is time again: an hour after the last pruning, or
// soon after events have ended. It reports false when ctx ends.
func awaitPrune(ctx context.Context, s retained, soon bool, last pruned) bool {
	wait, due := pruneEvery, last.start.Add(pruneEvery)
	if soon {
		wait = max(pruneSoon, pruneShare*last.took)
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		if !soon || !time.Now().Before(due) || !maps.Equal(last.ended, endedIn(ctx, s)) {
			return true
		}
		wait = pruneSoon
	}
}

// endedIn counts the events that have ended, and the duplicates: one of those
// can make an event end again. It is nil when the state cannot be read.
func endedIn(ctx context.Context, s retained) map[state.Status]int64 {
	stats, err := s.Stats(ctx)
	if err != nil {
		return nil
	}
	ended := map[state.Status]int64{"duplicates": stats.Duplicates}
	for status, n := range stats.Counts {
		if status != state.Pending {
			ended[status] = n
		}
	}
	return ended
}

// outdated is what the configuration keeps no longer.
func outdated(cfg *config.Config, now time.Time) state.PruneOptions {
	return state.PruneOptions{
		EventsBefore:   now.Add(-cfg.EventRetention),
		PayloadsBefore: now.Add(-cfg.PayloadRetention),
		KeepWinners:    cfg.PayloadRetention > 0,
	}
}

// retentionInForce reads the part of the configuration that pruning needs.
func retentionInForce() (*config.Config, error) {
	return loadOnly("CRMSYNC_EVENT_RETENTION", "CRMSYNC_PAYLOAD_RETENTION")
}
