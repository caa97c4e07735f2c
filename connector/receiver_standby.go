package connector

import (
	"errors"
	"net/http"
)

// StandbyWord is what /readyz says while a connector waits for its state: it is
// how a probe tells that connector from the one that has the state.
const StandbyWord = "standby"

// errStandby is why nothing is accepted.
var errStandby = errors.New("waiting for the state")

// NewStandby returns the handler of the public listener of a connector that
// still waits for its state: probes learn that it lives and is not ready, and
// senders are asked to come again. Requests count in m as those of a Receiver.
func NewStandby(m *Metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/webhooks":
			m.webhooks.WithLabelValues(standby.result).Inc()
			standby.answer(w)
		case "/healthz":
			serveProbe(w, r, nil)
		case "/readyz":
			serveProbe(w, r, errStandby)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}
