package connector

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are what the connector counts. All label sets are closed, and every
// value that can be known in advance starts at zero, so that alerts on rates
// work from the first event.
type Metrics struct {
	webhooks   *prometheus.CounterVec
	keyMatches *prometheus.CounterVec
	delivery   deliveryMetrics
}

// NewMetrics registers the metrics with reg; with nil they are kept but not
// registered. It panics when they are registered already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	auto := promauto.With(reg)
	m := &Metrics{
		delivery: newDeliveryMetrics(reg),
		webhooks: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "crmsync_webhooks_total",
			Help: "Webhook requests by what became of them.",
		}, []string{"result"}),
		keyMatches: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "crmsync_webhook_key_matches_total",
			Help: "Verified webhooks by position of the signing key in CRMSYNC_WEBHOOK_SECRETS, from 1. " +
				"A rotated key that no longer grows can be removed.",
		}, []string{"key"}),
	}
	for _, v := range verdicts() {
		m.webhooks.WithLabelValues(v.result)
	}
	return m
}

// expectKeys lets the counters of n signing keys start at zero.
func (m *Metrics) expectKeys(n int) {
	for i := range n {
		m.keyMatches.WithLabelValues(keyLabel(i))
	}
}

// keyLabel names the key at position i without giving it away.
func keyLabel(i int) string { return strconv.Itoa(i + 1) }
