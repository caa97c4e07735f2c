package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"crmsync/crm"
	"crmsync/crm/internal/transport"
)

const opRefresh = "get an access token"

// What an access token lives when the answer does not say so, and the longest
// that is believed.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/oauth/working-with-oauth
const (
	usualTokenLife = 30 * time.Minute
	maxTokenLife   = 24 * time.Hour
)

// grant is what an account granted to an OAuth app: a refresh token that is
// exchanged for access tokens.
type grant struct {
	transport    *transport.Client // set before issue is called
	path         string
	clientID     string
	clientSecret string
	refreshToken string // HubSpot may replace it; calls of issue do not overlap

	scopes *scopes // those of the last access token
}

func newGrant(o Options) *grant {
	return &grant{
		path: newPaths(o.APIVersion).token, clientID: o.ClientID, clientSecret: o.ClientSecret, refreshToken: o.RefreshToken,
		scopes: new(scopes),
	}
}

// issue gets an access token. Its error is an *crm.Error, never about a record: a
// batch must not be blamed for it.
func (g *grant) issue(ctx context.Context) (transport.Token, error) {
	resp, err := g.transport.Do(ctx, transport.Request{
		Op: opRefresh, Method: http.MethodPost, Path: g.path, Repeatable: true, Anonymous: true,
		Form: url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {g.refreshToken},
			"client_id": {g.clientID}, "client_secret": {g.clientSecret},
		},
	})
	if err != nil {
		return transport.Token{}, err
	}
	if !resp.OK() {
		return transport.Token{}, g.refused(resp)
	}
	var answer struct {
		AccessToken  string   `json:"access_token"`
		RefreshToken string   `json:"refresh_token"`
		ExpiresIn    float64  `json:"expires_in"` // seconds
		Scopes       []string `json:"scopes"`
	}
	if json.Unmarshal(resp.Body, &answer) != nil || !tokenForm.MatchString(answer.AccessToken) {
		return transport.Token{}, &crm.Error{
			Kind: crm.Unavailable, Op: opRefresh, Status: resp.Status, Code: crm.CodeForeign, RequestID: requestID(resp), Message: notHubSpot,
		}
	}
	g.scopes.learn(answer.Scopes)
	if tokenForm.MatchString(answer.RefreshToken) {
		g.refreshToken = answer.RefreshToken
		g.transport.Hide(g.refreshToken)
	}
	return transport.Token{Value: answer.AccessToken, Life: tokenLife(answer.ExpiresIn)}, nil
}

func tokenLife(seconds float64) time.Duration {
	if seconds <= 0 {
		return usualTokenLife
	}
	return time.Duration(min(seconds, maxTokenLife.Seconds()) * float64(time.Second))
}

// advice says which option to look at and what to do.
type advice struct{ option, remedy string }

var (
	unknownApp   = advice{"CLIENT_ID", "HubSpot knows no app with this client id: copy CRMSYNC_HUBSPOT_CLIENT_ID again from the app's auth settings"}
	wrongSecret  = advice{"CLIENT_SECRET", "the client secret is not that of the app: copy CRMSYNC_HUBSPOT_CLIENT_ID and CRMSYNC_HUBSPOT_CLIENT_SECRET again from the app's auth settings"}
	wrongGrant   = advice{"REFRESH_TOKEN", "the refresh token was revoked, is unknown, or belongs to another app: install the app again and set the new CRMSYNC_HUBSPOT_REFRESH_TOKEN"}
	accountGone  = advice{"REFRESH_TOKEN", "the account is gone or has removed the app: install the app again and set the new CRMSYNC_HUBSPOT_REFRESH_TOKEN"}
	otherRefusal = advice{"REFRESH_TOKEN", "check CRMSYNC_HUBSPOT_CLIENT_ID, CRMSYNC_HUBSPOT_CLIENT_SECRET and CRMSYNC_HUBSPOT_REFRESH_TOKEN"}
)

// refusals are those that no waiting ends, by HubSpot's codes: those of OAuth
// (https://www.rfc-editor.org/rfc/rfc6749#section-5.2) and its own older ones.
var refusals = map[string]advice{
	"BAD_CLIENT_ID":     unknownApp,
	"invalid_client":    wrongSecret,
	"BAD_CLIENT_SECRET": wrongSecret,
	"invalid_grant":     wrongGrant,
	"BAD_REFRESH_TOKEN": wrongGrant,
	"BAD_HUB":           accountGone,
	"access_denied":     accountGone,
}

// refused is the error of an answer that is not 2xx.
func (g *grant) refused(resp *transport.Response) *crm.Error {
	e := &crm.Error{
		Kind: crm.Unavailable, Op: opRefresh, Status: resp.Status,
		RequestID: requestID(resp), RetryAfter: resp.RetryAfter,
	}
	switch kind := transport.KindOf(resp.Status); kind {
	case crm.RateLimited:
		e.Kind, e.RetryAfter = kind, max(e.RetryAfter, usualWait(resp.Status, ""))
	case crm.Unauthorized, crm.Invalid:
		e.Kind = crm.Unauthorized
		g.explain(e, resp.Body)
	case crm.NotFound:
		e.Message = "there is no token endpoint: check CRMSYNC_HUBSPOT_BASE_URL and CRMSYNC_HUBSPOT_API_VERSION"
	}
	if e.RetryAfter > 0 {
		g.transport.Hold(e.RetryAfter)
	}
	return e
}

// explain says what to do about a refusal, whose code stands in one of several
// places. HubSpot's own words are added when no code is known.
func (g *grant) explain(e *crm.Error, body []byte) {
	var answer struct {
		Error    text `json:"error"`
		Category text `json:"category"`
		Status   text `json:"status"`
		Message  text `json:"message"`
	}
	_ = json.Unmarshal(body, &answer) // what cannot be read says nothing
	for _, code := range []text{answer.Error, answer.Category, answer.Status} {
		if r, known := refusals[string(code)]; known {
			e.Code, e.Option, e.Message = string(code), r.option, r.remedy
			return
		}
	}
	e.Code = word(g.transport.Scrub(string(cmp.Or(answer.Error, answer.Category))))
	e.Option, e.Message = otherRefusal.option, otherRefusal.remedy
	if words := g.transport.Scrub(string(answer.Message)); words != "" {
		e.Message = words + ": " + e.Message
	}
}

func requestID(resp *transport.Response) string {
	return word(resp.Header.Get("X-HubSpot-Correlation-Id"))
}
