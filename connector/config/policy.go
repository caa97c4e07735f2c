package config

import (
	"maps"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
)

// policyFields sets who wins which field, after the fields are known.
func (l *loader) policyFields() {
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		text := strings.TrimSpace(l.env[name])
		object, field, ok := cutPolicyVariable(name)
		if !ok || text == "" {
			continue
		}
		policy := mapping.Policy(strings.ToLower(text))
		e, mapped := l.cfg.Mapping.Fields[object][field]
		switch {
		case quoted(text):
			l.problem(name, CodeBadValue, "is wrapped in quotes, which become part of the value", "remove the quotes")
		case !slices.Contains(mapping.Policies(), policy):
			l.problem(name, CodeBadValue, "must be one of "+policyNames(), "for example "+name+"="+string(mapping.IfEmpty))
		case l.key != "" && strings.EqualFold(field, l.key):
			l.problem(name, CodeNoEffect, "is about the field that holds our ids, which is always written", "remove it")
		case !mapped && l.cfg.Unread[object]: // maybe it is
		case !mapped:
			l.problem(name, CodeNoEffect, "is about a field that is not mapped", l.mappedNear(object, field))
		default:
			e.Policy = policy
			l.cfg.Mapping.Fields[object][field] = e
			l.cfg.inForce = append(l.cfg.inForce, InForce{name, string(policy), FromEnvironment, object, field})
		}
	}
}

// cutPolicyVariable takes the variable of a policy apart.
func cutPolicyVariable(variable string) (object crm.Object, field string, ok bool) {
	for _, object := range crm.Objects() {
		if field, ok := strings.CutPrefix(variable, policyFieldPrefix(object)); ok {
			return object, field, true
		}
	}
	return "", "", false
}

// mappedNear says which field may have been meant.
func (l *loader) mappedNear(object crm.Object, field string) string {
	fields := slices.Sorted(maps.Keys(l.cfg.Mapping.Fields[object]))
	if near := mapping.Nearest(field, fields); near != "" {
		return "did you mean " + policyFieldPrefix(object) + near + "?"
	}
	return "map the field with " + fieldPrefix(object) + field + ", or remove this variable"
}

func policyNames() string {
	var names []string
	for _, p := range mapping.Policies() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}
