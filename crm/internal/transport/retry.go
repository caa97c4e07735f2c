package transport

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"crmsync/crm"
)

const (
	maxRetries    = 2
	firstWait     = 500 * time.Millisecond // longest wait before the first retry; the second waits up to twice as long
	shortWait     = time.Second            // a Retry-After up to this is waited for here
	maxWait       = 3 * time.Second        // a hold up to this is waited for; nothing in one call waits longer
	maxRetryAfter = 24 * time.Hour         // HubSpot asks for up to a day while it moves a portal
)

// attempts is one call of Do: the policy of go-retryablehttp for it.
type attempts struct {
	client     *Client
	op         string
	repeatable bool
	started    time.Time // of the attempt under way
}

func (a *attempts) retrier() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   a.client.http,
		RetryMax:     maxRetries,
		CheckRetry:   a.check,
		Backoff:      backoff,
		PrepareRetry: a.prepare,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // keeps the last answer
		Logger:       nil,                                   // its messages hold whole URLs
	}
}

// prepare waits for permission to send and authorizes the request.
func (a *attempts) prepare(r *http.Request) error {
	if err := a.client.limiter.wait(r.Context()); err != nil {
		return err
	}
	// The connection of the last attempt may still be reading the old header.
	r.Header = r.Header.Clone()
	if a.client.authorize != nil {
		if err := a.client.authorize(r.Context(), r); err != nil {
			return err
		}
	}
	a.started = time.Now()
	return nil
}

// check reports one finished attempt and decides whether to send again. It
// never returns an error: go-retryablehttp would drop the answer.
func (a *attempts) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	status := 0 // no answer
	if err == nil {
		status = resp.StatusCode
	}
	if a.client.observe != nil {
		a.client.observe(a.op, outcome(status), time.Since(a.started))
	}
	if !a.repeatable || ctx.Err() != nil {
		return false, nil //nolint:nilerr // go-retryablehttp would drop the answer
	}
	if err != nil {
		// A time-out has already taken long: that is no blip.
		timeout, ok := errors.AsType[net.Error](err)
		return !ok || !timeout.Timeout(), nil
	}
	return blip(status) && retryAfter(resp.Header, time.Now()) <= shortWait, nil
}

func outcome(status int) string {
	if status/100 == 2 {
		return "ok"
	}
	return KindOf(status).String()
}

// blip reports whether a status tells of a failure that often passes at once.
func blip(status int) bool {
	switch status {
	case 500, 502, 503, 504:
		return true
	}
	return status >= 520 && status <= 530 // of the content network in front of a CRM
}

// backoff is exponential with full jitter. A short Retry-After is respected.
func backoff(_, _ time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := rand.N(firstWait << min(attempt, 1))
	if resp != nil {
		wait = max(wait, min(retryAfter(resp.Header, time.Now()), shortWait))
	}
	return wait
}

// retryAfter reads the Retry-After header, in seconds or as an HTTP date,
// between 0 and 24 h.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter))
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(seconds) {
		return 0
	}
	return time.Duration(max(0, min(seconds, maxRetryAfter.Seconds())) * float64(time.Second))
}

// KindOf is what a status means when the body says nothing more. Status 0 is
// no answer. Anything that is not known to be final is Unavailable.
func KindOf(status int) crm.Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return crm.Unauthorized
	case http.StatusNotFound:
		return crm.NotFound
	case http.StatusConflict:
		return crm.Conflict
	case http.StatusLocked, http.StatusTooManyRequests, 477:
		return crm.RateLimited
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusUnprocessableEntity:
		return crm.Invalid
	}
	return crm.Unavailable
}
