package sandbox

import (
	"crypto/subtle"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// App is an OAuth app that is installed in the account.
type App struct {
	ClientID, ClientSecret string
	// RefreshToken is exchanged for access tokens.
	RefreshToken string
	// Rotates replaces the refresh token by each exchange.
	Rotates bool
	// Life is how long an access token is accepted, in whole seconds; 0 is 30
	// minutes.
	Life time.Duration
}

// tokenAnswer is the answer to an exchange.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/oauth/working-with-oauth
type tokenAnswer struct {
	AccessToken  string   `json:"access_token"`
	RefreshToken string   `json:"refresh_token"`
	ExpiresIn    int      `json:"expires_in"` // seconds
	TokenType    string   `json:"token_type"`
	HubID        int      `json:"hub_id"`
	Scopes       []string `json:"scopes"`
}

// routeTokens registers the token endpoint of every version if there is an App.
func (s *Server) routeTokens(mux *http.ServeMux) {
	if s.opts.App == (App{}) {
		return
	}
	for _, version := range s.opts.Versions {
		path := "/oauth/" + version + "/token"
		if version == versionLegacy {
			path = "/oauth/v1/token"
		}
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { s.exchange(w, r, version) })
	}
}

// exchange answers a refresh token with an access token.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.checkGrant(r, version); fault != nil {
		writeError(w, fault)
		return
	}
	life := s.opts.App.Life
	if life == 0 {
		life = 30 * time.Minute
	}
	token := "access-" + newCorrelationID()
	s.issued[token] = s.opts.Now().Add(life)
	if s.opts.App.Rotates {
		s.refreshToken = "refresh-" + newCorrelationID()
	}
	writeJSON(w, http.StatusOK, tokenAnswer{
		AccessToken: token, RefreshToken: s.refreshToken, ExpiresIn: int(life.Seconds()),
		TokenType: "bearer", HubID: s.opts.Portal, Scopes: append([]string{}, s.opts.Scopes...),
	})
}

// checkGrant refuses a form that is not an exchange by the App. Credentials in
// the query are not looked at: they would end up in the logs of proxies.
func (s *Server) checkGrant(r *http.Request, version string) *apiError {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return newError(http.StatusUnsupportedMediaType, "", "HTTP 415 Unsupported Media Type")
	}
	if r.ParseForm() != nil {
		return refusedGrant(version, "BAD_REQUEST", "invalid_request", "the form cannot be read")
	}
	app, form := s.opts.App, r.PostForm
	switch {
	case form.Get("grant_type") != "refresh_token":
		return refusedGrant(version, "BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type")
	case !sameSecret(form, "client_id", app.ClientID):
		return refusedGrant(version, "BAD_CLIENT_ID", "invalid_client", "missing or unknown client id")
	case !sameSecret(form, "client_secret", app.ClientSecret):
		return refusedGrant(version, "BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
	case s.revoked, !sameSecret(form, "refresh_token", s.refreshToken):
		return refusedGrant(version, "BAD_REFRESH_TOKEN", "invalid_grant", "missing or invalid refresh token")
	}
	return nil
}

func sameSecret(form url.Values, name, want string) bool {
	return subtle.ConstantTimeCompare([]byte(form.Get(name)), []byte(want)) == 1
}

// refusedGrant says why in both ways that were seen: the legacy version in the
// status, the dated ones as OAuth wants it.
func refusedGrant(version, status, code, message string) *apiError {
	if version == versionLegacy {
		return &apiError{status: http.StatusBadRequest, Status: status, Message: message}
	}
	e := newError(http.StatusBadRequest, "", message)
	e.Error, e.ErrorDescription = code, message
	return e
}

// checkIssued refuses an access token that was not issued or has ended.
func (s *Server) checkIssued(token string) *apiError {
	end, known := s.issued[token]
	if !known {
		return newError(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. The token is not valid.")
	}
	if over := s.opts.Now().Sub(end); over >= 0 {
		return newError(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION",
			"The OAuth token used to make this call expired "+strconv.Itoa(int(over.Seconds()))+" second(s) ago.")
	}
	return nil
}

// ExpireTokens ends every access token of the App before its time.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range s.issued {
		s.issued[token] = s.opts.Now()
	}
}
