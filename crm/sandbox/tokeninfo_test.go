package sandbox_test

import (
	"testing"

	"crmsync/crm/sandbox"
)

func TestTokenInfo_TellsTheScopesOfATokenToItself(t *testing.T) {
	const path = "/oauth/v2/private-apps/get/access-token-info"
	a := open(t, sandbox.Options{Token: "token", Scopes: []string{"tickets"}, Portal: 77})
	a.must("POST", path, `{"tokenKey":"token"}`).expect(t, 200, `"hubId":77`, `"scopes":["tickets"]`)
	a.must("POST", path, `{"tokenKey":"other"}`).expect(t, 404)
	a.must("POST", path, `{}`).expect(t, 400)
	a.must("GET", path, "").expect(t, 405)
	if n := a.Writes(); n != 0 {
		t.Errorf("counted as %d writes", n)
	}
	a.token = "other"
	a.must("POST", path, `{"tokenKey":"token"}`).expect(t, 401)

	open(t, sandbox.Options{}).must("POST", path, `{"tokenKey":"any"}`).expect(t, 200, "crm.objects.companies.write", "crm.objects.owners.read")
	open(t, sandbox.Options{App: sandbox.App{ClientID: "a", ClientSecret: "b", RefreshToken: "c"}}).must("POST", path, `{"tokenKey":"any"}`).expect(t, 404)
}
