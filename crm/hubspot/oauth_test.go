package hubspot

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
	"crmsync/crm/sandbox"
)

var (
	testApp   = sandbox.App{ClientID: "client-id", ClientSecret: "client/s3cret", RefreshToken: "refresh-0"}
	testGrant = Options{ClientID: testApp.ClientID, ClientSecret: testApp.ClientSecret, RefreshToken: testApp.RefreshToken}
)

// roundTripper is a HubSpot in a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inMemory is the way to a handler without a network, fit for a synctest bubble.
func inMemory(h http.Handler) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		arrived := r.Clone(r.Context())
		if arrived.Body == nil {
			arrived.Body = http.NoBody // as a server sees it
		}
		h.ServeHTTP(w, arrived)
		return w.Result(), nil
	}
}

func say(status int, header http.Header, text string) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: body(text)}
}

// newGrantClient returns a client of the app, its accounts unlimited.
func newGrantClient(t testing.TB, baseURL string, network http.RoundTripper) *Client {
	t.Helper()
	o := testGrant
	o.BaseURL = baseURL
	c, err := newClient(o, crm.Common{RateLimit: crm.RateLimit{Off: true}}, network)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newAppSandbox returns an account with our properties that the app is
// installed in.
func newAppSandbox(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	if o.App == (sandbox.App{}) {
		o.App = testApp
	}
	o.Custom = map[string][]sandbox.Property{"contacts": {{Name: "crmsync_id", HasUniqueValue: true}}}
	s := sandbox.New(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestGrant_IsExchangedAsTheVersionWants(t *testing.T) {
	for version, path := range map[string]string{
		"": "/oauth/2026-09/token", "2026-03": "/oauth/2026-03/token", "v3": "/oauth/v1/token",
	} {
		var seen []string
		o := testGrant
		o.APIVersion = version
		c, err := newClient(o, crm.Common{}, roundTripper(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.URL.Path+" "+r.Header.Get("Authorization"))
			if r.URL.Path != path {
				return say(200, nil, `{"results":[]}`), nil
			}
			text, _ := io.ReadAll(r.Body)
			form, err := url.ParseQuery(string(text))
			want := url.Values{
				"grant_type": {"refresh_token"}, "client_id": {"client-id"}, "client_secret": {"client/s3cret"}, "refresh_token": {"refresh-0"},
			}
			if diff := cmp.Diff(want, form); diff != "" || err != nil || r.URL.RawQuery != "" {
				t.Errorf("%s: %v, query %q\n%s", path, err, r.URL.RawQuery, diff)
			}
			return say(200, nil, `{"access_token":"access-1","expires_in":1800}`), nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if len(seen) != 2 || seen[0] != path+" " || !strings.HasSuffix(seen[1], " Bearer access-1") {
			t.Errorf("version %q: requests %q", version, seen)
		}
	}
}

func TestGrant_Refusals(t *testing.T) {
	legacy := func(status string) string {
		return `{"status":"` + status + `","message":"missing or invalid: refresh-0 client/s3cret client%2Fs3cret","correlationId":"c-1"}`
	}
	oauth := func(code string) string {
		return `{"error":"` + code + `","error_description":"refresh-0","status":"error","message":"bad refresh-0"}`
	}
	const check = "check CRMSYNC_HUBSPOT_CLIENT_ID, CRMSYNC_HUBSPOT_CLIENT_SECRET and CRMSYNC_HUBSPOT_REFRESH_TOKEN"
	for name, test := range map[string]struct {
		status int // 0 is no answer
		answer string
		kind   crm.Kind
		option string
		says   string
	}{
		"revoked, as it was told once":        {400, legacy("BAD_REFRESH_TOKEN"), crm.Unauthorized, "REFRESH_TOKEN", "set the new CRMSYNC_HUBSPOT_REFRESH_TOKEN"},
		"revoked":                             {400, oauth("invalid_grant"), crm.Unauthorized, "REFRESH_TOKEN", "set the new CRMSYNC_HUBSPOT_REFRESH_TOKEN"},
		"account gone":                        {400, legacy("BAD_HUB"), crm.Unauthorized, "REFRESH_TOKEN", "has removed the app"},
		"access denied":                       {403, oauth("access_denied"), crm.Unauthorized, "REFRESH_TOKEN", "has removed the app"},
		"app unknown":                         {400, legacy("BAD_CLIENT_ID"), crm.Unauthorized, "CLIENT_ID", "copy CRMSYNC_HUBSPOT_CLIENT_ID again"},
		"secret wrong, as it was told once":   {400, legacy("BAD_CLIENT_SECRET"), crm.Unauthorized, "CLIENT_SECRET", "CRMSYNC_HUBSPOT_CLIENT_SECRET again"},
		"secret wrong":                        {401, oauth("invalid_client"), crm.Unauthorized, "CLIENT_SECRET", "CRMSYNC_HUBSPOT_CLIENT_SECRET again"},
		"reason unknown":                      {400, oauth("invalid_scope"), crm.Unauthorized, "REFRESH_TOKEN", "invalid_scope: bad ‹secret›: " + check},
		"reason unknown, with all secrets":    {400, legacy("NEW"), crm.Unauthorized, "REFRESH_TOKEN", "missing or invalid: ‹secret› ‹secret› ‹secret›: " + check},
		"reason that is a secret":             {400, oauth("refresh-0"), crm.Unauthorized, "REFRESH_TOKEN", check},
		"refused without a word":              {401, "", crm.Unauthorized, "REFRESH_TOKEN", check},
		"refused by something else":           {403, "<html>refresh-0</html>", crm.Unauthorized, "REFRESH_TOKEN", check},
		"too many requests":                   {429, oauth("rate"), crm.RateLimited, "", "HTTP 429"},
		"account locked":                      {423, "", crm.RateLimited, "", "HTTP 423"},
		"account moving":                      {477, "", crm.RateLimited, "", "HTTP 477"},
		"outage":                              {503, "<html>refresh-0</html>", crm.Unavailable, "", "HTTP 503"},
		"nobody there":                        {0, "", crm.Unavailable, "", "reset"},
		"moved elsewhere":                     {307, "", crm.Unavailable, "", "HTTP 307"},
		"no such path":                        {404, "", crm.Unavailable, "", "CRMSYNC_HUBSPOT_BASE_URL"},
		"status that nobody knows":            {409, "", crm.Unavailable, "", "HTTP 409"},
		"success that is not HubSpot's":       {200, "<html>Welcome</html>", crm.Unavailable, "", notHubSpot},
		"success without a token":             {200, "{}", crm.Unavailable, "", notHubSpot},
		"success with a token that is broken": {200, `{"access_token":"a\r\nb"}`, crm.Unavailable, "", notHubSpot},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newGrantClient(t, "", roundTripper(func(r *http.Request) (*http.Response, error) {
					if !strings.HasPrefix(r.URL.Path, "/oauth/") {
						t.Errorf("sent %s without a token", r.URL.Path)
					}
					if test.status == 0 {
						return nil, errors.New("connection reset")
					}
					return say(test.status, http.Header{"Location": {"https://elsewhere.example/"}}, test.answer), nil
				}))
				_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{contact("k", crm.Fields{"firstname": "Jonas"})})
				e := wantError(t, err, test.kind)
				if e.Option != test.option || e.Op != opRefresh || !strings.Contains(e.Error(), test.says) {
					t.Errorf("option %q, error %q; want %q and %q", e.Option, e, test.option, test.says)
				}
				for _, secret := range []string{"refresh-0", "s3cret"} {
					if strings.Contains(fmt.Sprintf("%v %+v", e, *e), secret) {
						t.Errorf("%v shows %s", e, secret)
					}
				}
			})
		})
	}
}

// What the token endpoint asks for concerns the whole account.
func TestGrant_RateLimitHoldsTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		c := newGrantClient(t, "", roundTripper(func(*http.Request) (*http.Response, error) {
			requests++
			return say(429, http.Header{"Retry-After": {"60"}}, ""), nil
		}))
		for range 3 {
			if e := wantError(t, c.Ping(t.Context()), crm.RateLimited); e.RetryAfter != time.Minute {
				t.Errorf("wait %v", e.RetryAfter)
			}
		}
		if requests != 1 {
			t.Errorf("%d requests, want 1", requests)
		}
	})
}

func TestGrant_NoTokenIsEverShown(t *testing.T) {
	issued := 0
	c := newGrantClient(t, "", roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/oauth/") {
			issued++
			return say(200, nil, fmt.Sprintf(`{"access_token":"access-%d","refresh_token":"refresh-%d","expires_in":1800}`, issued, issued)), nil
		}
		return say(401, nil, `{"message":"neither access-1 nor access-2, nor refresh-0, refresh-1 or refresh-2"}`), nil
	}))
	e := wantError(t, c.Ping(t.Context()), crm.Unauthorized)
	if e.Option != "REFRESH_TOKEN" || issued != 2 {
		t.Errorf("option %q after %d tokens", e.Option, issued)
	}
	if want := "neither ‹secret› nor ‹secret›, nor ‹secret›, ‹secret› or ‹secret›"; e.Message != want {
		t.Errorf("message %q, want %q", e.Message, want)
	}
}

func TestTokenLife(t *testing.T) {
	for seconds, want := range map[float64]time.Duration{
		1800: 30 * time.Minute, 0: 30 * time.Minute, -5: 30 * time.Minute, 0.5: time.Second / 2, 1e300: 24 * time.Hour,
	} {
		if got := tokenLife(seconds); got != want {
			t.Errorf("%v seconds: %v, want %v", seconds, got, want)
		}
	}
}

// A refresh token that HubSpot replaces is used from then on.
func TestGrant_FollowsAReplacedRefreshToken(t *testing.T) {
	rotating := testApp
	rotating.Rotates = true
	s := newAppSandbox(t, sandbox.Options{App: rotating})
	c := newGrantClient(t, "", inMemory(s))
	for range 4 {
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.ExpireTokens()
	}
	if got := s.Requests()["POST token"]; got != 4 {
		t.Errorf("%d exchanges, want 4", got)
	}
}

// On a clock that both sides share no request ever meets an expired token.
func TestGrant_IsRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAppSandbox(t, sandbox.Options{Observe: func(e sandbox.Exchange) {
			if e.Status != http.StatusOK {
				t.Errorf("%s was answered with %d", e.Op, e.Status)
			}
		}})
		c := newGrantClient(t, "", inMemory(s))
		for n := range 100 {
			upsert(t, c, contact(fmt.Sprint(n), crm.Fields{"firstname": "Jonas"}))
			time.Sleep(7 * time.Minute)
		}
		// Each serves the requests of its first 28 minutes: four.
		if got := s.Requests()["POST token"]; got != 25 {
			t.Errorf("%d exchanges, want 25", got)
		}
	})
}

// A token that ends in the middle of many upserts costs nothing: no error is
// seen, no record is doubled, and one request gets the next token.
func TestGrant_ATokenMayEndAtAnyTime(t *testing.T) {
	const rounds, workers, each = 4, 8, 5
	var mu sync.Mutex
	upserts := 0
	var s *sandbox.Server
	s = newAppSandbox(t, sandbox.Options{Observe: func(e sandbox.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if e.Op == "POST objects/contacts/batch/upsert" && e.Status == http.StatusOK {
			if upserts++; upserts%(workers*each) == workers*each/2 {
				s.ExpireTokens()
			}
		}
	}})
	server := httptest.NewServer(s)
	defer server.Close()
	c := newGrantClient(t, server.URL, nil)
	for round := range rounds {
		var group sync.WaitGroup
		for worker := range workers {
			group.Go(func() {
				for n := range each {
					record := contact(fmt.Sprint(round, "-", worker, "-", n), crm.Fields{"firstname": "Jonas"})
					results, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{record})
					if err != nil || results[0].Err != nil || results[0].Action != crm.Created {
						t.Errorf("%s: %+v, %v", record.Key, results, err)
					}
				}
			})
		}
		group.Wait()
	}
	keys := map[string]bool{}
	for _, r := range s.Records("contacts") {
		keys[r.Properties["crmsync_id"]] = true
	}
	if want := rounds * workers * each; len(keys) != want || len(s.Records("contacts")) != want {
		t.Errorf("%d records with %d keys, want %d", len(s.Records("contacts")), len(keys), want)
	}
	if got := s.Requests()["POST token"]; got != 1+rounds {
		t.Errorf("%d exchanges, want %d", got, 1+rounds)
	}
}

// A private authority counts for the token endpoint as well.
func TestGrant_TrustsThePrivateAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(newAppSandbox(t, sandbox.Options{}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the client that does not trust it
	server.StartTLS()
	defer server.Close()
	o := testGrant
	o.BaseURL = server.URL
	trusting, err := New(o, crm.Common{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	if err := trusting.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	other, err := New(o, crm.Common{})
	if err != nil {
		t.Fatal(err)
	}
	if e := wantError(t, other.Ping(t.Context()), crm.Unavailable); e.Op != opRefresh || !strings.Contains(e.Error(), "CRMSYNC_TLS_CA") {
		t.Errorf("%v", e)
	}
}
