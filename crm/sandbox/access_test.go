package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

func TestToken(t *testing.T) {
	a := open(t, sandbox.Options{Token: "token"})
	list := "/crm/objects/2026-09/contacts?limit=1"
	a.must("GET", list, "").expect(t, 200)
	a.token = "other"
	a.must("GET", list, "").expect(t, 401, "INVALID_AUTHENTICATION", "correlationId")
	a.token = ""
	a.must("GET", list, "").expect(t, 401, "credentials not found")
	a.SetToken("rotated")
	a.token = "token"
	a.must("GET", list, "").expect(t, 401)
	a.token = "rotated"
	a.must("GET", list, "").expect(t, 200)
	a.Revoke()
	a.must("GET", list, "").expect(t, 401, "EXPIRED_AUTHENTICATION")
	a.Restore()
	a.must("GET", list, "").expect(t, 200)
}

func TestScopes(t *testing.T) {
	upsert := inputs(input("a", "t", `"firstname":"x","hs_timestamp":"1","name":"x"`))
	group := `{"name":"g","label":"G"}`
	pair := `{"inputs":[{"from":{"id":"1"},"to":{"id":"2"}}]}`
	tests := []struct{ method, path, body, scope string }{
		{"GET", "/crm/objects/2026-09/contacts", "", "crm.objects.contacts.read"},
		{"GET", "/crm/objects/2026-09/calls", "", "crm.objects.contacts.read"},
		{"GET", "/crm/objects/2026-09/companies", "", "crm.objects.companies.read"},
		{"POST", "/crm/objects/2026-09/contacts/batch/upsert", upsert, "crm.objects.contacts.write"},
		{"POST", "/crm/objects/2026-09/calls/batch/upsert", upsert, "crm.objects.contacts.write"},
		{"POST", "/crm/objects/2026-09/companies/batch/upsert", upsert, "crm.objects.companies.write"},
		{"GET", "/crm/properties/2026-09/contacts", "", "crm.schemas.contacts.read"},
		{"GET", "/crm/properties/2026-09/contacts", "", "crm.objects.contacts.read"},
		{"POST", "/crm/properties/2026-09/companies/groups", group, "crm.schemas.companies.write"},
		{"GET", "/crm/owners/2026-09", "", "crm.objects.owners.read"},
		{"POST", "/crm/associations/2026-09/calls/contacts/batch/associate/default", pair, "crm.objects.contacts.write"},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			without := open(t, sandbox.Options{Scopes: []string{"tickets"}})
			without.must(test.method, test.path, test.body).expect(t, 403, "MISSING_SCOPES", "requiredGranularScopes", test.scope)
			with := open(t, sandbox.Options{Scopes: []string{test.scope}})
			if got := with.must(test.method, test.path, test.body); got.status == 403 {
				t.Errorf("refused with %s: %s", test.scope, got.text)
			}
		})
	}
	half := open(t, sandbox.Options{Scopes: []string{"crm.objects.contacts.write"}})
	half.associations("contacts", "companies", "associate/default", pair).expect(t, 403, "crm.objects.companies.write")
}

func TestRouting(t *testing.T) {
	a := open(t, sandbox.Options{Versions: []string{"2026-09"}})
	a.must("GET", "/crm/objects/2026-09/contacts/", "").expect(t, 200)
	a.must("GET", "/crm/v3/objects/contacts", "").expect(t, 404, `"status":"error"`)
	a.must("GET", "/crm/objects/2026-03/contacts", "").expect(t, 404)
	a.must("GET", "/nothing//here", "").expect(t, 404, "correlationId")
	a.must("PUT", "/crm/objects/2026-09/contacts", "{}").expect(t, 405)
	a.must("POST", "/crm/objects/2026-09/contacts/search", "{}").expect(t, 405)
	legacy := open(t, sandbox.Options{Versions: []string{"v3"}})
	legacy.must("GET", "/crm/v3/owners/", "").expect(t, 200)
	legacy.must("GET", "/crm/v4/objects/contacts", "").expect(t, 404)
	legacy.must("POST", "/crm/v4/associations/calls/contacts/batch/read", `{"inputs":[{"id":"1"}]}`).expect(t, 207, "NO_ASSOCIATIONS_FOUND")
}

func TestContentType(t *testing.T) {
	a := open(t, sandbox.Options{})
	req, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/crm/objects/2026-09/contacts", strings.NewReader("email=a"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer x")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 415 {
		t.Errorf("got %d, want 415", res.StatusCode)
	}
}

func TestRequestTooLarge(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.objects("contacts", "upsert", strings.Repeat(" ", 16<<20+1)).expect(t, 413)
}

func TestRateLimit_IsARollingWindow(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a := open(t, sandbox.Options{RateLimit: sandbox.Rate{Max: 2, Per: 10 * time.Second}, Now: func() time.Time { return now }})
	get := func() answer { return a.must("GET", "/crm/owners/2026-09", "") }
	first := get()
	first.expect(t, 200)
	if got := first.header.Get("X-HubSpot-RateLimit-Remaining"); got != "1" {
		t.Errorf("got %q remaining, want 1", got)
	}
	now = now.Add(6 * time.Second)
	get().expect(t, 200)
	refused := get()
	refused.expect(t, 429, `"errorType":"RATE_LIMIT"`, `"policyName":"TEN_SECONDLY_ROLLING"`)
	if got := refused.header.Get("X-HubSpot-RateLimit-Interval-Milliseconds"); got != "10000" {
		t.Errorf("got interval %q", got)
	}
	now = now.Add(4 * time.Second) // the first one leaves the window, the second does not
	get().expect(t, 200)
	get().expect(t, 429)
}

func TestRateLimit_Daily(t *testing.T) {
	now := time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)
	a := open(t, sandbox.Options{RateLimit: sandbox.Rate{Daily: 1}, Now: func() time.Time { return now }})
	a.must("GET", "/crm/owners/2026-09", "").expect(t, 200)
	a.must("GET", "/crm/owners/2026-09", "").expect(t, 429, `"policyName":"DAILY"`)
	now = now.Add(time.Minute)
	a.must("GET", "/crm/owners/2026-09", "").expect(t, 200)
}

func TestRefuseCallUpsert(t *testing.T) {
	a := open(t, sandbox.Options{RefuseCallUpsert: true})
	call := inputs(input("k", "t", `"hs_timestamp":"1"`))
	a.objects("calls", "upsert", call).expect(t, 405, `"status":"error"`)
	a.objects("contacts", "upsert", inputs(input("k", "t", `"firstname":"x"`))).expect(t, 200)
	a.objects("calls", "create", `{"inputs":[{"objectWriteTraceId":"t","properties":{"crmsync_id":"k","hs_timestamp":"1"}}]}`).expect(t, 201)
	if got := len(a.Records("calls")); got != 1 {
		t.Errorf("got %d calls, want the created one", got)
	}
}
