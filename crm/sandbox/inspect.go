package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Record is a copy of a record.
type Record struct {
	ID         string
	Properties map[string]string // without empty values
	Archived   bool
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Records returns every record of an object ("contacts"), archived ones too,
// oldest first.
func (s *Server) Records(object string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable(object)
	var all []Record
	for _, id := range t.ids() {
		r := t.records[id]
		all = append(all, Record{r.id, maps.Clone(r.values), r.archived, r.createdAt, r.updatedAt})
	}
	return all
}

// Associations returns the linked pairs of record ids in one direction, sorted.
func (s *Server) Associations(from, to string) [][2]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pairs [][2]string
	for key := range s.links {
		if key.from.object == s.mustTable(from).name && key.to.object == s.mustTable(to).name {
			pairs = append(pairs, [2]string{key.from.id, key.to.id})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := compareIDs(a[0], b[0]); c != 0 {
			return c
		}
		return compareIDs(a[1], b[1])
	})
	return pairs
}

// Requests returns how many requests arrived, by Op.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Writes returns how many changes took effect: records created, updated and
// archived, links made and removed, properties and groups created, whether
// through the API or by hand.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// AddRecord creates a record as a person does in the CRM, bound by nothing,
// and returns its id.
func (s *Server) AddRecord(object string, properties map[string]string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now().UTC()
	t := s.mustTable(object)
	r := &record{id: s.newID(), values: t.merge(nil, properties), createdAt: now, updatedAt: now}
	t.put(r)
	s.writes++
	return r.id
}

// EditRecord changes properties of a record as a person does in the CRM, bound
// by nothing; an empty value clears one.
func (s *Server) EditRecord(object, id string, properties map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable(object)
	r := t.records[id]
	if r == nil {
		panic("sandbox: edit of a record that does not exist")
	}
	t.put(&record{id: id, values: t.merge(r, properties), archived: r.archived, createdAt: r.createdAt, updatedAt: s.opts.Now().UTC()})
	s.writes++
}

// DeleteRecord archives a record as a person does in the CRM.
func (s *Server) DeleteRecord(object, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archive(&call{now: s.opts.Now().UTC()}, s.mustTable(object), id)
}

// MergeRecord merges one record into another: its id lives on in single
// requests only, its e-mail address becomes a further one of the other.
func (s *Server) MergeRecord(object, id, into string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable(object)
	gone, kept := t.records[id], t.records[into]
	if gone == nil || kept == nil {
		panic("sandbox: merge of a record that does not exist")
	}
	now := s.opts.Now().UTC()
	s.archive(&call{now: now}, t, id)
	delete(t.records, id)
	t.merged[id] = into
	values := maps.Clone(kept.values)
	if address := gone.values["email"]; address != "" {
		values["hs_additional_emails"] = strings.Trim(values["hs_additional_emails"]+";"+address, ";")
	}
	t.put(&record{id: into, values: values, createdAt: kept.createdAt, updatedAt: now})
}

// Erase deletes the contact with an e-mail address for good and keeps the
// address from coming back, as privacy law asks for.
func (s *Server) Erase(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable("contacts")
	if id, ok := t.holder("email", email); ok {
		s.archive(&call{now: s.opts.Now().UTC()}, t, id)
		delete(t.records, id)
	}
	s.erased[folded(email)] = true
}

// DeleteProperty removes a property with its values.
func (s *Server) DeleteProperty(object, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable(object)
	for _, id := range t.ids() {
		r := *t.records[id]
		r.values = maps.Clone(r.values)
		delete(r.values, name)
		t.put(&r)
	}
	delete(t.properties, name)
	delete(t.unique, name)
}

// RequireProperty sets the rule that every new record needs a value.
func (s *Server) RequireProperty(object, property string) {
	s.addRule(object, rule{property: property})
}

// RequirePropertyWhen sets the rule that a record needs a value when another
// property has a certain value.
func (s *Server) RequirePropertyWhen(object, property, when, is string) {
	s.addRule(object, rule{property: property, when: when, is: is, conditional: true})
}

func (s *Server) addRule(object string, r rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable(object)
	t.rules = append(t.rules, r)
}

// DropRules removes all rules of an object.
func (s *Server) DropRules(object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustTable(object).rules = nil
}

// LimitAssociations caps how many records of to one record of from may be
// linked to.
func (s *Server) LimitAssociations(from, to string, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linkLimits[[2]string{s.mustTable(from).name, s.mustTable(to).name}] = most
}

// SetOwners replaces the owners.
func (s *Server) SetOwners(owners []Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners = slices.Clone(owners)
}

// mustTable is for callers in Go, whose typing errors should not go unnoticed.
func (s *Server) mustTable(object string) *table {
	t := s.table(object)
	if t == nil {
		panic(fmt.Sprintf("sandbox: there is no object %q", object))
	}
	return t
}
