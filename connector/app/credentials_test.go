package app

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
)

// What check says about credentials names the variable to look at, whichever way
// of signing in is used, and shows none of them (I8).
func TestCheck_NamesTheCredentialAtFault(t *testing.T) {
	app := sandbox.App{ClientID: "client-id", ClientSecret: "s3cret-client", RefreshToken: "s3cret-refresh"}
	const noScopes = "the scopes"
	for name, test := range map[string]struct {
		version string
		env     map[string]string // over a sound OAuth app; "-" removes
		scopes  []string
		want    string // variables, without CRMSYNC_HUBSPOT_
		code    string
	}{
		"sound":                     {},
		"client id":                 {version: "v3", env: map[string]string{"CLIENT_ID": "s3cret-other"}, want: "CLIENT_ID", code: "unauthorized"},
		"client secret":             {env: map[string]string{"CLIENT_SECRET": "s3cret-other"}, want: "CLIENT_SECRET", code: "unauthorized"},
		"refresh token":             {env: map[string]string{"REFRESH_TOKEN": "s3cret-other"}, want: "REFRESH_TOKEN", code: "unauthorized"},
		"scopes of the app":         {scopes: []string{noScopes}, want: "REFRESH_TOKEN REFRESH_TOKEN", code: "missing_scope"},
		"a scope for writing":       {scopes: slices.DeleteFunc(append(slices.Clone(allButOwners), "crm.objects.owners.read"), func(s string) bool { return s == "crm.objects.companies.write" }), want: "REFRESH_TOKEN", code: "missing_scope"},
		"token":                     {env: map[string]string{"TOKEN": "s3cret-other", "CLIENT_ID": "-", "CLIENT_SECRET": "-", "REFRESH_TOKEN": "-"}, want: "TOKEN", code: "unauthorized"},
		"nothing":                   {env: map[string]string{"CLIENT_ID": "-", "CLIENT_SECRET": "-", "REFRESH_TOKEN": "-"}, want: "TOKEN", code: "missing"},
		"both":                      {env: map[string]string{"TOKEN": "s3cret-other"}, want: "TOKEN", code: "bad_value"},
		"no client id":              {env: map[string]string{"CLIENT_ID": "-"}, want: "CLIENT_ID", code: "missing"},
		"no secrets":                {env: map[string]string{"CLIENT_SECRET": "-", "REFRESH_TOKEN": "-"}, want: "CLIENT_SECRET REFRESH_TOKEN", code: "missing"},
		"refresh token with blanks": {env: map[string]string{"REFRESH_TOKEN": "s3cret other"}, want: "REFRESH_TOKEN", code: "bad_value"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(sandbox.New(sandbox.Options{App: app, Scopes: test.scopes}))
			defer server.Close()
			env := map[string]string{
				"CLIENT_ID": app.ClientID, "CLIENT_SECRET": app.ClientSecret, "REFRESH_TOKEN": app.RefreshToken,
				"BASE_URL": server.URL, "API_VERSION": test.version,
			}
			maps.Copy(env, test.env)
			for variable, value := range env {
				if value != "-" {
					t.Setenv("CRMSYNC_HUBSPOT_"+variable, value)
				}
			}
			t.Setenv("CRMSYNC_CRM", "hubspot")
			t.Setenv("CRMSYNC_WEBHOOK_SECRETS", testSecret)
			t.Setenv("CRMSYNC_STATE", t.TempDir()+"/crmsync.db")
			_, out, errOut := run(t, "check", "--json")
			var got []string
			for line := range strings.Lines(out) {
				for _, f := range findings(t, line) {
					// What the mapping lacks is found as well once the credentials are good.
					if f.Field == "" {
						got = append(got, f.Code+" "+f.Variable)
					}
				}
			}
			var want []string
			for variable := range strings.FieldsSeq(test.want) {
				want = append(want, test.code+" CRMSYNC_HUBSPOT_"+variable)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q\n%s%s", got, want, out, errOut)
			}
			if strings.Contains(out+errOut, "s3cret") {
				t.Errorf("shows a secret:\n%s%s", out, errOut)
			}
		})
	}
}
