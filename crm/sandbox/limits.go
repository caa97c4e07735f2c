package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rate is how many requests an account may make.
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
type Rate struct {
	Max   int           // in any window of Per; 0 is without limit
	Per   time.Duration // 0 is 10 s
	Daily int           // per day (UTC); 0 is without limit
}

// limiter counts requests. Refused ones do not count.
type limiter struct {
	mu     sync.Mutex
	rate   Rate
	starts []time.Time // within the window, oldest first
	day    time.Time
	today  int
}

// admit counts a request, announces the limits in the header and returns the
// refusal when one of them is reached.
func (l *limiter) admit(header http.Header, now time.Time) *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if day := now.UTC().Truncate(24 * time.Hour); !day.Equal(l.day) {
		l.day, l.today = day, 0
	}
	if l.rate.Daily > 0 {
		if l.today >= l.rate.Daily {
			return rateLimited("DAILY")
		}
		l.today++
		header.Set("X-HubSpot-RateLimit-Daily", strconv.Itoa(l.rate.Daily))
		header.Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(l.rate.Daily-l.today))
	}
	if l.rate.Max == 0 {
		return nil
	}
	return l.admitBurst(header, now)
}

func (l *limiter) admitBurst(header http.Header, now time.Time) *apiError {
	per := l.rate.Per
	if per == 0 {
		per = 10 * time.Second
	}
	for len(l.starts) > 0 && now.Sub(l.starts[0]) >= per {
		l.starts = l.starts[1:]
	}
	full := len(l.starts) >= l.rate.Max
	if !full {
		l.starts = append(l.starts, now)
	}
	header.Set("X-HubSpot-RateLimit-Max", strconv.Itoa(l.rate.Max))
	header.Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(l.rate.Max-len(l.starts)))
	header.Set("X-HubSpot-RateLimit-Interval-Milliseconds", strconv.FormatInt(per.Milliseconds(), 10))
	if !full {
		return nil
	}
	if per <= time.Second {
		return rateLimited("SECONDLY")
	}
	return rateLimited("TEN_SECONDLY_ROLLING")
}

func rateLimited(policy string) *apiError {
	if policy == "" {
		policy = "TEN_SECONDLY_ROLLING"
	}
	e := newError(http.StatusTooManyRequests, "RATE_LIMITS", "You have reached your "+strings.ToLower(policy)+" limit.")
	e.ErrorType, e.PolicyName = "RATE_LIMIT", policy
	return e
}
