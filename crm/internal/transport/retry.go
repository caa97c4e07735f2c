package transport

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
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
	anonymous  bool
	blips      int       // after which we sent again
	failures   int       // of tokens, when the call began
	token      string    // of the attempt under way, "" without Issue
	renewed    bool      // a token was refused, and we sent again
	started    time.Time // of the attempt under way
}

func (c *Client) newAttempts(r Request) *attempts {
	a := &attempts{client: c, op: r.Op, repeatable: r.Repeatable, anonymous: r.Anonymous}
	if c.tokens != nil {
		a.failures = c.tokens.failed()
	}
	return a
}

func (a *attempts) retrier() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   a.client.http,
		RetryMax:     maxRetries + 1, // check counts; a refused token comes on top
		CheckRetry:   a.check,
		Backoff:      backoff,
		PrepareRetry: a.prepare,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // keeps the last answer
		Logger:       nil,                                   // its messages hold whole URLs
	}
}

// prepare authorizes the request and waits for permission to send it.
func (a *attempts) prepare(r *http.Request) error {
	// The connection of the last attempt may still be reading the old header.
	r.Header = r.Header.Clone()
	if err := a.authorize(r); err != nil {
		return err
	}
	if err := a.client.limiter.wait(r.Context()); err != nil {
		return err
	}
	a.started = time.Now()
	return nil
}

func (a *attempts) authorize(r *http.Request) error {
	switch c := a.client; {
	case a.anonymous:
		return nil
	case c.tokens != nil:
		token, err := c.tokens.get(r.Context(), a.failures)
		if err != nil {
			return err
		}
		a.token = token
		return Bearer(token)(r.Context(), r)
	case c.authorize != nil:
		return c.authorize(r.Context(), r)
	}
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
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // go-retryablehttp would drop the answer
	}
	if a.refusedToken(status) {
		a.renewed = true
		a.client.tokens.forget(a.token)
		return true, nil
	}
	if !a.repeatable || a.blips == maxRetries {
		return false, nil
	}
	a.blips++
	if err != nil {
		return isBlip(err), nil
	}
	return blip(status) && retryAfter(resp.Header, time.Now()) <= shortWait, nil
}

// refusedToken reports whether a new access token may help. Since the request
// was refused because of the old one, it had no effect: any may be repeated.
func (a *attempts) refusedToken(status int) bool {
	return status == http.StatusUnauthorized && a.token != "" && !a.renewed
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

// backoff is exponential with full jitter. A short Retry-After is respected. A
// new access token needs no pause.
func backoff(_, _ time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil && resp.StatusCode == http.StatusUnauthorized {
		return 0
	}
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
