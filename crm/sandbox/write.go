package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// write creates a record, or updates before when that is not nil. undo takes
// it back, but for the count of writes.
func (s *Server) write(c *call, before *record, values map[string]string) (r *record, undo func(), e *apiError) {
	t := c.object
	if wrong := s.checkValues(t, values); len(wrong) > 0 {
		return nil, nil, invalidValues(s.opts.PackedErrors, wrong)
	}
	if e := t.checkRequired(before, values); e != nil {
		return nil, nil, e
	}
	after := t.merge(before, values)
	if c.version == version202609 {
		if wrong := t.checkRules(before, after); len(wrong) > 0 {
			return nil, nil, invalidValues(s.opts.PackedErrors, wrong)
		}
	}
	r = &record{values: after, createdAt: c.now, updatedAt: c.now}
	if before != nil {
		r.id, r.createdAt = before.id, before.createdAt
	}
	if e := s.checkUnique(t, r.id, values); e != nil {
		return nil, nil, e
	}
	if t.natural == "email" && s.erased[folded(values["email"])] {
		return nil, nil, invalidValues(s.opts.PackedErrors, []detail{propertyError("email", "INVALID_EMAIL", "email has been GDPR blacklisted")})
	}
	if before == nil {
		r.id = s.newID()
	}
	s.writes++
	return r, t.put(r), nil
}

// merge returns the values of before with new ones set over them; an empty one
// clears.
func (t *table) merge(before *record, values map[string]string) map[string]string {
	after := map[string]string{}
	if before != nil {
		after = maps.Clone(before.values)
	}
	for name, value := range values {
		switch {
		case value == "":
			delete(after, name)
		case name == "lifecyclestage" && !isForward(after[name], value):
			// HubSpot says nothing and keeps the later stage.
		default:
			after[name] = t.stored(name, value)
		}
	}
	return after
}

// stored is a value in the form in which it is answered, whatever the form in
// which it came.
func (t *table) stored(name, value string) string {
	p := t.properties[name]
	switch {
	case name == "email":
		return folded(value)
	case p == nil:
		return value
	}
	at, isTime := parseTime(value)
	switch {
	case isTime && p.Type == "date":
		return at.Format(time.DateOnly)
	case isTime && p.Type == "datetime":
		return strings.Replace(stamp(at), ".000Z", "Z", 1) // a whole second has no fraction
	}
	return value
}

// lifecycle lists the stages; a contact never goes back unless it is cleared.
// https://knowledge.hubspot.com/records/use-lifecycle-stages
func lifecycle() []string {
	return []string{"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist", "other"}
}

func isForward(from, to string) bool {
	stages := lifecycle()
	return slices.Index(stages, to) >= slices.Index(stages, from)
}

// archive moves a record to the recycle bin, which takes its links along.
func (s *Server) archive(c *call, t *table, id string) {
	r, ok := t.live(id)
	if !ok {
		return
	}
	gone := *r
	gone.archived, gone.archivedAt = true, c.now
	t.put(&gone)
	s.writes++
	for key := range s.links {
		if key.from == (node{t.name, id}) || key.to == (node{t.name, id}) {
			delete(s.links, key)
		}
	}
}
