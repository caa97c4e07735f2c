package mapping

import "crmsync/crm"

// UsesOwner reports whether any field of the object looks up an owner.
func (m *Mapper) UsesOwner(o crm.Object) bool {
	return m.objects[o] != nil && m.objects[o].usesOwner
}
