package hubspot

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"crmsync/crm"
	"crmsync/crm/sandbox"
)

const account = "GET /account-info/2026-09/details"

func TestAccount_IsTheHostAndThePortal(t *testing.T) {
	const details = `{"portalId":123456,"accountType":"STANDARD","timeZone":"US/Eastern"}`
	for base, want := range map[string]string{
		"https://API.hubapi.com":     "api.hubapi.com/123456",
		"https://api.hubapi.com:443": "api.hubapi.com/123456",
		"http://localhost:80/":       "localhost/123456",
		"http://localhost:443":       "localhost:443/123456",
		"http://localhost:8123":      "localhost:8123/123456",
		"http://[::1]:8123":          "[::1]:8123/123456",
	} {
		c := newAccountClient(t, Options{BaseURL: base}, exchange{want: account, answer: details})
		if got, err := c.Account(t.Context()); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", base, got, err, want)
		}
	}
	legacy := newAccountClient(t, Options{APIVersion: "v3"}, exchange{want: "GET /account-info/v3/details", answer: details})
	if got, err := legacy.Account(t.Context()); got != "api.hubapi.com/123456" || err != nil {
		t.Errorf("v3: got %q, %v", got, err)
	}
}

func newAccountClient(t *testing.T, o Options, xs ...exchange) *Client {
	t.Helper()
	o.Token = testToken
	c, err := newClient(o, crm.Common{RateLimit: crm.RateLimit{Off: true}}, &script{t: t, next: xs})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAccount_IsTheHostWhereThePortalIsNotTold(t *testing.T) {
	for _, x := range []exchange{
		{status: 403, answer: `{"category":"MISSING_SCOPES"}`},
		{status: 404}, {status: 405}, {status: 410},
		{answer: `{"timeZone":"US/Eastern"}`}, {answer: `{"portalId":null}`}, {answer: `{"portalId":"../7"}`},
	} {
		if got, err := newTestClient(t, x).Account(t.Context()); got != "api.hubapi.com" || err != nil {
			t.Errorf("%d %s: got %q, %v", x.status, x.answer, got, err)
		}
	}
}

func TestAccount_TellsTheHostBesideAnError(t *testing.T) {
	for _, test := range []struct {
		exchange
		want crm.Kind
	}{
		{exchange{status: 401}, crm.Unauthorized},
		{exchange{status: 429, header: http.Header{"Retry-After": {"3600"}}}, crm.RateLimited},
		{exchange{status: 501}, crm.Unavailable},
		{exchange{answer: `<html>Welcome</html>`}, crm.Unavailable},
	} {
		got, err := newTestClient(t, test.exchange).Account(t.Context())
		wantError(t, err, test.want)
		if got != "api.hubapi.com" {
			t.Errorf("%d: got %q", test.status, got)
		}
	}
}

func TestAccount_AsksNobodyWithAnEndedContext(t *testing.T) {
	nobody := roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("asked for %s", r.URL.Path)
		return nil, errors.New("nobody is here")
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []*Client{newTestClient(t), newGrantClient(t, "", nobody)} {
		got, err := c.Account(ended)
		wantError(t, err, crm.Unavailable)
		if got == "" {
			t.Error("got no host")
		}
	}
}

// The account that a state is bound to is the same with any credentials.
func TestAccount_SurvivesOtherCredentials(t *testing.T) {
	app := newAppSandbox(t, sandbox.Options{Portal: 77})
	withGrant, err := newGrantClient(t, "", inMemory(app)).Account(t.Context())
	withToken, err2 := newTestClient(t, exchange{answer: `{"portalId":"77"}`}).Account(t.Context())
	if withGrant != withToken || err != nil || err2 != nil {
		t.Errorf("accounts %q (%v) and %q (%v)", withGrant, err, withToken, err2)
	}
}

func TestRecordURL_IsThePageInThePortal(t *testing.T) {
	c := newTestClient(t)
	for o, want := range map[crm.Object]string{
		crm.Contact:  "https://app.hubspot.com/contacts/123456/record/0-1/501",
		crm.Company:  "https://app.hubspot.com/contacts/123456/record/0-2/501",
		crm.Activity: "https://app.hubspot.com/contacts/123456/record/0-48/501",
		"deal":       "",
	} {
		if got := c.RecordURL("api.hubapi.com/123456", o, "501"); got != want {
			t.Errorf("%s: got %q, want %q", o, got, want)
		}
	}
	if got := c.RecordURL("api.hubapi.com", crm.Contact, "501"); got != "" {
		t.Errorf("without a portal: got %q", got)
	}
}
