package mapping

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"crmsync/crm"
)

// Reasons for which an event as a whole writes nothing.
const (
	reasonFiltered  = "filtered"
	reasonObjectOff = "object_off"
)

// Mapper turns events into records by the expressions of a Config. It is
// immutable and safe for concurrent use.
type Mapper struct {
	objects map[crm.Object]*object
	filters map[Kind]*program
	unit    time.Duration
	zone    *time.Location
}

// object is what is mapped of one object.
type object struct {
	fields   []field           // by name
	policies map[string]Policy // of fields, without Always
}

// field is a CRM field and its expression.
type field struct {
	name string
	*program
}

// New compiles c. Its error is of type Errors and holds every expression that
// is wrong.
func New(c Config) (*Mapper, error) {
	unit := cmp.Or(c.DurationUnit, time.Second)
	zone := cmp.Or(c.TimeZone, time.UTC)
	m := &Mapper{objects: map[crm.Object]*object{}, filters: map[Kind]*program{}, unit: unit, zone: zone}
	compiler := newCompiler(functions{unit: unit, zone: zone})
	var failures Errors
	for _, o := range []crm.Object{crm.Contact, crm.Activity, crm.Company} {
		fields, on := c.Fields[o]
		if !on {
			continue
		}
		m.objects[o] = &object{policies: map[string]Policy{}}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			p, failure := compiler.field(o, name, fields[name])
			if failure != nil {
				failures = append(failures, failure)
				continue
			}
			m.objects[o].fields = append(m.objects[o].fields, field{name, p})
			if policy := fields[name].Policy; policy != "" && policy != Always {
				m.objects[o].policies[name] = policy
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.Filters)) {
		p, failure := compiler.filter(c.Filters[k], k)
		if failure != nil {
			failures = append(failures, failure)
		}
		m.filters[k] = p
	}
	if len(failures) > 0 {
		return nil, failures
	}
	return m, nil
}

// DurationUnit returns the unit of call.stats.duration.
func (m *Mapper) DurationUnit() time.Duration { return m.unit }

// TimeZone returns the zone of dates without time.
func (m *Mapper) TimeZone() *time.Location { return m.zone }

// Off reports whether the object is switched off.
func (m *Mapper) Off(o crm.Object) bool { return m.objects[o] == nil }

// Fields returns the mapped CRM fields of an object, sorted.
func (m *Mapper) Fields(o crm.Object) []string {
	if m.Off(o) {
		return nil
	}
	names := make([]string, len(m.objects[o].fields))
	for i, f := range m.objects[o].fields {
		names[i] = f.name
	}
	return names
}

// Expressions returns the expressions of an object by CRM field.
func (m *Mapper) Expressions(o crm.Object) map[string]Expression {
	if m.Off(o) {
		return nil
	}
	expressions := map[string]Expression{}
	for _, f := range m.objects[o].fields {
		expressions[f.name] = f.Expression
	}
	return expressions
}

// Policies returns the fields of an object that a person may win, by CRM field:
// those with another policy than Always. Callers must not change it.
func (m *Mapper) Policies(o crm.Object) map[string]Policy {
	if m.Off(o) {
		return nil
	}
	return m.objects[o].policies
}

// Variable returns the variable that configures a field, "" for a field that
// is not mapped.
func (m *Mapper) Variable(o crm.Object, field string) string {
	return m.Expressions(o)[field].Variable
}

// NeedsOwners reports whether mapping ev may ask for owners, so that Map must
// be given the table.
func (m *Mapper) NeedsOwners(ev *Event) bool {
	return m.FilteredByOwner(ev) || m.fieldsUseOwner(ev.Kind.object()) || ev.Kind == KindCall && m.fieldsUseOwner(crm.Contact)
}

// Map says what ev means for the CRM. It depends on its arguments only: the
// same event and owners always give the same records.
func (m *Mapper) Map(ev *Event, owners Owners) Mapped {
	run := newRun(m, ev, owners)
	if m.Off(ev.Kind.object()) {
		run.out.Skip = reasonObjectOff
		return run.out
	}
	passes := run.passes(ev.Kind)
	if !passes && ev.Verb != Deleted {
		run.out.Skip = reasonFiltered
		return run.out
	}
	switch ev.Kind {
	case KindCall:
		run.call()
	case KindUser:
		r := run.record(Lane{crm.Contact, ev.Key}, run.company(ev.User.OrgID))
		r.Verb, r.Filtered = ev.Verb, !passes
		run.add(r)
	case KindOrg:
		r := run.record(Lane{crm.Company, ev.Key}, nil)
		r.Verb, r.Filtered = ev.Verb, !passes
		run.add(r)
	}
	return run.out
}
