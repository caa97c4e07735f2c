package hubspot

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"crmsync/crm"
)

// everyOperation asks for all that a client can do, apart from Upsert. Each
// returns how many answers are missing or too many.
var everyOperation = map[string]func(context.Context, *Client) (int, error){
	"ping":    func(ctx context.Context, c *Client) (int, error) { return 0, c.Ping(ctx) },
	"account": func(ctx context.Context, c *Client) (int, error) { _, err := c.Account(ctx); return 0, err },
	"describe": func(ctx context.Context, c *Client) (int, error) {
		_, err := c.Describe(ctx, crm.Contact)
		return 0, err
	},
	"may read":  func(ctx context.Context, c *Client) (int, error) { return 0, c.CheckRead(ctx, crm.Contact) },
	"may write": func(ctx context.Context, c *Client) (int, error) { return 0, c.CheckWrite(ctx, crm.Contact) },
	"owners":    func(ctx context.Context, c *Client) (int, error) { _, err := c.Owners(ctx); return 0, err },
	"preview": func(ctx context.Context, c *Client) (int, error) {
		out, err := c.Preview(ctx, crm.Contact, []crm.Record{jonas("k0"), jonas("k1")})
		return len(out) - 2, err
	},
	"compare": func(ctx context.Context, c *Client) (int, error) {
		out, err := c.Compare(ctx, crm.Contact, []crm.Record{jonas("k0"), jonas("k1")}, []string{"email", "firstname"})
		return len(out) - 2, err
	},
	"link": func(ctx context.Context, c *Client) (int, error) {
		from := crm.Ref{Object: crm.Activity, Key: "c", RemoteID: "7"}
		to := crm.Ref{Object: crm.Contact, Key: "u", RemoteID: "8"}
		out, err := c.Link(ctx, []crm.Link{{From: from, To: to}})
		return len(out) - 1, err
	},
	"archive": func(ctx context.Context, c *Client) (int, error) {
		out, err := c.Archive(ctx, crm.Contact, []crm.Ref{{Object: crm.Contact, Key: "k0", RemoteID: "7"}, {Object: crm.Contact, Key: "k1"}})
		return len(out) - 2, err
	},
	"provision": func(ctx context.Context, c *Client) (int, error) {
		_, err := c.Provision(ctx, crm.Provision{Fields: map[crm.Object][]string{crm.Contact: {"crmsync_role"}}})
		return 0, err
	},
}

// Whatever HubSpot answers to whatever is asked, nothing panics, no answer is
// missing, errors are of our type and quote no address, and requests are bounded.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `{"results":[null]}`, `{"results":{}}`, `{"portalId":-1,"uiDomain":7}`, "<html><script>alert(1)</script>", "\x00\xff",
		`{"results":[{"id":"1","email":"a@b.example","type":"PERSON"}],"paging":{"next":{"after":"x"}}}`,
		`{"results":[{"id":1e999,"properties":{"email":["x"],"crmsync_id":{}}}],"errors":[{"context":null}]}`,
		`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"name\":\"a@b.example\"}]"}`,
		strings.Repeat("[", 20_000), `{"results":[{"id":"` + strings.Repeat("9", 400) + `","name":"crmsync_id","hasUniqueValue":"true"}]}`,
	} {
		for _, status := range []int{200, 207, 400, 403, 404, 409, 500} {
			f.Add(status, "Retry-After", "1e999", seed)
		}
	}
	f.Add(429, "X-HubSpot-RateLimit-Max", "99999999999999999999", `{"policyName":"DAILY"}`)
	f.Add(200, "X-HubSpot-RateLimit-Max", "-1", `{}`)
	f.Fuzz(func(t *testing.T, status int, name, value, text string) {
		if status < 200 || status > 599 {
			status = 200
		}
		for op, ask := range everyOperation {
			synctest.Test(t, func(t *testing.T) { // waits cost nothing
				requests := 0
				c, err := newClient(Options{Token: testToken}, crm.Common{}, serving(func(r *http.Request) (*http.Response, error) {
					requests++
					return &http.Response{StatusCode: status, Body: body(text), Header: http.Header{name: {value}}, Request: r}, nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				missing, err := ask(t.Context(), c)
				if e, ok := errors.AsType[*crm.Error](err); err != nil && (!ok || strings.Contains(e.Error(), "@")) {
					t.Errorf("%s: error %T %v", op, err, err)
				}
				if err == nil && missing != 0 {
					t.Errorf("%s: %d answers too many", op, missing)
				}
				if requests > 20 {
					t.Errorf("%s: %d requests", op, requests)
				}
			})
		}
	})
}
