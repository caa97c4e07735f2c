package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

var app = sandbox.App{ClientID: "client-id", ClientSecret: "client-secret", RefreshToken: "refresh-0"}

// grant is a form as the app sends it, changed by pairs of name and value. A
// value of "-" leaves the name out.
func grant(pairs ...string) url.Values {
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {app.RefreshToken},
		"client_id": {app.ClientID}, "client_secret": {app.ClientSecret},
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "-" {
			form.Del(pairs[i])
		}
	}
	return form
}

// exchange posts to a token endpoint.
func (a *account) exchange(path, mediaType, body string) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, text: string(text)}
}

type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	ExpiresIn int    `json:"expires_in"`
}

const (
	tokenPath = "/oauth/2026-09/token"
	formType  = "application/x-www-form-urlencoded"
)

// renew gets an access token and uses it from now on.
func (a *account) renew(refreshToken string) tokens {
	a.t.Helper()
	got := a.exchange(tokenPath, formType, grant("refresh_token", refreshToken).Encode())
	got.expect(a.t, 200)
	var t tokens
	if err := json.Unmarshal([]byte(got.text), &t); err != nil {
		a.t.Fatal(err)
	}
	a.token = t.Access
	return t
}

func TestApp_RefusesWhatIsNoExchange(t *testing.T) {
	good := grant().Encode()
	tests := []struct {
		name, path, mediaType, body string
		status                      int
		says                        string
	}{
		{"right", tokenPath, formType, good, 200, `"token_type":"bearer"`},
		{"right, with a character set", tokenPath, formType + ";charset=utf-8", good, 200, `"hub_id"`},
		{"right, older version", "/oauth/2026-03/token", formType, good, 200, `"expires_in":1800`},
		{"right, legacy version", "/oauth/v1/token", formType, good, 200, `"access_token"`},
		{"path of no version", "/oauth/v3/token", formType, good, 404, ""},
		{"JSON", tokenPath, "application/json", `{"grant_type":"refresh_token"}`, 415, ""},
		{"form that cannot be read", tokenPath, formType, "%zz", 400, "invalid_request"},
		{"credentials in the query", tokenPath + "?" + good, formType, "", 400, "unsupported_grant_type"},
		{"other grant", tokenPath, formType, grant("grant_type", "authorization_code").Encode(), 400, "unsupported_grant_type"},
		{"other app", tokenPath, formType, grant("client_id", "x").Encode(), 400, "invalid_client"},
		{"no app", tokenPath, formType, grant("client_id", "-").Encode(), 400, "client id"},
		{"other secret", tokenPath, formType, grant("client_secret", "x").Encode(), 400, "client secret"},
		{"other refresh token", tokenPath, formType, grant("refresh_token", "x").Encode(), 400, "invalid_grant"},
		{"other refresh token, legacy", "/oauth/v1/token", formType, grant("refresh_token", "x").Encode(), 400, `"status":"BAD_REFRESH_TOKEN"`},
		{"other secret, legacy", "/oauth/v1/token", formType, grant("client_secret", "x").Encode(), 400, `"status":"BAD_CLIENT_SECRET"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := open(t, sandbox.Options{App: app})
			got := a.exchange(test.path, test.mediaType, test.body)
			got.expect(t, test.status, test.says)
			if strings.Contains(got.text, app.ClientSecret) || test.status != 200 && strings.Contains(got.text, app.RefreshToken) {
				t.Errorf("shows a secret: %s", got.text)
			}
		})
	}
	open(t, sandbox.Options{}).exchange(tokenPath, formType, good).expect(t, 404)
}

func TestApp_AccessTokensEnd(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	short := app
	short.Life = time.Minute
	a := open(t, sandbox.Options{App: short, Now: func() time.Time { return now }})
	list := func() answer { return a.must("GET", "/crm/objects/2026-09/contacts?limit=1", "") }
	list().expect(t, 401, "INVALID_AUTHENTICATION")
	first := a.renew("refresh-0")
	if first.ExpiresIn != 60 || first.Refresh != "refresh-0" {
		t.Errorf("got %+v", first)
	}
	list().expect(t, 200)
	now = now.Add(time.Minute - 1)
	list().expect(t, 200)
	now = now.Add(1)
	list().expect(t, 401, "EXPIRED_AUTHENTICATION", "expired 0 second(s) ago")
	a.renew("refresh-0")
	list().expect(t, 200)
	a.ExpireTokens()
	list().expect(t, 401, "EXPIRED_AUTHENTICATION")
	a.renew("refresh-0")
	a.Revoke()
	list().expect(t, 401)
	a.exchange(tokenPath, formType, grant().Encode()).expect(t, 400, "invalid_grant")
	a.Restore()
	list().expect(t, 200)
}

func TestApp_ReplacesRefreshTokens(t *testing.T) {
	rotating := app
	rotating.Rotates = true
	a := open(t, sandbox.Options{App: rotating})
	next := a.renew("refresh-0").Refresh
	a.exchange(tokenPath, formType, grant().Encode()).expect(t, 400, "invalid_grant")
	if last := a.renew(next).Refresh; last == next {
		t.Error("the second exchange replaced nothing")
	}
	if got := a.Requests()["POST token"]; got != 3 {
		t.Errorf("counted %d exchanges, want 3", got)
	}
}
