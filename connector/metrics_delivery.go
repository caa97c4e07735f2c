package connector

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"crmsync/crm"
	"crmsync/mapping"
)

// filterLabel stands for the object where a filter's expression failed.
const filterLabel = "filter"

// deliveryMetrics count what goes to the CRM.
type deliveryMetrics struct {
	deliveries *prometheus.CounterVec
	requests   *prometheus.CounterVec
	seconds    prometheus.Histogram
	fields     *prometheus.CounterVec
}

func newDeliveryMetrics(reg prometheus.Registerer) deliveryMetrics {
	auto := promauto.With(reg)
	m := deliveryMetrics{
		deliveries: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "crmsync_deliveries_total",
			Help: "Records sent to the CRM, by object and by what became of them.",
		}, []string{"object", "result"}),
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "crmsync_crm_requests_total",
			Help: "Requests to the CRM, by operation and outcome.",
		}, []string{"op", "kind"}),
		seconds: auto.NewHistogram(prometheus.HistogramOpts{
			Name:    "crmsync_crm_request_seconds",
			Help:    "Time from a request to the CRM to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
		fields: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "crmsync_fields_withheld_total",
			Help: "Fields left out because their expression failed at run time, by object.",
		}, []string{"object"}),
	}
	for _, object := range crm.Objects() {
		for _, result := range deliveryResults() {
			m.deliveries.WithLabelValues(string(object), result)
		}
		m.fields.WithLabelValues(string(object))
	}
	m.fields.WithLabelValues(filterLabel)
	return m
}

func deliveryResults() []string {
	var out []string
	for _, a := range []crm.Action{crm.Created, crm.Updated, crm.Upserted, crm.Adopted, crm.Unchanged, crm.Archived} {
		out = append(out, string(a))
	}
	for k := crm.Unavailable; k <= crm.NotFound; k++ {
		out = append(out, k.String())
	}
	return out
}

// delivered counts one record by object and result.
func (m *Metrics) delivered(object crm.Object, result string) {
	m.delivery.deliveries.WithLabelValues(string(object), result).Inc()
}

// withheld counts fields that an expression failed to give.
func (m *Metrics) withheld(fields []mapping.Withheld) {
	for _, f := range fields {
		m.delivery.fields.WithLabelValues(cmp.Or(string(f.Object), filterLabel)).Inc()
	}
}

// ObserveRequest counts one request to the CRM. It fits crm.Common.Observe.
func (m *Metrics) ObserveRequest(op, outcome string, d time.Duration) {
	m.delivery.requests.WithLabelValues(op, outcome).Inc()
	m.delivery.seconds.Observe(d.Seconds())
}
