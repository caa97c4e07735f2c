package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table holds the records and the schema of one object.
type table struct {
	name     string // contacts
	typeID   string // 0-1
	singular string // CONTACT, as in messages
	scope    string // in names of scopes
	natural  string // the standard property that is unique without saying so; may be ""
	shown    []string
	required []string // one of them is needed to create a record

	properties map[string]*Property
	groups     map[string]Group
	rules      []rule
	records    map[string]*record
	unique     map[string]map[string]string // property, value as compared: record id
	merged     map[string]string            // id of a record merged away: the one that it went into
}

// record is never changed, only replaced.
type record struct {
	id         string
	values     map[string]string
	archived   bool
	createdAt  time.Time
	updatedAt  time.Time
	archivedAt time.Time
}

// rule is one that an admin set: property has to have a value, always or when
// another one has a certain value.
type rule struct {
	property    string
	when, is    string // "" is always
	conditional bool
}

// table returns the table of an object's name or type id, or nil.
func (s *Server) table(object string) *table {
	if name, ok := objectNames[object]; ok {
		object = name
	}
	return s.tables[object]
}

// isUnique says whether no two records may share a value of the property.
func (t *table) isUnique(property string) bool {
	if property == "" {
		return false
	}
	p, ok := t.properties[property]
	return ok && (p.HasUniqueValue || property == t.natural)
}

// holder returns the record that holds a unique value.
func (t *table) holder(property, value string) (id string, ok bool) {
	id, ok = t.unique[property][folded(value)]
	return id, ok
}

// live returns a record that exists and is not archived.
func (t *table) live(id string) (*record, bool) {
	r, ok := t.records[id]
	return r, ok && !r.archived
}

// put stores r in place of the record with its id. It returns the way back.
func (t *table) put(r *record) (undo func()) {
	before, existed := t.records[r.id]
	if existed {
		t.unindex(before)
	}
	t.records[r.id] = r
	t.index(r)
	return func() {
		t.unindex(r)
		if existed {
			t.records[r.id] = before
			t.index(before)
		} else {
			delete(t.records, r.id)
		}
	}
}

// index notes the unique values of r. Archived records hold none.
func (t *table) index(r *record) {
	if r.archived {
		return
	}
	for property, value := range t.uniqueValues(r) {
		if t.unique[property] == nil {
			t.unique[property] = map[string]string{}
		}
		for _, v := range value {
			t.unique[property][v] = r.id
		}
	}
}

func (t *table) unindex(r *record) {
	for property, value := range t.uniqueValues(r) {
		for _, v := range value {
			if t.unique[property][v] == r.id {
				delete(t.unique[property], v)
			}
		}
	}
}

// uniqueValues returns the values that r keeps others from having, as compared.
// The further addresses of a contact are among them.
func (t *table) uniqueValues(r *record) map[string][]string {
	taken := map[string][]string{}
	for property, value := range r.values {
		if value != "" && t.isUnique(property) {
			taken[property] = append(taken[property], folded(value))
		}
	}
	if t.natural == "email" {
		for address := range strings.SplitSeq(r.values["hs_additional_emails"], ";") {
			if address != "" {
				taken["email"] = append(taken["email"], folded(address))
			}
		}
	}
	return taken
}

// folded unifies what HubSpot does not tell apart in unique values.
func folded(value string) string { return strings.ToLower(strings.TrimSpace(value)) }

// ids returns the ids of all records, oldest first.
func (t *table) ids() []string {
	return slices.SortedFunc(maps.Keys(t.records), compareIDs)
}

func compareIDs(a, b string) int {
	m, _ := strconv.ParseUint(a, 10, 64) // ids are ours, all digits
	n, _ := strconv.ParseUint(b, 10, 64)
	switch {
	case m < n:
		return -1
	case m > n:
		return 1
	}
	return 0
}

func (s *Server) newID() string {
	s.nextID++
	return strconv.Itoa(s.nextID)
}
