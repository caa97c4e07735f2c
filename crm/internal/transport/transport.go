package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"crmsync/crm"
)

const (
	defaultTimeout = 30 * time.Second
	maxConnections = 16        // per CRM; more would only queue behind its rate limit
	maxBody        = 16 << 20  // of a successful answer
	maxErrorBody   = 256 << 10 // a refused batch names each of its records; messages are cut by Scrub
)

// Options of a Client.
type Options struct {
	crm.Common
	BaseURL string        // http or https, with an optional path
	Limit   crm.RateLimit // what the CRM allows; Common.RateLimit wins over it
	// Authorize adds credentials. It is called before every attempt.
	Authorize func(ctx context.Context, r *http.Request) error
	// Issue returns a new access token, instead of Authorize. It is called when
	// there is none, shortly before one ends and after one was refused. Calls do
	// not overlap and do not end with the request that needs the token. An error
	// fails every request that waits for it; an *crm.Error is passed on.
	Issue   func(ctx context.Context) (Token, error)
	Secrets []string          // never shown in a message; access tokens are added
	Network http.RoundTripper // instead of a real connection; nil in production
}

// Bearer authorizes requests with a fixed token.
func Bearer(token string) func(context.Context, *http.Request) error {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// Client talks to one CRM account. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	http      *http.Client
	authorize func(context.Context, *http.Request) error
	tokens    *tokens // nil without Issue
	userAgent string
	observe   func(op, outcome string, d time.Duration)
	limiter   *limiter
	scrubber  *scrubber
}

// New returns a Client. Its error says what is wrong with the base URL without
// quoting it.
func New(o Options) (*Client, error) {
	base, err := ParseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	network := o.Network
	if network == nil {
		network = newNetwork(o.Common)
	}
	c := &Client{
		base: base,
		http: &http.Client{
			Transport: network,
			Timeout:   cmp.Or(o.RequestTimeout, defaultTimeout),
			// A redirect would turn a POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		authorize: o.Authorize,
		userAgent: cmp.Or(o.UserAgent, "crmsync"),
		observe:   o.Observe,
		limiter:   newLimiter(o.RateLimit, o.Limit),
		scrubber:  newScrubber(o.Secrets),
	}
	if o.Issue != nil {
		c.tokens = &tokens{issue: o.Issue, hide: c.Hide}
	}
	return c, nil
}

// ParseBaseURL accepts an absolute http or https URL without user information,
// query and fragment. Its errors do not quote raw.
func ParseBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must start with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("has no host name")
	case u.User != nil:
		return nil, errors.New("must not hold a user name or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must not have a query or fragment")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

// Request is one request to the CRM.
type Request struct {
	Op         string // what we are doing, from a closed set; named in errors
	Method     string
	Path       string // below the base URL, not escaped; never holds personal values
	Query      url.Values
	Body       []byte     // JSON; nil for none
	Form       url.Values // sent instead of a Body
	Repeatable bool       // sending it twice has the effect of sending it once
	Anonymous  bool       // sent without credentials, such as to get a token
}

// Response is an answer of any status. The Body of one that is not 2xx is cut
// at 256 KiB.
type Response struct {
	Status     int
	Header     http.Header
	Body       []byte
	RetryAfter time.Duration // at most 24 h; 0 when the answer names none
}

// OK reports whether the status is 2xx.
func (r *Response) OK() bool { return r.Status/100 == 2 }

// Do sends r and returns the last answer. The error, a *crm.Error, says that
// there is no complete answer: the request may or may not have taken effect.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, c.failure(r.Op, err)
	}
	a := c.newAttempts(r)
	if err := a.prepare(req.Request); err != nil {
		return nil, c.failure(r.Op, err)
	}
	resp, err := a.retrier().Do(req) //nolint:bodyclose // read closes it
	if err != nil {
		return nil, c.failure(r.Op, err)
	}
	return c.read(r.Op, resp)
}

func (c *Client) newRequest(ctx context.Context, r Request) (*retryablehttp.Request, error) {
	u := *c.base
	u.Path += r.Path
	u.RawQuery = r.Query.Encode()
	var body any // an untyped nil: a nil []byte would be sent as an empty body
	mediaType := ""
	switch {
	case r.Form != nil:
		body, mediaType = []byte(r.Form.Encode()), "application/x-www-form-urlencoded"
	case r.Body != nil:
		body, mediaType = r.Body, "application/json"
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	return req, nil
}

func (c *Client) read(op string, resp *http.Response) (*Response, error) {
	defer func() { _ = resp.Body.Close() }()
	out := &Response{
		Status:     resp.StatusCode,
		Header:     resp.Header,
		RetryAfter: retryAfter(resp.Header, time.Now()),
	}
	switch {
	case resp.StatusCode < 200:
		// After 101 the body is a raw connection that may never end.
	case !out.OK():
		// A part of an error's text is better than none.
		out.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	default:
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
		if err != nil {
			return nil, c.failure(op, fmt.Errorf("read the answer: %w", err))
		}
		if len(body) > maxBody {
			return nil, c.failure(op, errors.New("the answer is larger than 16 MiB"))
		}
		out.Body = body
	}
	return out, nil
}

// failure says that no answer came. It drops the URL that net/http puts into
// its errors: its query may hold personal values.
func (c *Client) failure(op string, err error) *crm.Error {
	if e, ok := errors.AsType[*crm.Error](err); ok {
		named := *e
		named.Op = cmp.Or(named.Op, op)
		return &named
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &crm.Error{Kind: crm.Unavailable, Op: op, Err: &cause{text: c.Scrub(err.Error()) + hint(err), err: err}}
}

// cause shows a scrubbed text and keeps the error for errors.Is.
type cause struct {
	text string
	err  error
}

func (e *cause) Error() string { return e.text }
func (e *cause) Unwrap() error { return e.err }

// SetLimit adopts a limit that the CRM told, unless one was configured.
func (c *Client) SetLimit(limit crm.RateLimit) { c.limiter.set(limit) }

// Hold makes every request wait, or be refused, for d (at most 24 h) from now.
func (c *Client) Hold(d time.Duration) { c.limiter.hold(time.Now(), d) }

// Scrub makes a text of the CRM fit for an error: no secret, nothing like an
// e-mail address, at most 4 KiB.
func (c *Client) Scrub(s string) string { return c.scrubber.scrub(s) }

// Hide makes Scrub hide these as well: secrets that were issued while the Client
// lives. The last 16 are remembered.
func (c *Client) Hide(secrets ...string) { c.scrubber.hide(secrets...) }
