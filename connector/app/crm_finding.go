package app

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
)

// crmFinding is what the CRM answered instead.
func crmFinding(cfg *config.Config, object crm.Object, err error) finding {
	a, _ := adapterOf(cfg) // cfg is sound; without hints there is less advice
	e := crm.AsError(err)
	f := finding{Finding: connector.Finding{
		Severity: connector.SeverityError, Variable: "CRMSYNC_CRM", Object: string(object), Field: e.Field,
		Code: e.Kind.String(), Message: e.Error(),
	}}
	switch {
	case e.Kind == crm.RateLimited:
		f.Remedy = "try again later"
	case elsewhere(e):
		f.Variable, f.Code, f.Remedy = cmp.Or(a.hints.address, f.Variable), "address", a.hints.remedyElsewhere()
	case e.Kind == crm.Unauthorized && e.Status == http.StatusForbidden:
		f.Variable, f.Code = cmp.Or(a.variable(e.Option), f.Variable), connector.CodeNoPermission
		f.Message = "the credentials are valid, but not allowed to do all that is needed: " + cmp.Or(e.Message, "the CRM does not say what is missing")
		f.Remedy = "add what is missing to the key or app in the CRM"
	case e.Kind == crm.Unauthorized:
		f.Variable = cmp.Or(a.variable(e.Option), f.Variable)
		f.Remedy = "copy the credentials again from the CRM: they are wrong, or not valid any more"
	case e.Kind == crm.Unavailable:
		f.Variable = cmp.Or(a.hints.address, f.Variable)
		f.Remedy = "check the address, the network, HTTPS_PROXY and CRMSYNC_TLS_CA"
	case e.Kind == crm.Misconfigured:
		f.Remedy = "mend it in the CRM or change the mapping"
	default:
		f.Remedy = "the CRM says why; try again, and ask its support when it stays"
	}
	return f
}

// elsewhere reports whether the answer is none of the CRM's API, or that the API
// has no such path: the commands only ask for what every account has.
func elsewhere(e *crm.Error) bool {
	missing := e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed
	return e.Code == crm.CodeForeign || missing && e.Field == ""
}

// remedyElsewhere is for a CRM that was looked for in the wrong place.
func (h hints) remedyElsewhere() string {
	var places []string
	for _, variable := range []string{h.address, h.version} {
		if variable != "" {
			places = append(places, variable)
		}
	}
	if places == nil {
		return "check what answers in the place of the CRM"
	}
	return "this is not how the CRM's API answers: check " + strings.Join(places, " and ") + ", and what is between, such as a proxy"
}

// tell ends a command that asked the CRM with err: what the CRM refused is
// printed as check prints it.
func (s *session) tell(cfg *config.Config, err error) error {
	refused, ok := errors.AsType[*crm.Error](err)
	if !ok || s.ctx.Err() != nil {
		return err
	}
	return errors.Join(printFindings(s.stderr, []finding{crmFinding(cfg, "", refused)}, false), errTold)
}
