package mapping

import (
	"slices"

	"crmsync/crm"
)

// UsesOwner reports whether any field of the object looks up an owner.
func (m *Mapper) UsesOwner(o crm.Object) bool {
	return m.objects[o] != nil && slices.ContainsFunc(m.objects[o].fields, func(f field) bool { return f.usesOwner })
}

// OwnerField reports whether a CRM field of the object looks up an owner. It is
// false for a field that is not mapped.
func (m *Mapper) OwnerField(o crm.Object, name string) bool {
	return m.objects[o] != nil && slices.ContainsFunc(m.objects[o].fields, func(f field) bool {
		return f.name == name && f.usesOwner
	})
}
