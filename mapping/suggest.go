package mapping

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/builtin"

	"crmsync/crm"
)

// otherWords are how other languages and CRMs call what is known here.
var otherWords = map[string]string{
	"null": "nil", "none": "nil", "undefined": "nil",
	"contact": "user", "person": "user", "activity": "call", "company": "org", "organization": "org", "organisation": "org",
}

// suggest says what may have been meant by a name, unless it is a good one.
func (e *ExpressionError) suggest(used usedName, o crm.Object) {
	if used.of == nil {
		e.suggestVariable(used.name, o)
		return
	}
	names := members(used.of)
	if used.of.Kind() != reflect.Struct || slices.Contains(names, used.name) {
		return
	}
	e.Suggestion = pathTo([]place{{"", used.of}}, used.name)
	if f := functionFor(used); e.Suggestion == "" && f != "" {
		e.Suggestion = f
	}
	if e.Suggestion == "" {
		e.Suggestion = Nearest(used.name, names)
	}
	if e.Suggestion == "" {
		e.Names = names
	}
}

// suggestVariable is about a name that stands alone: most often it is that of a
// member.
func (e *ExpressionError) suggestVariable(name string, o crm.Object) {
	names := globals()
	if slices.Contains(names, name) {
		return
	}
	e.Suggestion = otherWords[strings.ToLower(name)]
	if e.Suggestion == "" {
		e.Suggestion = pathTo(variables(o), name)
	}
	if e.Suggestion == "" {
		e.Suggestion = Nearest(name, names)
	}
}

// globals are the names that can stand alone.
func globals() []string {
	names := append(members(reflect.TypeFor[env]()), "true", "false", "nil")
	names = slices.AppendSeq(names, maps.Keys(signatures))
	for _, name := range builtin.Names {
		if disabled[name] == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// members are the names of the members of a type.
func members(t reflect.Type) []string {
	var names []string
	if t = indirect(t); t.Kind() == reflect.Struct && t != timeType {
		for i := range t.NumField() {
			names = append(names, t.Field(i).Tag.Get("expr"))
		}
	}
	slices.Sort(names)
	return names
}

// place is where members can be found, as it is written in an expression.
type place struct {
	path string
	of   reflect.Type
}

// variables are where an expression about an object finds members, its own
// subject first.
func variables(o crm.Object) []place {
	own := map[crm.Object]string{crm.Contact: "user", crm.Activity: "call", crm.Company: "org"}[o]
	var all []place
	for _, p := range (place{"", reflect.TypeFor[env]()}).inside() {
		if p.path == own {
			all = slices.Insert(all, 0, p)
		} else {
			all = append(all, p)
		}
	}
	return all
}

// inside returns the places one step further in.
func (p place) inside() []place {
	var all []place
	for i := range p.of.NumField() {
		f := p.of.Field(i)
		next := place{strings.TrimPrefix(p.path+"."+f.Tag.Get("expr"), "."), indirect(f.Type)}
		if next.of.Kind() == reflect.Slice {
			next = place{next.path + "[0]", indirect(next.of.Elem())}
		}
		if next.of.Kind() == reflect.Struct && next.of != timeType {
			all = append(all, next)
		}
	}
	return all
}

// pathTo returns the shortest way to a member of which a field can be made, ""
// when there is none. Case does not count.
func pathTo(from []place, name string) string {
	for len(from) > 0 {
		var further []place
		for _, p := range from {
			for i := range p.of.NumField() {
				f := p.of.Field(i)
				if tag := f.Tag.Get("expr"); strings.EqualFold(tag, name) && unwritable(f.Type) == "" {
					return strings.TrimPrefix(p.path+"."+tag, ".")
				}
			}
			further = append(further, p.inside()...)
		}
		from = further
	}
	return ""
}

// functionFor returns the call of a function that somebody took for a member,
// such as averageScore(call) for call.averageScore.
func functionFor(used usedName) string {
	for name, alternatives := range signatures {
		if !strings.EqualFold(name, used.name) {
			continue
		}
		if takes := reflect.TypeOf(alternatives[0]).Elem().In(0); indirect(takes) == used.of && used.of == reflect.TypeFor[Call]() {
			return name + "(call)"
		}
		if used.of == reflect.TypeFor[User]() && (name == "firstName" || name == "lastName") {
			return name + "(user.name)"
		}
	}
	return ""
}
