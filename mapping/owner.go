package mapping

import (
	"slices"

	"crmsync/crm"
)

// UsesOwner reports whether records of the object depend on owners: a field of
// it looks one up, or a filter of events that write it does.
func (m *Mapper) UsesOwner(o crm.Object) bool {
	for k, p := range m.filters {
		if p != nil && p.usesOwner && (o == crm.Company) == (k == KindOrg) {
			return true // a call writes its contact as well, and asks the filter of users about it
		}
	}
	return m.fieldsUseOwner(o)
}

func (m *Mapper) fieldsUseOwner(o crm.Object) bool {
	return m.objects[o] != nil && slices.ContainsFunc(m.objects[o].fields, func(f field) bool { return f.usesOwner })
}

// FilteredByOwner reports whether a filter that ev has to pass looks up an
// owner, so that nothing can be said of ev without the table.
func (m *Mapper) FilteredByOwner(ev *Event) bool {
	uses := func(k Kind) bool { return m.filters[k] != nil && m.filters[k].usesOwner }
	return uses(ev.Kind) || ev.Kind == KindCall && uses(KindUser)
}

// OwnerField reports whether a CRM field of the object looks up an owner. It is
// false for a field that is not mapped.
func (m *Mapper) OwnerField(o crm.Object, name string) bool {
	return m.objects[o] != nil && slices.ContainsFunc(m.objects[o].fields, func(f field) bool {
		return f.name == name && f.usesOwner
	})
}

// OwnerLookup is a place in the configuration that calls owner().
type OwnerLookup struct {
	Object   crm.Object // whose records depend on it
	Field    string     // "" for a filter
	Variable string
}

// OwnerLookups returns every place that calls owner(), fields first.
func (m *Mapper) OwnerLookups() []OwnerLookup {
	var places []OwnerLookup
	for _, o := range crm.Objects() {
		if m.Off(o) {
			continue
		}
		for _, f := range m.objects[o].fields {
			if f.usesOwner {
				places = append(places, OwnerLookup{o, f.name, f.Variable})
			}
		}
	}
	for _, k := range []Kind{KindCall, KindUser, KindOrg} {
		if p := m.filters[k]; p != nil && p.usesOwner {
			places = append(places, OwnerLookup{k.object(), "", p.Variable})
		}
	}
	return places
}
