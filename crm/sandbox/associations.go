package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// The most that one association request may hold.
// https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
const (
	maxLinks     = 2000
	maxLinkReads = 1000
)

// node is one end of a link.
type node struct{ object, id string }

type linkKey struct{ from, to node }

// links holds every link under both of its directions, with its types.
type links map[linkKey]map[int]bool

// linkType is an association type with the one that is set on the way back.
type linkType struct {
	from, to  string
	id, back  int
	isDefault bool
}

// linkTypes lists the types that HubSpot defines.
// https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide#association-type-id-values
func linkTypes() []linkType {
	return []linkType{
		{"calls", "contacts", 194, 193, true}, {"contacts", "calls", 193, 194, true},
		{"calls", "companies", 182, 181, true}, {"companies", "calls", 181, 182, true},
		{"contacts", "companies", 279, 280, true}, {"companies", "contacts", 280, 279, true},
		{"contacts", "companies", 1, 2, false}, {"companies", "contacts", 2, 1, false},
	}
}

// associationSpec names an association type on the wire.
type associationSpec struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// typesBetween resolves the wire types of a pair; none means the default one.
func typesBetween(from, to *table, specs []associationSpec) ([]linkType, *apiError) {
	var found []linkType
	for _, t := range linkTypes() {
		if t.from != from.name || t.to != to.name {
			continue
		}
		wanted := slices.Contains(specs, associationSpec{"HUBSPOT_DEFINED", t.id})
		if wanted || len(specs) == 0 && t.isDefault {
			found = append(found, t)
		}
	}
	if len(found) == 0 || len(specs) > len(found) {
		return nil, invalid("One or more association types are not valid between %s and %s", from.name, to.name)
	}
	return found, nil
}

// link makes a link in both directions. It returns whether it was not there.
func (s *Server) link(from, to node, types []linkType) (made bool) {
	for _, t := range types {
		for key, id := range map[linkKey]int{{from, to}: t.id, {to, from}: t.back} {
			if s.links[key] == nil {
				s.links[key] = map[int]bool{}
				made = true
			}
			s.links[key][id] = true
		}
	}
	if made {
		s.writes++
	}
	return made
}

func (s *Server) unlink(from, to node) {
	if s.links[linkKey{from, to}] == nil {
		return
	}
	delete(s.links, linkKey{from, to})
	delete(s.links, linkKey{to, from})
	s.writes++
}

type pairInput struct {
	From idInput `json:"from"`
	To   idInput `json:"to"`
}

// defaultLink is one direction of a link as it is answered.
type defaultLink struct {
	From idInput         `json:"from"`
	To   idInput         `json:"to"`
	Spec associationSpec `json:"associationSpec"`
}

// associateDefault answers each input with two results, one per direction.
func (s *Server) associateDefault(c *call) (reply, *apiError) {
	var in struct {
		Inputs []pairInput `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxLinks); e != nil {
		return reply{}, e
	}
	types, e := typesBetween(c.object, c.to, nil)
	if e != nil {
		return reply{}, e
	}
	b := s.newBatch(c)
	wrong := map[string]bool{}
	for _, pair := range in.Inputs {
		if !s.linkPair(b, pair, types, wrong) {
			continue
		}
		b.results = append(b.results,
			defaultLink{pair.From, pair.To, associationSpec{"HUBSPOT_DEFINED", types[0].id}},
			defaultLink{pair.To, pair.From, associationSpec{"HUBSPOT_DEFINED", types[0].back}})
	}
	return b.reply(http.StatusOK), nil
}

// linkPair links one pair or notes an error, which names the record at fault
// and not the input; wrong holds what was named already.
func (s *Server) linkPair(b *batch, pair pairInput, types []linkType, wrong map[string]bool) bool {
	from, to := node{b.c.object.name, pair.From.ID}, node{b.c.to.name, pair.To.ID}
	complete := true
	for _, end := range []node{from, to} {
		if _, ok := s.tables[end.object].live(end.id); ok {
			continue
		}
		complete = false
		if !wrong[end.object+end.id] {
			wrong[end.object+end.id] = true
			b.errors = append(b.errors, invalidIdentifier(s.tables[end.object], end.id))
		}
	}
	if !complete {
		return false
	}
	if most, limited := s.linkLimits[[2]string{from.object, to.object}]; limited && s.linkCount(from, to) >= most {
		b.errors = append(b.errors, limitExceeded(from, to, most))
		return false
	}
	s.link(from, to, types)
	return true
}

// linkCount counts the other records of to's object that from is linked to.
func (s *Server) linkCount(from, to node) int {
	n := 0
	for key := range s.links {
		if key.from == from && key.to.object == to.object && key.to != to {
			n++
		}
	}
	return n
}

func invalidIdentifier(t *table, id string) *apiError {
	e := invalid("%s with id %s does not exist", t.singular, id).with("id", id)
	e.SubCategory = "crm.associations.INVALID_IDENTIFIER"
	return e
}

func limitExceeded(from, to node, most int) *apiError {
	e := invalid("The limit of %d associations from %s to %s is exceeded", most, from.object, to.object).
		with("fromObjectId", from.id).with("toObjectId", to.id)
	e.SubCategory = "crm.associations.ASSOCIATION_LIMIT_EXCEEDED"
	return e
}

// labelledLink answers the creation of a link with types.
type labelledLink struct {
	FromType string   `json:"fromObjectTypeId"`
	FromID   string   `json:"fromObjectId"`
	ToType   string   `json:"toObjectTypeId"`
	ToID     string   `json:"toObjectId"`
	Labels   []string `json:"labels"`
}

func (s *Server) associateLabelled(c *call) (reply, *apiError) {
	var in struct {
		Inputs []struct {
			From  idInput           `json:"from"`
			To    idInput           `json:"to"`
			Types []associationSpec `json:"types"`
		} `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxLinks); e != nil {
		return reply{}, e
	}
	b := s.newBatch(c)
	wrong := map[string]bool{}
	for _, input := range in.Inputs {
		types, e := typesBetween(c.object, c.to, input.Types)
		if e != nil {
			return reply{}, e
		}
		if s.linkPair(b, pairInput{input.From, input.To}, types, wrong) {
			b.results = append(b.results, labelledLink{c.object.typeID, input.From.ID, c.to.typeID, input.To.ID, []string{}})
		}
	}
	return b.reply(http.StatusCreated), nil
}

type linkedTo struct {
	ToID  string       `json:"toObjectId"`
	Types []linkedType `json:"associationTypes"`
}

type linkedType struct {
	Category string  `json:"category"`
	TypeID   int     `json:"typeId"`
	Label    *string `json:"label"`
}

// readAssociations answers a record without links with an error.
func (s *Server) readAssociations(c *call) (reply, *apiError) {
	var in struct {
		Inputs []struct {
			ID    string `json:"id"`
			After string `json:"after,omitempty"`
		} `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxLinkReads); e != nil {
		return reply{}, e
	}
	b := s.newBatch(c)
	for _, input := range in.Inputs {
		to := s.linked(node{c.object.name, input.ID}, c.to.name)
		if len(to) == 0 {
			e := newError(http.StatusNotFound, categoryNotFound, fmt.Sprintf("No %s is associated with %s %s.", c.to.name, c.object.name, input.ID))
			e.SubCategory = "crm.associations.NO_ASSOCIATIONS_FOUND"
			b.errors = append(b.errors, e.with("fromObjectId", input.ID))
			continue
		}
		b.results = append(b.results, struct {
			From idInput    `json:"from"`
			To   []linkedTo `json:"to"`
		}{idInput{input.ID}, to})
	}
	return b.reply(http.StatusOK), nil
}

func (s *Server) linked(from node, object string) []linkedTo {
	var to []linkedTo
	for key, types := range s.links {
		if key.from != from || key.to.object != object {
			continue
		}
		l := linkedTo{ToID: key.to.id}
		for _, id := range slices.Sorted(maps.Keys(types)) {
			l.Types = append(l.Types, linkedType{Category: "HUBSPOT_DEFINED", TypeID: id})
		}
		to = append(to, l)
	}
	slices.SortFunc(to, func(a, b linkedTo) int { return compareIDs(a.ToID, b.ToID) })
	return to
}

// dissociate accepts links that are gone already.
func (s *Server) dissociate(c *call) (reply, *apiError) {
	var in struct {
		Inputs []struct {
			From idInput   `json:"from"`
			To   []idInput `json:"to"`
		} `json:"inputs"`
	}
	if e := decode(c.body, &in); e != nil {
		return reply{}, e
	}
	if e := checkCount(len(in.Inputs), maxLinks); e != nil {
		return reply{}, e
	}
	for _, input := range in.Inputs {
		for _, to := range input.To {
			s.unlink(node{c.object.name, input.From.ID}, node{c.to.name, to.ID})
		}
	}
	return reply{status: http.StatusNoContent}, nil
}

// inlineLink is a link in the creation of a record.
type inlineLink struct {
	To    idInput           `json:"to"`
	Types []associationSpec `json:"types"`
}

type target struct {
	node
	types []linkType
}

// inlineTarget finds what an inline link points to: the types tell the object.
func (s *Server) inlineTarget(from *table, link inlineLink) (target, *apiError) {
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		types, e := typesBetween(from, s.tables[name], link.Types)
		if e != nil || len(link.Types) == 0 {
			continue
		}
		if _, ok := s.tables[name].live(link.To.ID); !ok {
			return target{}, invalidIdentifier(s.tables[name], link.To.ID)
		}
		return target{node{name, link.To.ID}, types}, nil
	}
	return target{}, invalid("One or more association types are not valid")
}
