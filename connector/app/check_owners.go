package app

import (
	"context"
	"net/http"
	"slices"

	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

// checkOwners looks whether owner() can find anybody, if the mapping asks it.
func checkOwners(ctx context.Context, cfg *config.Config, client crm.Client) []finding {
	lookup := ownerLookup(cfg)
	finder, ok := client.(crm.OwnerFinder)
	if !ok || lookup == nil {
		return nil
	}
	owners, err := finder.Owners(ctx)
	if err != nil {
		return []finding{lookup.refused(cfg, err)}
	}
	if slices.ContainsFunc(owners, func(o crm.Owner) bool { return o.Active && o.Email != "" }) {
		return nil
	}
	lookup.Severity, lookup.Code = severityWarning, "no_owners"
	lookup.Message = "the CRM has no active owner with an address: owner() finds nobody"
	lookup.Remedy = "invite the reps into the CRM, or map the field without owner()"
	return []finding{*lookup}
}

// refused says that the owners cannot be read, which holds every record that
// needs one.
func (f *finding) refused(cfg *config.Config, err error) finding {
	wrong := crmFinding(cfg, "", err)
	wrong.Object, wrong.Field = f.Object, f.Field
	wrong.Message += "; " + f.Variable + " uses owner(), and waits for the owners"
	if crm.AsError(err).Status == http.StatusForbidden {
		wrong.Remedy = "let the credentials read owners, or map the field without owner()"
	}
	return wrong
}

// ownerLookup is about the first field that uses owner(), nil when none does. A
// CRM in memory has owners only while it lives.
func ownerLookup(cfg *config.Config) *finding {
	a, err := adapterOf(cfg)
	mapper, wrong := mapping.New(cfg.Mapping)
	if err != nil || wrong != nil || a.forgets {
		return nil
	}
	for _, object := range crm.Objects() {
		for _, field := range mapper.Fields(object) {
			if mapper.OwnerField(object, field) {
				return &finding{Variable: mapper.Variable(object, field), Object: string(object), Field: field}
			}
		}
	}
	return nil
}
