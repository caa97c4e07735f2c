package connector

import (
	"crypto/sha256"
	"encoding/json"

	"crmsync/crm"
	"crmsync/mapping"
)

// fingerprintSize is enough bytes of a hash to tell the mappings that one state
// ever sees from each other.
const fingerprintSize = 8

// Fingerprints returns, for each object that is on, what tells the mapping in
// force from others that would make another record of the same event. Filters
// are left out: they decide which events count, not how a record comes out.
// Store and Client are not used.
func Fingerprints(o DispatcherOptions) map[string][]byte {
	deleted := map[crm.Object]DeletePolicy{
		crm.Contact: orDefault(o.UserDeleted, DeleteMark),
		crm.Company: orDefault(o.OrgDeleted, DeleteMark),
	}
	fingerprints := map[string][]byte{}
	var on []crm.Object // a record links to those that are written before it
	for _, object := range crm.Objects() {
		if o.Mapper.Off(object) {
			continue
		}
		on = append(on, object)
		fingerprints[string(object)] = fingerprint([]any{
			fieldRules(o.Mapper, object, o.DefaultOwner), deleted[object], on,
			o.Mapper.DurationUnit(), o.Mapper.TimeZone().String(),
		})
	}
	return fingerprints
}

// fieldRule is what decides the value of one field.
type fieldRule struct {
	Source       string
	Policy       mapping.Policy
	DefaultOwner string // of a field that looks an owner up
}

func fieldRules(m *mapping.Mapper, object crm.Object, defaultOwner string) map[string]fieldRule {
	rules := map[string]fieldRule{}
	for name, e := range m.Expressions(object) {
		rule := fieldRule{Source: e.Source, Policy: orDefault(e.Policy, mapping.Always)}
		if m.OwnerField(object, name) {
			rule.DefaultOwner = defaultOwner
		}
		rules[name] = rule
	}
	return rules
}

// fingerprint hashes parts that encode: maps do so with sorted keys.
func fingerprint(parts []any) []byte {
	data, err := json.Marshal(parts)
	if err != nil {
		return nil // the fingerprint of what is not known
	}
	sum := sha256.Sum256(data)
	return sum[:fingerprintSize]
}
