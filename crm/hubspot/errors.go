package hubspot

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"crmsync/crm"
	"crmsync/crm/internal/transport"
)

// Codes of our own, for refusals to which HubSpot gives none.
const (
	codeDuplicateKey = "duplicate_key" // one batch names a record twice
	codeNonUnique    = "non_unique_id_property"
	codeErased       = "erased_address"

	notJSON = "the answer is not JSON"
)

// kinds says what HubSpot's words mean. Of several words in one problem the
// most specific one counts: code, then sub-category, then category.
var kinds = map[string]crm.Kind{
	codeMissingScopes:                       crm.Unauthorized,
	"PROPERTY_DOESNT_EXIST":                 crm.Misconfigured,
	"READ_ONLY_VALUE":                       crm.Misconfigured,
	"MISSING_REQUIRED_PROPERTY":             crm.Misconfigured, // an account's rule for every record
	"MISSING_CONDITIONAL_REQUIRED_PROPERTY": crm.Invalid,       // a rule that this record meets
	"VALIDATION_ERROR":                      crm.Invalid,
	"CONFLICTING_UNIQUE_VALUE":              crm.Conflict,
	"CONFLICT":                              crm.Conflict,
	"OBJECT_NOT_FOUND":                      crm.NotFound,
	"INVALID_IDENTIFIER":                    crm.NotFound, // of associations
	"RATE_LIMITS":                           crm.RateLimited,
}

// precedence decides between several details of one problem: what stops every
// record first, then what is final for this one.
var precedence = []crm.Kind{crm.Unauthorized, crm.Misconfigured, crm.RateLimited, crm.Invalid, crm.Conflict, crm.NotFound}

// texts that say what no code does, in lower case.
var wordings = []struct {
	contains string
	code     string
	kind     crm.Kind
}{
	{"duplicate ids found", codeDuplicateKey, crm.Invalid},
	{"by non-unique", codeNonUnique, crm.Misconfigured},
	{"non-unique property", codeNonUnique, crm.Misconfigured},
	{"not a unique property", codeNonUnique, crm.Misconfigured},
	{"blacklist", codeErased, crm.Invalid}, // an address erased under the GDPR
	{"blocklist", codeErased, crm.Invalid},
}

// The refusal of an owner who is unknown or deactivated. Not every answer names
// the property.
const (
	codeInvalidOwner = "INVALID_OWNER_ID"
	ownerProperty    = "hubspot_owner_id"
)

// wordForm is what codes, property names and request ids look like.
var wordForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// word is s when it looks like one, else "": members that are not scrubbed must
// not carry a value.
func word(s string) string {
	if wordForm.MatchString(s) {
		return s
	}
	return ""
}

var (
	existingID = regexp.MustCompile(`Existing ID: ?([0-9]+)`)
	oldForm    = "Property values were not valid: "
)

// finding is what a problem says once its words are understood.
type finding struct {
	kind    crm.Kind
	known   bool // some word was understood
	code    string
	field   string
	message string
}

// understand finds the detail of p that decides, else judges p as a whole.
func (c *Client) understand(p problem) finding {
	if f, ok := c.byWording(p); ok {
		return f
	}
	best := finding{}
	all := allDetails(p)
	for _, detail := range all {
		f := byCode(detail)
		if f.known && (!best.known || rank(f.kind) < rank(best.kind)) {
			best = f
		}
	}
	if !best.known {
		best = byCode(p).about(all)
	}
	best.message = cmp.Or(best.message, string(p.Message))
	if best.code == "" {
		best.code = string(cmp.Or(p.Code, lastPart(p.SubCategory), p.Category))
	}
	return best
}

// about adds the field that a detail names whose code is not known.
func (f finding) about(details []problem) finding {
	for _, detail := range details {
		if d := byCode(detail); f.field == "" && d.field != "" {
			f.field = d.field
			f.code = cmp.Or(string(detail.Code), f.code)
			f.message = cmp.Or(d.message, f.message)
		}
	}
	return f
}

func rank(k crm.Kind) int { return slices.Index(precedence, k) }

func (c *Client) byWording(p problem) (finding, bool) {
	lower := strings.ToLower(string(p.Message))
	for _, w := range wordings {
		if !strings.Contains(lower, w.contains) {
			continue
		}
		f := finding{kind: w.kind, known: true, code: w.code, message: string(p.Message)}
		for _, detail := range allDetails(p) { // the part that says it reads better than the whole
			if strings.Contains(strings.ToLower(string(detail.Message)), w.contains) {
				f.message, f.field = string(detail.Message), byCode(detail).field
				break
			}
		}
		if w.code == codeNonUnique {
			f.field = c.idProperty
		}
		return f, true
	}
	return finding{}, false
}

func byCode(p problem) finding {
	f := finding{message: string(p.Message)}
	if names := p.Context.any("propertyName", "propertyNames", "property"); len(names) > 0 {
		f.field = names[0]
	}
	for _, word := range []text{p.Code, lastPart(p.SubCategory), p.Category} {
		kind, known := kinds[string(word)]
		if !known && strings.HasPrefix(string(word), "INVALID_") {
			kind, known = crm.Invalid, true
		}
		if known {
			f.kind, f.known, f.code = kind, true, string(word)
			if word == codeInvalidOwner {
				f.field = cmp.Or(f.field, ownerProperty)
			}
			return f
		}
	}
	return f
}

// lastPart is INVALID_IDENTIFIER of crm.associations.INVALID_IDENTIFIER.
func lastPart(t text) text { return t[strings.LastIndexByte(string(t), '.')+1:] }

// allDetails are the things that p says are wrong, the packed ones included.
func allDetails(p problem) []problem {
	all := slices.Concat(p.Errors, oldDetails(p))
	for _, detail := range p.Errors {
		all = append(all, oldDetails(detail)...)
	}
	return all
}

// oldDetails reads the JSON that an older form of the API packs into a message.
func oldDetails(p problem) []problem {
	_, packed, found := strings.Cut(string(p.Message), oldForm)
	if !found {
		return nil
	}
	var items []struct {
		Error   text `json:"error"`
		Name    text `json:"name"`
		Message text `json:"message"`
	}
	if json.NewDecoder(strings.NewReader(packed)).Decode(&items) != nil {
		return nil
	}
	var all []problem
	for _, i := range items {
		all = append(all, problem{
			Code: i.Error, Message: i.Message, Category: p.Category,
			Context: details{"propertyName": {string(i.Name)}},
		})
	}
	return all
}

// itemError is the error of one item of a batch. An item that says nothing we
// know is Unavailable, the safe kind.
func (c *Client) itemError(op string, r reply, p problem) *crm.Error {
	f := c.understand(p)
	e := &crm.Error{
		Kind: f.kind, Op: op, Status: r.status, Code: word(f.code), Field: word(f.field),
		Message:   c.transport.Scrub(f.message),
		RequestID: word(cmp.Or(string(p.CorrelationID), r.requestID)),
	}
	if scopes := missingScopes(p); len(scopes) > 0 {
		e.Message = c.transport.Scrub(lacking(p, scopes))
	}
	if e.Kind == crm.Conflict {
		switch ids := existingIDs(p); len(ids) {
		case 0:
		case 1:
			e.Holder = &crm.Ref{RemoteID: ids[0]}
		default:
			e.Code = crm.CodeAmbiguous
		}
	}
	return e
}

// codeMissingScopes says that the credentials are good for other things.
const codeMissingScopes = "MISSING_SCOPES"

// lacking names the scopes that are missing. HubSpot lists those of which any
// one would do, as well as those of which all are needed.
func lacking(p problem, scopes []string) string {
	words := "missing scopes: "
	if len(scopes) == 1 {
		words = "missing scope: "
	}
	for _, q := range append([]problem{p}, p.Errors...) {
		if len(scopes) > 1 && strings.Contains(strings.ToLower(string(q.Message)), "one or more") {
			words = "missing scope, one of: "
		}
	}
	return words + strings.Join(scopes, ", ")
}

// scope is the one that a request needs, as far as we know.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes
func (p paths) scope(q call) string {
	if q.path == p.owners {
		return "crm.objects.owners.read"
	}
	family, verb, object := "objects", "read", "contacts" // that of contacts covers calls
	if strings.HasPrefix(q.path, p.properties) {
		family = "schemas"
	}
	if q.writes != "" || family == "schemas" && q.method != http.MethodGet {
		verb = "write"
	}
	if strings.Contains(q.path, "/companies") {
		object = "companies"
	}
	return "crm." + family + "." + object + "." + verb
}

func missingScopes(p problem) []string {
	scopes := p.Context.any("requiredGranularScopes", "requiredScopes")
	for _, detail := range p.Errors {
		scopes = append(scopes, detail.Context.any("requiredGranularScopes", "requiredScopes")...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// existingIDs are the records that a conflict names.
func existingIDs(p problem) []string {
	var ids []string
	for _, q := range append([]problem{p}, p.Errors...) {
		ids = append(ids, q.Context.any("existingId", "existingObjectId")...)
		for _, m := range existingID.FindAllStringSubmatch(string(q.Message), -1) {
			ids = append(ids, m[1])
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// refused is the error of a request that was answered with another status than
// 2xx. It makes the whole account wait when the answer asks for that.
func (c *Client) refused(q call, resp *transport.Response, r reply) (reply, error) {
	switch {
	case resp.Status/100 == 3:
		r.problem = problem{Code: crm.CodeForeign, Message: text(redirection(resp.Header))}
	case len(resp.Body) == 0 || json.Unmarshal(resp.Body, &r.problem) == nil:
	case resp.Status >= http.StatusInternalServerError: // HubSpot's own outages are pages
		r.problem = problem{Message: notJSON}
	default:
		r.problem = problem{Code: crm.CodeForeign, Message: notJSON}
	}
	e := c.itemError(q.op, r, r.problem)
	if e.Code == codeMissingScopes && len(missingScopes(r.problem)) == 0 {
		e.Message = "HubSpot does not name the scope that is missing: it is most likely " + c.paths.scope(q)
	}
	e.Kind = c.kindOf(resp.Status, r.problem, e)
	e.RetryAfter = resp.RetryAfter
	if e.Kind == crm.Unauthorized {
		e.Option = c.credential
	}
	if e.Kind == crm.RateLimited {
		e.RetryAfter = max(e.RetryAfter, usualWait(resp.Status, string(r.problem.PolicyName)))
	}
	if e.RetryAfter > 0 {
		c.transport.Hold(e.RetryAfter)
	}
	if e.Kind != crm.Conflict {
		e.Holder = nil
	}
	return r, e
}

// redirection says where an answer points; a host is no secret, a path may be.
func redirection(h http.Header) string {
	const answer = "the answer is a redirect"
	u, err := url.Parse(h.Get("Location"))
	if err != nil || word(u.Hostname()) == "" {
		return answer
	}
	return answer + " to " + u.Hostname()
}

// kindOf settles what status and words say together.
func (c *Client) kindOf(status int, p problem, e *crm.Error) crm.Kind {
	understood := c.understand(p)
	switch status {
	case http.StatusForbidden:
		// A refusal that names an object or a field is about that one alone.
		named := e.Field != "" || len(p.Context.any("objectType", "objectTypeId")) > 0
		if named && e.Code != codeMissingScopes {
			return crm.Misconfigured
		}
	case http.StatusNotFound:
		// Without a record that is missing, the path itself is wrong.
		if understood.kind != crm.NotFound {
			return crm.Misconfigured
		}
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		if understood.known {
			return understood.kind
		}
	}
	return transport.KindOf(status)
}

// usualWait is how long a limit lasts when no Retry-After says so. DAILY ends
// at midnight of the portal's time zone, which we do not know: ask hourly.
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
func usualWait(status int, policy string) time.Duration {
	switch {
	case status == http.StatusLocked:
		return 2 * time.Second
	case status == 477: // HubSpot is moving the portal
		return time.Minute
	case policy == "SECONDLY":
		return time.Second
	case policy == "DAILY":
		return time.Hour
	}
	return 10 * time.Second
}

// aboutRecords reports whether a refused batch is the fault of some record in
// it: alone, the record gets the error; together, the batch is to be halved.
func aboutRecords(e *crm.Error) bool {
	return e.Kind == crm.Invalid || e.Kind == crm.Conflict || e.Kind == crm.NotFound
}
