package hubspot

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"crmsync/crm"
	"crmsync/crm/internal/transport"
)

// MaxBatch is the most records that HubSpot takes in one request:
// https://developers.hubspot.com/docs/api/crm/contacts
const MaxBatch = 100

const (
	// maxLinks is below the 2,000 inputs of an association write:
	// https://developers.hubspot.com/docs/api/crm/associations
	maxLinks = 1000

	emailProperty = "email"

	notHubSpot = "the answer is not what HubSpot sends"
)

// usualLimit is the burst limit of the smallest accounts; larger ones tell
// theirs in every answer:
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
var usualLimit = crm.RateLimit{Max: 100, Per: 10 * time.Second}

//go:embed preset.env
var preset string

// Preset is the default mapping, in the form of an environment file.
func Preset() string { return preset }

// Client is one HubSpot account. It is safe for concurrent use.
type Client struct {
	transport  *transport.Client
	paths      paths
	host       string // with the port unless that is the usual one
	idProperty string
	credential string // the option that decides what we may do
	token      string // empty with OAuth
	scopes     *scopes
	maxBatch   int

	// What HubSpot's answers taught.
	pacer        pacer
	noCallUpsert atomic.Bool
}

var (
	_ crm.Client            = (*Client)(nil)
	_ crm.Linker            = (*Client)(nil)
	_ crm.Previewer         = (*Client)(nil)
	_ crm.Renderer          = (*Client)(nil)
	_ crm.RecordPager       = (*Client)(nil)
	_ crm.Archiver          = (*Client)(nil)
	_ crm.OwnerFinder       = (*Client)(nil)
	_ crm.Describer         = (*Client)(nil)
	_ crm.PermissionChecker = (*Client)(nil)
	_ crm.Provisioner       = (*Client)(nil)
)

// New returns a Client, or all *crm.OptionErrors joined. It sends nothing.
func New(o Options, common crm.Common) (*Client, error) { return newClient(o, common, nil) }

func newClient(o Options, common crm.Common, network http.RoundTripper) (*Client, error) {
	if err := joined(o.Validate()); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	base, err := transport.ParseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	settings := transport.Options{
		Common:    common,
		BaseURL:   o.BaseURL,
		Limit:     usualLimit,
		Authorize: transport.Bearer(o.Token),
		Secrets:   []string{o.Token, o.ClientSecret, o.RefreshToken},
		Network:   network,
	}
	g, credential := newGrant(o), "TOKEN"
	if o.oauth() {
		credential, settings.Issue = "REFRESH_TOKEN", g.issue
	}
	t, err := transport.New(settings)
	if err != nil {
		return nil, err
	}
	g.transport = t
	return &Client{
		transport:  t,
		paths:      newPaths(o.APIVersion),
		host:       hostOf(base),
		idProperty: o.IDProperty,
		credential: credential,
		token:      o.Token,
		scopes:     g.scopes,
		maxBatch:   min(cmp.Or(common.BatchSize, MaxBatch), MaxBatch),
	}, nil
}

// Properties implements crm.Client.
func (c *Client) Properties() crm.Properties {
	p := crm.Properties{
		Name:         "hubspot",
		MaxBatch:     c.maxBatch,
		MaxLinks:     maxLinks,
		NativeUpsert: true,
		IDField:      c.idProperty,
	}
	if defaultBaseURL == "https://"+c.host {
		p.ConsoleURL = consoleURL
	}
	return p
}

// Ping reads one contact: its scope is needed for calls as well. A success
// without a list comes from somebody else, such as a proxy.
func (c *Client) Ping(ctx context.Context) error {
	const op = "check credentials"
	var answer writeAnswer
	r, err := c.do(ctx, call{
		op: op, method: http.MethodGet,
		path: c.paths.object(crm.Contact), query: url.Values{"limit": {"1"}},
	}, &answer)
	if err == nil && answer.Results == nil {
		return c.foreign(op, r)
	}
	return err
}

// foreign is the error of a success that HubSpot would not have sent.
func (c *Client) foreign(op string, r reply) *crm.Error {
	return &crm.Error{
		Kind: crm.Unavailable, Op: op, Status: r.status, Code: crm.CodeForeign, RequestID: r.requestID,
		Message: notHubSpot,
	}
}

// call is one request. Every request of this adapter may be repeated.
type call struct {
	op     string
	method string
	path   string
	query  url.Values
	body   any        // nil for none
	writes crm.Object // whose records or links it changes; "" for a read
}

// reply is what an answer says beside its body.
type reply struct {
	status    int
	requestID string
	problem   problem // of an answer that is not 2xx
}

// do sends q and decodes a 2xx answer into out unless that is nil. An empty
// body leaves out as it is. The error is an *crm.Error.
func (c *Client) do(ctx context.Context, q call, out any) (reply, error) {
	request := transport.Request{Op: q.op, Method: q.method, Path: q.path, Query: q.query, Repeatable: true}
	if q.body != nil {
		body, err := encode(q.body)
		if err != nil {
			return reply{}, &crm.Error{Kind: crm.Invalid, Op: q.op, Message: "the values cannot be written as JSON"}
		}
		request.Body = body
	}
	if err := c.pacer.wait(ctx, q.writes); err != nil {
		return reply{}, &crm.Error{Kind: crm.Unavailable, Op: q.op, Err: err}
	}
	resp, err := c.transport.Do(ctx, request)
	if err != nil {
		return reply{}, err
	}
	c.learn(q, resp)
	r := reply{status: resp.Status, requestID: requestID(resp)}
	if !resp.OK() {
		return c.refused(q, resp, r)
	}
	if out != nil && len(bytes.TrimSpace(resp.Body)) > 0 {
		if err := json.Unmarshal(resp.Body, out); err != nil {
			return r, c.foreign(q.op, r)
		}
	}
	return r, nil
}

// learn notes what an answer says about how fast to go on.
func (c *Client) learn(q call, resp *transport.Response) {
	c.adoptLimit(resp.Header)
	if resp.Status == http.StatusLocked {
		c.pacer.locked(q.writes, time.Now())
	}
}

// adoptLimit follows the account's own limit, which every answer but that of a
// search tells.
func (c *Client) adoptLimit(h http.Header) {
	most, err := strconv.Atoi(h.Get("X-HubSpot-RateLimit-Max"))
	if err != nil {
		return
	}
	millis, err := strconv.Atoi(h.Get("X-HubSpot-RateLimit-Interval-Milliseconds"))
	if err != nil {
		return
	}
	c.transport.SetLimit(crm.RateLimit{Max: most, Per: time.Duration(millis) * time.Millisecond})
}

// encode writes JSON without escaping <, > and &: score cards are full of them.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// paths are those of one version of the API.
type paths struct{ objects, properties, owners, associations, account, token string }

func newPaths(version string) paths {
	if version == legacyVersion {
		return paths{
			objects:      "/crm/v3/objects/",
			properties:   "/crm/v3/properties/",
			owners:       "/crm/v3/owners",
			associations: "/crm/v4/associations/",
			account:      "/account-info/v3/details",
			token:        "/oauth/v1/token",
		}
	}
	return paths{
		objects:      "/crm/objects/" + version + "/",
		properties:   "/crm/properties/" + version + "/",
		owners:       "/crm/owners/" + version,
		associations: "/crm/associations/" + version + "/",
		account:      "/account-info/" + version + "/details",
		token:        "/oauth/" + version + "/token",
	}
}

func (p paths) object(o crm.Object) string             { return p.objects + typeName(o) }
func (p paths) batch(o crm.Object, verb string) string { return p.object(o) + "/batch/" + verb }
func (p paths) property(o crm.Object) string           { return p.properties + typeName(o) }
func (p paths) link(from, to crm.Object, v string) string {
	return p.associations + typeName(from) + "/" + typeName(to) + "/batch/" + v
}

// typeName is HubSpot's name of an object, "" of an unknown one.
func typeName(o crm.Object) string {
	switch o {
	case crm.Activity:
		return "calls"
	case crm.Contact:
		return "contacts"
	case crm.Company:
		return "companies"
	}
	return ""
}
