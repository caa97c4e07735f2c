package app

import (
	"context"
	"net/http"
	"slices"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

// checkOwners reads the owners, for the rules, and looks whether owner() can
// find anybody, if the mapping or a filter asks it. A CRM in memory has owners
// only while it lives.
func (e *examination) checkOwners(ctx context.Context, client crm.Client) []finding {
	a, err := adapterOf(e.cfg)
	finder, ok := client.(crm.OwnerFinder)
	if err != nil || !ok || a.forgets || !e.mapped {
		return nil
	}
	lookups := e.rules.Mapper.OwnerLookups()
	owners, err := finder.Owners(ctx)
	if err != nil {
		if len(lookups) == 0 && e.cfg.DefaultOwner == "" {
			return nil // nobody asks
		}
		return []finding{ownersRefused(e.cfg, lookups, err)}
	}
	e.rules.Owners = append([]crm.Owner{}, owners...)
	return append(defaultOwnerFindings(e.cfg, lookups, owners), lookupFindings(lookups, owners)...)
}

// lookupFindings is about the first place that calls owner().
func lookupFindings(lookups []mapping.OwnerLookup, owners []crm.Owner) []finding {
	if len(lookups) == 0 || slices.ContainsFunc(owners, func(o crm.Owner) bool { return o.Active && o.Email != "" }) {
		return nil
	}
	return []finding{{Finding: connector.Finding{
		Severity: connector.SeverityWarning, Variable: lookups[0].Variable,
		Object: string(lookups[0].Object), Field: lookups[0].Field, Code: connector.CodeNoOwners,
		Message: "the CRM has no active owner with an address: owner() finds nobody",
		Remedy:  "invite the reps into the CRM, or do without owner()",
	}}}
}

// defaultOwnerFindings is about the owner of records that have no other.
func defaultOwnerFindings(cfg *config.Config, lookups []mapping.OwnerLookup, owners []crm.Owner) []finding {
	if cfg.DefaultOwner != "" && len(lookups) == 0 {
		return []finding{{Finding: connector.Finding{
			Severity: connector.SeverityWarning, Variable: "CRMSYNC_DEFAULT_OWNER", Code: config.CodeNoEffect,
			Message: "is not used: no expression asks for an owner",
			Remedy:  "map the owner with owner(user.email), or remove it",
		}}}
	}
	if cfg.DefaultOwner == "" || slices.ContainsFunc(owners, func(o crm.Owner) bool { return o.Active && o.ID == cfg.DefaultOwner }) {
		return nil
	}
	return []finding{{Finding: connector.Finding{
		Severity: connector.SeverityError, Variable: "CRMSYNC_DEFAULT_OWNER", Code: connector.CodeUnknownOwner,
		Message: "is not the id of an active owner, who has to be a person",
		Remedy:  "look the id up among the owners of the CRM: neither the user id nor that of a team or queue will do",
	}}}
}

// ownersRefused says that the owners cannot be read, which holds every record
// that needs one.
func ownersRefused(cfg *config.Config, lookups []mapping.OwnerLookup, err error) finding {
	wrong := crmFinding(cfg, "", err)
	asks := "CRMSYNC_DEFAULT_OWNER"
	if len(lookups) > 0 {
		wrong.Object, wrong.Field = string(lookups[0].Object), lookups[0].Field
		asks = lookups[0].Variable + " uses owner(), and"
	}
	wrong.Message += "; " + asks + " waits for the owners"
	if crm.AsError(err).Status == http.StatusForbidden {
		wrong.Remedy = "let the credentials read owners, or do without owner()"
	}
	return wrong
}
