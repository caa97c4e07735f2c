package sandbox_test

import (
	"testing"

	"crmsync/crm/sandbox"
)

func TestAccount_IsToldToEveryTokenAndToNobodyElse(t *testing.T) {
	const details = "/account-info/2026-09/details"
	a := open(t, sandbox.Options{Token: "token", Scopes: []string{"tickets"}, Portal: 77})
	a.must("GET", details, "").expect(t, 200, `"portalId":77`)
	a.must("GET", "/account-info/v3/details", "").expect(t, 200, `"portalId":77`)
	a.must("POST", details, "{}").expect(t, 405)
	if got := a.Requests()["GET account-info/details"]; got != 2 {
		t.Errorf("got %d requests", got)
	}
	a.token = "other"
	a.must("GET", details, "").expect(t, 401, "INVALID_AUTHENTICATION")
	open(t, sandbox.Options{Versions: []string{"v3"}}).must("GET", details, "").expect(t, 404)
	open(t, sandbox.Options{}).must("GET", details, "").expect(t, 200, `"portalId":4711`)
}
