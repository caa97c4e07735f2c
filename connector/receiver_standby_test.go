package connector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestStandby_LivesAndTurnsSendersAway(t *testing.T) {
	m := NewMetrics(nil)
	h := NewStandby(m)
	for _, tt := range []struct {
		method, path string
		status       int
		again        bool // the answer says when to come again
	}{
		{"POST", "/webhooks", http.StatusServiceUnavailable, true},
		{"PUT", "/webhooks", http.StatusServiceUnavailable, true},
		{"GET", "/healthz", http.StatusOK, false},
		{"GET", "/readyz", http.StatusServiceUnavailable, false},
		{"POST", "/readyz", http.StatusMethodNotAllowed, false},
		{"GET", "/api/v1/status", http.StatusNotFound, false},
		{"GET", "/webhooks/", http.StatusNotFound, false},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader("{}")))
		if w.Code != tt.status || (w.Header().Get("Retry-After") != "") != tt.again {
			t.Errorf("%s %s: answered %d %v", tt.method, tt.path, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "state") {
			t.Errorf("%s %s gives a reason to the public: %s", tt.method, tt.path, w.Body)
		}
	}
	if got := testutil.ToFloat64(m.webhooks.WithLabelValues("standby")); got != 2 {
		t.Errorf("counted %v webhooks, want 2", got)
	}
}
