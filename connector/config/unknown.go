package config

import (
	"maps"
	"slices"
	"strings"

	"crmsync/crm"
)

// unknown reports the variables that nobody reads. An empty one counts as unset,
// except where it would remove a field.
func (l *loader) unknown() {
	known := variables(coreSettings())
	for _, a := range l.Adapters {
		known = append(known, variables(a.settings())...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		_, _, isField := cutFieldVariable(name)
		_, _, isPolicy := cutPolicyVariable(name)
		unset := l.env[name] == "" && !strings.HasPrefix(name, mapPrefix)
		_, isOther := l.otherCRM(name)
		if isField || isPolicy || unset || isOther || !strings.HasPrefix(strings.ToUpper(name), prefix) || slices.Contains(known, name) {
			continue
		}
		remedy := "crmsync config --example lists the variables"
		if suggestion := suggest(name, known); suggestion != "" {
			remedy = "did you mean " + suggestion + "?"
		}
		l.problem(name, CodeUnknownVariable, "is not a variable of crmsync", remedy)
	}
}

// suggest returns the name that was most likely meant. For the variables of
// single fields only the part before the field is compared.
func suggest(name string, known []string) string {
	if bare, isFile := strings.CutSuffix(name, fileSuffix); isFile && slices.Contains(known, bare) {
		return bare // not a secret
	}
	for _, object := range crm.Objects() { // the name of a field stays as it is
		for _, p := range []string{fieldPrefix(object), policyFieldPrefix(object)} {
			if len(name) > len(p) && strings.EqualFold(name[:len(p)], p) {
				return p + name[len(p):]
			}
		}
	}
	bare := name[min(len(prefix), len(name)):]
	var candidates []string
	for _, k := range known {
		candidates = append(candidates, strings.TrimPrefix(k, prefix))
	}
	for _, object := range crm.Objects() {
		for _, p := range []string{fieldPrefix(object), policyFieldPrefix(object)} {
			p = strings.TrimPrefix(p, prefix)
			if parts := strings.SplitN(bare, "_", 3); len(parts) == 3 {
				head := parts[0] + "_" + parts[1] + "_"
				if Nearest(head, []string{p}) != "" {
					candidates = append(candidates, p+parts[2])
				}
			}
		}
	}
	if best := Nearest(bare, candidates); best != "" {
		return prefix + best
	}
	return ""
}
