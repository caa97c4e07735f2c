package app

import (
	"context"
	"log/slog"
	"time"

	"crmsync/connector/config"
	"crmsync/state"
)

// pruneEvery is short beside every sensible retention and long beside the work.
const pruneEvery = time.Hour

// pruner is what retention needs of a state.Store.
type pruner interface {
	Prune(ctx context.Context, o state.PruneOptions) (state.PruneResult, error)
}

// keepRetention removes what is older than the configuration keeps, at once
// and every hour, until ctx ends.
func keepRetention(ctx context.Context, p pruner, cfg *config.Config, log *slog.Logger) error {
	for {
		gone, err := p.Prune(ctx, outdated(cfg, time.Now()))
		switch {
		case ctx.Err() != nil: // the service stops
		case err != nil: // a full disk, most likely: /readyz and the receiver say so
			log.Error("old events could not be removed", "error", err)
		case gone.Events+gone.Payloads > 0:
			log.Info("removed old events", "events", gone.Events, "payloads", gone.Payloads)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pruneEvery):
		}
	}
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
