package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmsync/connector"
	"crmsync/state"
)

// scrapeTimeout is the default of Prometheus.
const scrapeTimeout = 10 * time.Second

// backlog shows what the state holds as metrics, read when they are asked for.
type backlog struct {
	stats func(context.Context) (state.Stats, error)
	crm   func() connector.CRMState
	log   *slog.Logger

	mappings map[string][]byte // see connector.Fingerprints

	events, depth, oldest, dead, waiting, behind, crmState *prometheus.Desc
}

func newBacklog(
	stats func(context.Context) (state.Stats, error), crm func() connector.CRMState, mappings map[string][]byte, log *slog.Logger,
) *backlog {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("crmsync_"+name, help, labels, nil)
	}
	return &backlog{
		stats: stats, crm: crm, log: log, mappings: mappings,
		events:   desc("events", "Events by status, for the life of the state.", "status"),
		depth:    desc("inbox_depth", "Events that are not settled yet."),
		oldest:   desc("inbox_oldest_seconds", "Age of the oldest event that is not settled yet; 0 without one."),
		dead:     desc("dead_letters", "Events that wait for a person."),
		waiting:  desc("waiting_links", "Links between records that wait for their target."),
		behind:   desc("records_behind", "Records that another mapping wrote than the one in force.", "object"),
		crmState: desc("crm_state", "1 for the state that the CRM is in.", "state"),
	}
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{b.events, b.depth, b.oldest, b.dead, b.waiting, b.behind, b.crmState} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A state that cannot be read gives
// no numbers rather than wrong ones.
func (b *backlog) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := b.crm().State
	for _, s := range []string{connector.StateOK, connector.StateRetrying, connector.StateRateLimited, connector.StatePaused} {
		in := 0.0
		if s == now {
			in = 1
		}
		gauge(b.crmState, in, s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	stats, err := b.stats(ctx)
	if err != nil {
		b.log.Warn("metrics lack the state's numbers", "error", err)
		return
	}
	for _, s := range state.Statuses() {
		gauge(b.events, float64(stats.Counts[s]), string(s))
	}
	gauge(b.depth, float64(stats.Counts[state.Pending]))
	gauge(b.dead, float64(stats.Counts[state.Dead]))
	gauge(b.waiting, float64(stats.WaitingLinks))
	behind := stats.Behind(b.mappings)
	for object := range b.mappings {
		gauge(b.behind, float64(behind[object]), object)
	}
	age := 0.0
	if !stats.OldestPending.IsZero() {
		age = max(0, time.Since(stats.OldestPending).Seconds())
	}
	gauge(b.oldest, age)
}
