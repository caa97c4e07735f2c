package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
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
		if suggestion := l.suggest(name, known); suggestion != "" {
			remedy = "did you mean " + suggestion + "?"
		}
		l.problem(name, CodeUnknownVariable, "is not a variable of crmsync", remedy)
	}
}

// suggest returns the name that was most likely meant.
func (l *loader) suggest(name string, known []string) string {
	if bare, isFile := strings.CutSuffix(name, fileSuffix); isFile && slices.Contains(known, bare) {
		return bare // not a secret
	}
	bare := strings.TrimPrefix(strings.ToUpper(name), prefix)
	for _, meant := range []string{l.ofTheCRM(bare, known), sameWords(bare, known), l.mappingName(name)} {
		if meant != "" {
			return meant
		}
	}
	var candidates []string
	for _, k := range known {
		candidates = append(candidates, strings.TrimPrefix(k, prefix))
	}
	if best := mapping.Nearest(bare, candidates); best != "" {
		return prefix + best
	}
	return ""
}

// ofTheCRM finds variables of the chosen CRM that were given without its name,
// such as CRMSYNC_TOKEN.
func (l *loader) ofTheCRM(bare string, known []string) string {
	name := (Adapter{Name: l.cfg.CRM}).prefix() + bare
	if l.cfg.CRM != "" && slices.Contains(known, name) {
		return name
	}
	return ""
}

// sameWords finds the name that has the same words in another order.
func sameWords(bare string, known []string) string {
	sorted := func(name string) string {
		words := strings.Split(name, "_")
		slices.Sort(words)
		return strings.Join(words, "_")
	}
	i := slices.IndexFunc(known, func(k string) bool { return sorted(strings.TrimPrefix(k, prefix)) == sorted(bare) })
	if i < 0 {
		return ""
	}
	return known[i]
}

// objectWords are what people call the objects: the events know calls, users and
// organisations, CRMs activities, contacts and companies.
var objectWords = map[string]crm.Object{
	"CONTACT": crm.Contact, "USER": crm.Contact,
	"ACTIVITY": crm.Activity, "CALL": crm.Activity,
	"COMPANY": crm.Company, "ORG": crm.Company,
}

// mappingForm is the name of a variable about the mapping as somebody may write it.
var mappingForm = regexp.MustCompile(`(?i)^CRMSYNC_(?:(MAP|POLICY|FILTER)[_-]?)?([A-Z]+?)(?:S|IES)?(?:[_-](.+))?$`)

// mappingName finds variables of fields, policies and filters. The name of a field
// stays as it is.
func (l *loader) mappingName(name string) string {
	m := mappingForm.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	kind, field := strings.ToUpper(m[1]), m[3]
	object := objectWords[mapping.Nearest(m[2], slices.Collect(maps.Keys(objectWords)))]
	switch {
	case object == "" && kind != "" && field == "": // CRMSYNC_POLICY_firstname
		return l.onlyMapped(kind, name[len(prefix)+len(kind)+1:])
	case object == "":
		return ""
	case kind == "FILTER" && field == "":
		return filterPrefix + map[crm.Object]string{crm.Contact: "USER", crm.Activity: "CALL", crm.Company: "ORG"}[object]
	case kind == "POLICY" && field != "":
		return policyFieldPrefix(object) + field
	case kind != "FILTER" && field != "":
		return fieldPrefix(object) + field
	case kind == "MAP":
		return strings.TrimSuffix(fieldPrefix(object), "_")
	}
	return ""
}

// onlyMapped names the variable of a field that one object alone has.
func (l *loader) onlyMapped(kind, field string) string {
	var found []string
	for _, object := range crm.Objects() {
		if _, mapped := l.cfg.Mapping.Fields[object][field]; mapped {
			found = append(found, prefix+kind+"_"+strings.ToUpper(string(object))+"_"+field)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}
