package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
)

// tokenInfo is what a token of a private app may do.
// https://developers.hubspot.com/docs/apps/legacy-apps/private-apps/overview
type tokenInfo struct {
	UserID int      `json:"userId"`
	HubID  int      `json:"hubId"`
	AppID  int      `json:"appId"`
	Scopes []string `json:"scopes"`
}

// routeTokenInfo registers the endpoint that tells it, unless there is an App: the
// tokens of those are not of a private app.
func (s *Server) routeTokenInfo(mux *http.ServeMux) {
	if s.opts.App != (App{}) {
		return
	}
	info := endpoint{access: readsAccount, method: http.MethodPost, handle: (*Server).readTokenInfo}
	mux.HandleFunc("POST /oauth/v2/private-apps/get/access-token-info", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, "", info)
	})
}

func (s *Server) readTokenInfo(c *call) (reply, *apiError) {
	var body struct {
		TokenKey string `json:"tokenKey"`
	}
	if json.Unmarshal(c.body, &body) != nil || body.TokenKey == "" {
		return reply{}, invalid("tokenKey is required")
	}
	if s.token != "" && body.TokenKey != s.token {
		return reply{}, newError(http.StatusNotFound, "OBJECT_NOT_FOUND", "the token is not valid")
	}
	return reply{http.StatusOK, tokenInfo{UserID: 1, HubID: s.opts.Portal, AppID: 2, Scopes: s.grantedScopes()}}, nil
}

// grantedScopes are those of the options, or every one that is asked for here.
func (s *Server) grantedScopes() []string {
	if s.opts.Scopes != nil {
		return slices.Clone(s.opts.Scopes)
	}
	all := []string{"oauth", "crm.objects.owners.read"}
	for _, t := range s.tables {
		for _, family := range []string{"objects", "schemas"} {
			all = append(all, "crm."+family+"."+t.scope+".read", "crm."+family+"."+t.scope+".write")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
