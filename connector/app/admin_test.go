package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func testAdmin(token string) http.Handler {
	local := localHandler(testAPI(&fakeLedger{}).handler(), func(context.Context) error { return nil })
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "metrics") })
	return adminHandler(local, metrics, token)
}

func TestAdmin_Token(t *testing.T) {
	h := testAdmin("s3cret token")
	for header, want := range map[string]int{
		"":                       http.StatusUnauthorized,
		"Bearer":                 http.StatusUnauthorized,
		"Bearer wrong":           http.StatusUnauthorized,
		"Basic s3cret token":     http.StatusUnauthorized,
		"Bearer s3cret tokenx":   http.StatusUnauthorized,
		"Bearer s3cret token":    http.StatusOK,
		"bearer   s3cret token ": http.StatusOK,
	} {
		for _, path := range []string{"/api/v1/status", "/metrics", "/healthz", "/readyz"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Authorization", header)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s with %q: answered %d, want %d", path, header, w.Code, want)
			}
			if strings.Contains(w.Body.String(), "s3cret") {
				t.Errorf("%s shows the token: %s", path, w.Body)
			}
		}
	}
}

func TestAdmin_CrossSite(t *testing.T) {
	const replay = "/api/v1/replay"
	tests := []struct {
		name, method, path string
		header             map[string]string
		refused            bool
	}{
		{"curl", "POST", replay, nil, false},
		{"our own page", "POST", replay, map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
		{"form on another site", "POST", replay, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, true},
		{"sibling domain", "POST", replay, map[string]string{"Sec-Fetch-Site": "same-site"}, true},
		{"old browser, other origin", "POST", replay, map[string]string{"Origin": "https://evil.example"}, true},
		{"script of another site", "GET", "/api/v1/status", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, true},
		{"old browser, other origin reads", "GET", "/api/v1/status", map[string]string{"Origin": "https://evil.example"}, true},
		{"sandboxed frame reads", "GET", "/api/v1/status", map[string]string{"Origin": "null"}, true},
		{"other port reads", "GET", "/api/v1/status", map[string]string{"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, true},
		{"old browser, our own page reads", "GET", "/api/v1/status", map[string]string{"Origin": "http://LOCALHOST:8081"}, false},
		{"our own page behind a proxy reads", "GET", "/api/v1/status", map[string]string{"Origin": "https://admin.example", "Sec-Fetch-Site": "same-origin"}, false},
		{"link on another site", "GET", "/api/v1/status", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(`{"status":"dead"}`))
		r.Host = "localhost:8081"
		for name, value := range tt.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		testAdmin("").ServeHTTP(w, r)
		if refused := w.Code == http.StatusForbidden; refused != tt.refused {
			t.Errorf("%s: answered %d", tt.name, w.Code)
		}
	}
}

func TestAdmin_WithoutTokenKnowsItsOwnHostsOnly(t *testing.T) {
	for host, want := range map[string]int{
		"localhost:8081":    http.StatusOK,
		"127.0.0.1:8081":    http.StatusOK,
		"[::1]:8081":        http.StatusOK,
		"LOCALHOST":         http.StatusOK,
		"rebound.example":   http.StatusForbidden,
		"localhost.evil:80": http.StatusForbidden,
		"":                  http.StatusForbidden,
	} {
		r := httptest.NewRequest("GET", "/api/v1/status", nil)
		r.Host = host
		w := httptest.NewRecorder()
		testAdmin("").ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: answered %d, want %d", host, w.Code, want)
		}
	}
}

func TestReadyz_GivesTheReason(t *testing.T) {
	h := localHandler(http.NotFoundHandler(), func(context.Context) error { return errors.New("disk full") })
	w := ask(t, h, "GET", "/readyz", "")
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: disk full\n" {
		t.Errorf("answered %d %q", w.Code, w.Body)
	}
	if w := ask(t, h, "GET", "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("healthz answered %d", w.Code)
	}
}
