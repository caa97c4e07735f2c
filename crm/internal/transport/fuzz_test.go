package transport

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"crmsync/crm"
)

// Whatever status, header and body come back, the answer is complete and
// bounded, or there is a *crm.Error; requests and waits are few.
func FuzzAnswer(f *testing.F) {
	for _, status := range []int{100, 101, 200, 204, 301, 400, 429, 500, 503, 599, 999} {
		f.Add(status, "Retry-After", "99999999999999999999", "<html>busy</html>")
		f.Add(status, "Location", "https://elsewhere.example/?email=a@b.example", "\x00\xff")
	}
	f.Add(200, "Content-Length", "-1", strings.Repeat("x", 300<<10))
	f.Add(400, "Content-Encoding", "gzip", strings.Repeat("é", 200<<10))
	f.Fuzz(func(t *testing.T, status int, name, value, body string) {
		if status < 100 || status > 999 {
			status = 200
		}
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
				requests++
				return answer(status, http.Header{name: {value}}, body), nil
			})})
			start := time.Now()
			resp, err := c.Do(t.Context(), get("/x"))
			if took := time.Since(start); took > maxWait || requests > 5 {
				t.Errorf("%d requests in %s", requests, took)
			}
			switch e, ok := errors.AsType[*crm.Error](err); {
			case err == nil && (resp.Status != status || !strings.HasPrefix(body, string(resp.Body))):
				t.Errorf("status %d and %d bytes of %d %d", resp.Status, len(resp.Body), status, len(body))
			case err == nil && (resp.RetryAfter < 0 || resp.RetryAfter > maxRetryAfter || !resp.OK() && len(resp.Body) > maxErrorBody):
				t.Errorf("%d bytes, retry after %s", len(resp.Body), resp.RetryAfter)
			case err == nil && resp.OK() && len(resp.Body) != len(body):
				t.Errorf("%d bytes of %d", len(resp.Body), len(body))
			case err != nil && (!ok || e.Kind != crm.Unavailable && e.Kind != crm.RateLimited || strings.Contains(e.Error(), "@")):
				t.Errorf("error %T %v", err, err)
			}
		})
	})
}

// What is scrubbed holds neither a secret nor an address, and is short.
func FuzzScrub(f *testing.F) {
	for _, seed := range []string{"a@b.example", "x%40y", `x\u0040y`, token + token[4:], "https://x/?" + token, strings.Repeat("é", 5000), "\xff@\xfe", "pat-" + token[4:8]} {
		f.Add(seed)
	}
	s := newScrubber([]string{token})
	f.Fuzz(func(t *testing.T, text string) {
		got := s.scrub(text)
		if strings.Contains(got, "@") || strings.Contains(got, "%40") || strings.Contains(got, token) || len(got) > maxMessage {
			t.Errorf("scrub(%q) = %q", text, got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("scrub(%q) cuts a character", text)
		}
	})
}
