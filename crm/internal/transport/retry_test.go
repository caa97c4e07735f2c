package transport

import (
	"net/http"
	"testing"
	"time"

	"crmsync/crm"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 18, 15, 42, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"2":                             2 * time.Second,
		" 2 ":                           2 * time.Second,
		"0.5":                           500 * time.Millisecond,
		"-1":                            0,
		"3600":                          time.Hour,
		"484289999999999999999999":      24 * time.Hour,
		"1e999":                         24 * time.Hour,
		"NaN":                           0,
		"soon":                          0,
		"Wed, 18 Nov 2026 15:43:00 GMT": time.Minute,
		"Wed, 18 Nov 2026 15:41:00 GMT": 0,
		"Wed, 18 Nov 2099 15:41:00 GMT": 24 * time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"1", "-0", "0x1p70", "Inf", "Wed, 18 Nov 2026 15:43:00 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := retryAfter(http.Header{"Retry-After": {value}}, time.Now()); d < 0 || d > maxRetryAfter {
			t.Errorf("retryAfter(%q) = %v", value, d)
		}
	})
}

func TestBackoff_StaysWithinThreeSeconds(t *testing.T) {
	for range 1000 {
		if sum := backoff(0, 0, 0, nil) + backoff(0, 0, 1, nil); sum < 0 || sum > maxWait {
			t.Fatalf("two waits of %v", sum)
		}
	}
}

func TestKindOf_UnknownIsUnavailable(t *testing.T) {
	want := map[int]crm.Kind{
		400: crm.Invalid, 401: crm.Unauthorized, 403: crm.Unauthorized, 404: crm.NotFound, 409: crm.Conflict,
		413: crm.Invalid, 414: crm.Invalid, 422: crm.Invalid, 423: crm.RateLimited, 429: crm.RateLimited, 477: crm.RateLimited,
	}
	for status := range 1000 {
		if got := KindOf(status); got != want[status] {
			t.Errorf("KindOf(%d) = %v, want %v", status, got, want[status])
		}
	}
}
