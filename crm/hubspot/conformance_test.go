package hubspot_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"crmsync/crm"
	"crmsync/crm/crmtest"
	"crmsync/crm/hubspot"
	"crmsync/crm/sandbox"
	"crmsync/crm/sandbox/apispec"
)

const secret = "pat-eu1-conformance-secret"

func TestConformance(t *testing.T) {
	for _, version := range []string{"2026-09", "2026-03", "v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			crmtest.Run(t, options(version, false))
		})
	}
	t.Run("OAuth", func(t *testing.T) {
		t.Parallel()
		crmtest.Run(t, appOptions())
	})
	t.Run("no upsert of calls", func(t *testing.T) {
		t.Parallel()
		crmtest.Run(t, options("2026-09", true))
	})
}

func options(version string, refuseCallUpsert bool) crmtest.Options {
	dial := func(t *testing.T, baseURL string) crm.Client {
		client, err := hubspot.New(
			hubspot.Options{Token: secret, BaseURL: baseURL, APIVersion: version},
			crm.Common{RateLimit: crm.RateLimit{Off: true}},
		)
		if err != nil {
			t.Errorf("new client: %v", err)
		}
		return client
	}
	return crmtest.Options{
		Open: func(t *testing.T, bare bool) crmtest.Account {
			return openSandbox(t, dial, sandbox.Options{
				Token: secret, Versions: []string{version}, Custom: custom(bare), RefuseCallUpsert: refuseCallUpsert,
				// The old version also says as little as was ever seen.
				HideTraceIDs: version == "v3", HideExistingID: version == "v3", PackedErrors: version == "v3",
			})
		},
		Dial:   dial,
		Secret: secret,
		Sample: sample,
		Text:   map[crm.Object]string{crm.Contact: "jobtitle", crm.Company: "city", crm.Activity: "hs_call_title"},
		Refused: map[crm.Object]crm.Fields{
			crm.Contact:  {"email": "no address"},
			crm.Company:  {"lifecyclestage": "Customer"},
			crm.Activity: {"hs_call_duration": "1,200"},
		},
		Email:     "email",
		FirstName: "firstname",
		Kinds: map[int]crm.Kind{
			404: crm.Misconfigured, // the path itself: a wrong base URL or version
			423: crm.RateLimited,   // many writes to one object at once
			477: crm.RateLimited,   // the account is being moved
		},
	}
}

// app is installed in the accounts of TestConformance that sign in with OAuth.
var app = sandbox.App{ClientID: "conformance-client", ClientSecret: "conformance-client-secret", RefreshToken: secret}

// appOptions are those of a client that signs in as an OAuth app. A server that
// answers anything is met with an access token from elsewhere: what it says is
// about the API.
func appOptions() crmtest.Options {
	o := options("2026-09", false)
	elsewhere := sandbox.New(sandbox.Options{App: app})
	dial := func(network http.RoundTripper) func(*testing.T, string) crm.Client {
		return func(t *testing.T, baseURL string) crm.Client {
			client, err := hubspot.NewOver(
				hubspot.Options{ClientID: app.ClientID, ClientSecret: app.ClientSecret, RefreshToken: app.RefreshToken, BaseURL: baseURL},
				crm.Common{RateLimit: crm.RateLimit{Off: true}}, network,
			)
			if err != nil {
				t.Errorf("new client: %v", err)
			}
			return client
		}
	}
	o.Open = func(t *testing.T, bare bool) crmtest.Account {
		return openSandbox(t, dial(nil), sandbox.Options{App: app, Versions: []string{"2026-09"}, Custom: custom(bare)})
	}
	o.Dial = dial(issuer{elsewhere, &http.Transport{}})
	return o
}

// issuer answers requests for access tokens itself and passes on all others.
type issuer struct {
	tokens *sandbox.Server
	http.RoundTripper
}

func (i issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, "/oauth/") {
		return i.RoundTripper.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	i.tokens.ServeHTTP(w, r)
	return w.Result(), nil
}

func sample(o crm.Object, n int) crm.Fields {
	switch o {
	case crm.Activity:
		return crm.Fields{
			"hs_timestamp": "2026-11-18T15:42:11.100Z", "hs_call_title": fmt.Sprint("Call ", n),
			"hs_call_duration": int64(1_200_000 + n), "hs_call_status": "COMPLETED", "crmsync_score": 7.5, "crmsync_deleted": false,
		}
	case crm.Contact:
		return crm.Fields{
			"email": fmt.Sprintf("user%d@brightsales.example", n), "firstname": "Jonas", "lastname": fmt.Sprint("Weber ", n),
			"jobtitle": "Rep", "crmsync_role": "member",
		}
	default:
		return crm.Fields{"name": fmt.Sprint("Bright Sales ", n), "city": "Berlin", "crmsync_status": "active"}
	}
}

// objectNames are HubSpot's.
var objectNames = map[crm.Object]string{crm.Activity: "calls", crm.Contact: "contacts", crm.Company: "companies"}

// account is a sandbox as crmtest wants it.
type account struct {
	*sandbox.Server
	client crm.Client
	owners []sandbox.Owner

	refuseCallUpsert bool
}

var loadSpec = sync.OnceValues(apispec.Load)

func openSandbox(t *testing.T, dial func(*testing.T, string) crm.Client, o sandbox.Options) *account {
	t.Helper()
	spec, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	a := &account{owners: someOwners(), refuseCallUpsert: o.RefuseCallUpsert}
	o.Owners, o.Seed = a.owners, 7
	o.Observe = func(e sandbox.Exchange) {
		if err := spec.CheckRequest(e); err != nil {
			t.Error(err)
		}
	}
	a.Server = sandbox.New(o)
	server := httptest.NewServer(a.Server)
	t.Cleanup(func() {
		if err := a.Server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		server.Close()
	})
	a.client = dial(t, server.URL)
	return a
}

// custom are the properties that setup makes for the samples.
func custom(bare bool) map[string][]sandbox.Property {
	properties := map[string][]sandbox.Property{}
	if bare {
		return properties
	}
	for _, name := range objectNames {
		properties[name] = []sandbox.Property{{Name: "crmsync_id", HasUniqueValue: true}}
	}
	properties["calls"] = append(properties["calls"], sandbox.Property{Name: "crmsync_score", Type: "number"}, sandbox.Property{Name: "crmsync_deleted", Type: "bool"})
	properties["contacts"] = append(properties["contacts"], sandbox.Property{Name: "crmsync_role"})
	properties["companies"] = append(properties["companies"], sandbox.Property{Name: "crmsync_status"})
	return properties
}

// someOwners are more than one page of people, a queue and one who left.
func someOwners() []sandbox.Owner {
	owners := []sandbox.Owner{{ID: "1", Email: "queue@brightsales.example", Queue: true}, {ID: "2", Email: "gone@brightsales.example", Archived: true}}
	for i := range 230 {
		owners = append(owners, sandbox.Owner{ID: fmt.Sprint(1000 + i), UserID: i, Email: fmt.Sprintf("Owner%d@brightsales.example", i)})
	}
	return owners
}

func (a *account) Client() crm.Client { return a.client }

func (a *account) Records(o crm.Object) []crmtest.Record {
	var records []crmtest.Record
	for _, r := range a.Server.Records(objectNames[o]) {
		if !r.Archived {
			records = append(records, crmtest.Record{RemoteID: r.ID, Key: r.Properties["crmsync_id"], Fields: r.Properties})
		}
	}
	return records
}

func (a *account) Links(from, to crm.Object) [][2]string {
	return a.Associations(objectNames[from], objectNames[to])
}

func (a *account) Add(o crm.Object, fields crm.Fields) string {
	properties := map[string]string{}
	for name, value := range fields {
		properties[name] = fmt.Sprint(value)
	}
	return a.AddRecord(objectNames[o], properties)
}

func (a *account) Delete(o crm.Object, remoteID string) { a.DeleteRecord(objectNames[o], remoteID) }

func (a *account) Owners() []crm.Owner {
	var people []crm.Owner
	for _, o := range a.owners {
		if !o.Queue {
			people = append(people, crm.Owner{ID: o.ID, Email: o.Email, Active: !o.Archived})
		}
	}
	return people
}

// isWrite reports whether op writes records, as far as this account knows it.
func (a *account) isWrite(op string) bool {
	if a.refuseCallUpsert && op == "POST objects/calls/batch/upsert" {
		return false
	}
	for _, verb := range []string{"upsert", "create", "update"} {
		if strings.HasSuffix(op, "/batch/"+verb) {
			return true
		}
	}
	return false
}

func (a *account) Break(f crmtest.Fault, times int) <-chan struct{} {
	hit := make(chan struct{})
	report := sync.OnceFunc(func() { close(hit) })
	fault := sandbox.Fault{Op: "POST objects/", Times: times, Match: func(r sandbox.Request) bool {
		if !a.isWrite(r.Op) {
			return false
		}
		report()
		return true
	}}
	switch f {
	case crmtest.CutBefore:
		fault.Cut = sandbox.CutBefore
	case crmtest.CutAfter:
		fault.Cut = sandbox.CutAfter
	case crmtest.CutBody:
		fault.Cut = sandbox.CutBody
	case crmtest.Hang:
		fault.Hang = true
	case crmtest.Silent:
		fault.SilentNoop = true
	case crmtest.Outage:
		fault.Status, fault.Body = 503, "<html>unavailable</html>"
	}
	a.Fault(fault)
	return hit
}
