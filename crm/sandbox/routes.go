package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The API versions. A new dated version appears every March and September.
// https://developers.hubspot.com/docs/developer-tooling/platform/versioning
const (
	version202609 = "2026-09"
	version202603 = "2026-03"
	versionLegacy = "v3"
)

// access says which scopes an endpoint asks for.
type access int

const (
	reads access = iota
	writes
	readsSchema
	writesSchema
	readsOwners
	readsAccount
)

// call is one request on its way through a handler.
type call struct {
	r       *http.Request
	version string
	body    []byte
	now     time.Time
	object  *table // nil for owners and the account
	to      *table // of associations, else nil
}

// query returns a query parameter, or fallback when it is not set.
func (c *call) query(name, fallback string) string {
	if v := c.r.URL.Query().Get(name); v != "" {
		return v
	}
	return fallback
}

// partial is the status of a batch that was carried out in part: since
// 2026-09 the errors are only told by the body.
func (c *call) partial(whole int) int {
	if c.version == version202609 {
		return whole
	}
	return http.StatusMultiStatus
}

// reply is a success; a nil body is none at all.
type reply struct {
	status int
	body   any
}

type endpoint struct {
	method, family, rest string
	access               access
	handle               func(*Server, *call) (reply, *apiError)
}

func endpoints() []endpoint {
	return []endpoint{
		{"POST", "objects", "/{object}/batch/create", writes, (*Server).createBatch},
		{"POST", "objects", "/{object}/batch/read", reads, (*Server).readBatch},
		{"POST", "objects", "/{object}/batch/update", writes, (*Server).updateBatch},
		{"POST", "objects", "/{object}/batch/upsert", writes, (*Server).upsertBatch},
		{"POST", "objects", "/{object}/batch/archive", writes, (*Server).archiveBatch},
		{"GET", "objects", "/{object}", reads, (*Server).list},
		{"POST", "objects", "/{object}", writes, (*Server).createOne},
		{"GET", "objects", "/{object}/{id}", reads, (*Server).readOne},
		{"PATCH", "objects", "/{object}/{id}", writes, (*Server).updateOne},
		{"DELETE", "objects", "/{object}/{id}", writes, (*Server).archiveOne},
		{"GET", "properties", "/{object}", readsSchema, (*Server).listProperties},
		{"POST", "properties", "/{object}", writesSchema, (*Server).createProperty},
		{"GET", "properties", "/{object}/{name}", readsSchema, (*Server).readProperty},
		{"POST", "properties", "/{object}/batch/create", writesSchema, (*Server).createProperties},
		{"GET", "properties", "/{object}/groups", readsSchema, (*Server).listGroups},
		{"POST", "properties", "/{object}/groups", writesSchema, (*Server).createGroup},
		{"GET", "owners", "", readsOwners, (*Server).listOwners},
		{"GET", "owners", "/{id}", readsOwners, (*Server).readOwner},
		{"POST", "associations", "/{object}/{to}/batch/associate/default", writes, (*Server).associateDefault},
		{"POST", "associations", "/{object}/{to}/batch/create", writes, (*Server).associateLabelled},
		{"POST", "associations", "/{object}/{to}/batch/read", reads, (*Server).readAssociations},
		{"POST", "associations", "/{object}/{to}/batch/archive", writes, (*Server).dissociate},
		{"GET", "account-info", "/details", readsAccount, (*Server).readAccount},
	}
}

// base is what the paths of e's family begin with.
func (e endpoint) base(version string) string {
	switch {
	case e.family == "account-info":
		return "/account-info/" + version
	case version == versionLegacy && e.family == "associations":
		return "/crm/v4/associations"
	case version == versionLegacy:
		return "/crm/v3/" + e.family
	}
	return "/crm/" + e.family + "/" + version
}

// routes registers every endpoint under every version that is served.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range endpoints() {
		for _, version := range s.opts.Versions {
			mux.HandleFunc(e.method+" "+e.base(version)+e.rest, func(w http.ResponseWriter, r *http.Request) {
				s.serve(w, r, version, e)
			})
		}
	}
	s.routeTokens(mux)
	s.routeTokenInfo(mux)
	return mux
}

// serve carries out one request that found its endpoint.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, version string, e endpoint) {
	body, _ := io.ReadAll(r.Body) // from memory
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{r: r, version: version, body: body, now: s.opts.Now().UTC()}
	if fault := s.admit(c, e); fault != nil {
		writeError(w, fault)
		return
	}
	out, fault := e.handle(s, c)
	if fault != nil {
		writeError(w, fault)
		return
	}
	writeJSON(w, out.status, out.body)
}

// admit refuses what is refused before the body is looked at.
func (s *Server) admit(c *call, e endpoint) *apiError {
	if fault := s.authenticate(c.r); fault != nil {
		return fault
	}
	for _, name := range []string{"object", "to"} {
		if value := c.r.PathValue(name); value != "" && s.table(value) == nil {
			return invalid("Unable to infer object type from: %s", value)
		}
	}
	c.object, c.to = s.table(c.r.PathValue("object")), s.table(c.r.PathValue("to"))
	for _, anyOf := range neededScopes(c, e.access) {
		if s.opts.Scopes != nil && !slices.ContainsFunc(anyOf, func(scope string) bool { return slices.Contains(s.opts.Scopes, scope) }) {
			return missingScopes(anyOf)
		}
	}
	if e.method == http.MethodPost || e.method == http.MethodPatch {
		if media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || media != "application/json" {
			return newError(http.StatusUnsupportedMediaType, "", "HTTP 415 Unsupported Media Type")
		}
	}
	return nil
}

func (s *Server) authenticate(r *http.Request) *apiError {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "":
		return newError(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview")
	case s.revoked:
		return newError(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
	case s.opts.App != App{}:
		return s.checkIssued(token)
	case s.token != "" && token != s.token:
		return newError(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. The token is not valid.")
	}
	return nil
}

// neededScopes lists what the token needs: one scope of each list. Calls have
// no scopes of their own, those of contacts cover them; a schema may be read by
// whoever may read the records, and the account by everybody: the scope for it
// comes with every token.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes
func neededScopes(c *call, a access) [][]string {
	if a == readsOwners {
		return [][]string{{"crm.objects.owners.read"}}
	}
	var needed [][]string
	for _, t := range []*table{c.object, c.to} {
		if t == nil {
			continue
		}
		switch a {
		case reads:
			needed = append(needed, []string{"crm.objects." + t.scope + ".read"})
		case writes:
			needed = append(needed, []string{"crm.objects." + t.scope + ".write"})
		case readsSchema:
			needed = append(needed, []string{"crm.schemas." + t.scope + ".read", "crm.objects." + t.scope + ".read"})
		case writesSchema:
			needed = append(needed, []string{"crm.schemas." + t.scope + ".write"})
		}
	}
	return needed
}

func writeError(w http.ResponseWriter, e *apiError) {
	e.CorrelationID = w.Header().Get(correlationHeader)
	writeJSON(w, e.status, e)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("sandbox: an answer cannot be marshalled: %v", err))
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text) // into memory
}
