package hubspot

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"crmsync/crm"
)

const (
	firstNameProperty = "firstname"
	lastNameProperty  = "lastname"
	// furtherAddresses are those that a contact has beside its email, apart by
	// semicolons. HubSpot keeps them unique too.
	furtherAddresses = "hs_additional_emails"
)

// holder is the record that holds a value which one of ours needs.
type holder struct {
	id, key   string            // key is "" for a record that is not ours
	props     map[string]string // as they are now
	ambiguous bool              // several records match
}

// addresses are those of a contact, as they are compared.
func (h *holder) addresses() []string {
	all := []string{folded(h.props[emailProperty])}
	for address := range strings.SplitSeq(h.props[furtherAddresses], ";") {
		all = append(all, folded(address))
	}
	return all
}

// folded unifies what HubSpot does not tell apart in an address.
func folded(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// conflicts are the writes that are refused because a value is taken.
func conflicts(ws []*write) []*write {
	return slices.DeleteFunc(slices.Clone(ws), func(w *write) bool {
		e := w.refusal()
		return e == nil || e.Kind != crm.Conflict
	})
}

// resolve settles conflicts. A record that is ours is updated by its id, a
// contact of nobody's with the same address is adopted if that is permitted, one
// of another key of ours is reported. When the holder cannot be found, or has
// given the value up, the write is tried once more. If that is too late who
// holds the value now is reported.
func (b *batch) resolve(ctx context.Context, ws []*write) error {
	if len(ws) == 0 {
		return nil
	}
	holders, err := b.findHolders(ctx, ws)
	if err != nil {
		return err
	}
	d := b.decide(ws, holders)
	if err := b.apply(ctx, step{verb: "update", action: crm.Updated}, d.ours); err != nil {
		return err
	}
	if err := b.adopt(ctx, b.permitted(d.nobodys)); err != nil {
		return err
	}
	if err := b.upsert(ctx, d.unknown); err != nil {
		return err
	}
	return b.reportLate(ctx, conflicts(slices.Concat(d.ours, d.unknown)))
}

// reportLate names who holds an address that could not be had a second time.
func (b *batch) reportLate(ctx context.Context, ws []*write) error {
	other := func(w *write) bool { return !b.adoptable(w) }
	holders, err := b.findHolders(ctx, slices.DeleteFunc(slices.Clone(ws), other))
	if err != nil {
		return err
	}
	for _, w := range ws {
		if h := holders[w]; h != nil && !h.ambiguous && h.key != w.record.Key {
			b.report(w, h.key, h.id)
			if further(h, w) {
				w.refusal().Code = crm.CodeFurther
			}
		} else {
			w.refusal().Holder = nil // somebody, but we could not find out who
			if b.adoptable(w) {
				w.refusal().Code, w.refusal().Field = crm.CodeUnknownHolder, emailProperty
			}
		}
	}
	return nil
}

// decision parts the writes that go on by whose record is in the way. The
// others have their final error.
type decision struct{ ours, nobodys, unknown []*write }

func (b *batch) decide(ws []*write, holders map[*write]*holder) decision {
	var d decision
	claimed := map[string]string{} // record id to the key of ours that gets it
	for _, w := range ws {
		h := holders[w]
		switch e := w.refusal(); {
		case e.Code == crm.CodeAmbiguous:
		case h == nil, b.gaveUp(h, w):
			d.unknown = append(d.unknown, w)
		case h.ambiguous:
			e.Code, e.Holder = crm.CodeAmbiguous, nil
		case h.key == w.record.Key, b.lostKey(h, w):
			w.target = h.id
			d.ours = append(d.ours, w)
		case h.key == "" && claimed[h.id] == "" && b.adoptable(w):
			claimed[h.id] = w.record.Key
			w.target = h.id
			w.dropNames(h.props) // a name that a person gave it stays
			d.nobodys = append(d.nobodys, w)
		default:
			b.report(w, cmp.Or(h.key, claimed[h.id]), h.id)
			if further(h, w) {
				e.Code = crm.CodeFurther
			}
		}
	}
	return d
}

// lostKey reports whether h is the record of w, whose key somebody cleared.
func (b *batch) lostKey(h *holder, w *write) bool {
	return h.key == "" && h.id == w.record.RemoteID && b.adoptable(w)
}

// adoptable reports whether the conflict of w is about an e-mail address: the
// only value that proves two records to be the same person.
func (b *batch) adoptable(w *write) bool {
	field := w.refusal().Field
	return b.object == crm.Contact && w.props[emailProperty] != "" && (field == "" || field == emailProperty)
}

// gaveUp reports whether a record of ours that is named as the holder of an
// address has it no longer: another write of the batch may have taken it away.
func (b *batch) gaveUp(h *holder, w *write) bool {
	return !h.ambiguous && h.key != "" && h.key != w.record.Key && b.adoptable(w) &&
		!slices.Contains(h.addresses(), folded(w.props[emailProperty]))
}

// further reports whether the address that w wants is one that its holder has
// beside its email.
func further(h *holder, w *write) bool {
	wanted := folded(w.props[emailProperty])
	return h.key != "" && wanted != "" && wanted != folded(h.props[emailProperty]) && slices.Contains(h.addresses(), wanted)
}

// dropNames leaves the names alone that are not empty now.
func (w *write) dropNames(now map[string]string) {
	for _, name := range []string{firstNameProperty, lastNameProperty} {
		if now[name] != "" {
			delete(w.props, name)
		}
	}
}

// permitted returns the writes that may adopt. The others are told what they
// would adopt, so that the caller notes it before it cannot be seen any more.
func (b *batch) permitted(ws []*write) []*write {
	return slices.DeleteFunc(ws, func(w *write) bool {
		if w.record.Adopted {
			return false
		}
		b.report(w, "", w.target)
		w.refusal().Code = crm.CodeAdoptable
		return true
	})
}

// adopt gives our keys to records of nobody's. One that is refused because our
// key already stands elsewhere stays as it is, and its address with it.
func (b *batch) adopt(ctx context.Context, ws []*write) error {
	if err := b.apply(ctx, step{verb: "update", action: crm.Adopted}, ws); err != nil {
		return err
	}
	for _, w := range conflicts(ws) {
		b.report(w, "", w.target)
	}
	return nil
}

// report names who keeps the e-mail address that w wanted.
func (b *batch) report(w *write, key, id string) {
	e := w.refusal()
	e.Holder = &crm.Ref{Object: b.object, Key: key, RemoteID: id}
	if b.object == crm.Contact && w.props[emailProperty] != "" && (e.Field == "" || e.Field == b.c.idProperty) {
		e.Field = emailProperty
	}
}

// findHolders looks for the record in the way of each write: by the id that
// the refusal names, else by the address, else by our own key. A look-up that
// fails is an error, never "nobody".
func (b *batch) findHolders(ctx context.Context, ws []*write) (map[*write]*holder, error) {
	found := map[*write]*holder{}
	for _, l := range b.lookups() {
		wanted := map[string][]*write{}
		for _, w := range ws {
			if id := l.value(w); id != "" && found[w] == nil && w.refusal().Code != crm.CodeAmbiguous {
				wanted[id] = append(wanted[id], w)
			}
		}
		holders, err := b.read(ctx, l, wanted)
		if err != nil {
			return nil, err
		}
		for id, h := range holders {
			for _, w := range wanted[id] {
				found[w] = h
			}
		}
	}
	return found, nil
}

// lookup is one way to find a record.
type lookup struct {
	property string                   // "" reads by record id
	value    func(w *write) string    // what to look for; "" when w has none
	of       func(h *holder) []string // by what a record may have been found
}

func (b *batch) lookups() []lookup {
	return []lookup{
		{"", func(w *write) string {
			if h := w.refusal().Holder; h != nil {
				return h.RemoteID
			}
			return ""
		}, func(h *holder) []string { return []string{h.id} }},
		{emailProperty, func(w *write) string {
			if !b.adoptable(w) {
				return ""
			}
			return folded(w.props[emailProperty])
		}, (*holder).addresses},
		b.byKey(),
	}
}

// byID reads records by what HubSpot calls them.
var byID = lookup{of: func(h *holder) []string { return []string{h.id} }}

func (b *batch) byKey() lookup {
	return lookup{b.c.idProperty,
		func(w *write) string { return w.record.Key },
		func(h *holder) []string { return []string{h.key} }}
}

// read returns the records found, by the value they were looked for with.
func (b *batch) read(ctx context.Context, l lookup, wanted map[string][]*write) (map[string]*holder, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	body := readBody{
		IDProperty:            l.property,
		Properties:            b.needed(),
		PropertiesWithHistory: []string{},
	}
	for id := range wanted {
		body.Inputs = append(body.Inputs, ident{id})
	}
	slices.SortFunc(body.Inputs, func(x, y ident) int { return cmp.Compare(x.ID, y.ID) })
	op := "read " + typeName(b.object)
	var answer writeAnswer
	r, err := b.c.do(ctx, call{op: op, method: http.MethodPost, path: b.c.paths.batch(b.object, "read"), body: body}, &answer)
	if err != nil {
		return nil, err
	}
	if answer.Results == nil && answer.Errors == nil {
		return nil, b.c.foreign(op, r) // nobody is never concluded from silence
	}
	for _, p := range answer.Errors {
		if e := b.c.itemError(op, r, p); e.Kind != crm.NotFound {
			return nil, e
		}
	}
	return b.holders(l, wanted, answer.Results), nil
}

// needed are the properties to read: those that decide who holds what, and more
// when b wants to see them.
func (b *batch) needed() []string {
	names := []string{b.c.idProperty}
	if b.object == crm.Contact {
		names = append(names, firstNameProperty, lastNameProperty, emailProperty, furtherAddresses)
	}
	for _, name := range b.shown {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (b *batch) holders(l lookup, wanted map[string][]*write, results []object) map[string]*holder {
	found := map[string]*holder{}
	for _, res := range results {
		h := &holder{id: string(res.ID), key: textOf(res.Properties[b.c.idProperty]), props: map[string]string{}}
		for name, value := range res.Properties {
			h.props[name] = textOf(value)
		}
		if h.id == "" {
			continue
		}
		values := slices.DeleteFunc(l.of(h), func(v string) bool { return wanted[v] == nil })
		if len(values) == 0 && len(wanted) == 1 && l.property == emailProperty {
			values = slices.Collect(maps.Keys(wanted)) // an address that it does not show
		}
		for _, value := range values {
			if other := found[value]; other != nil && (other.ambiguous || other.id != h.id) {
				found[value] = &holder{id: h.id, ambiguous: true}
			} else {
				found[value] = h
			}
		}
	}
	return found
}

// findAdopted drops the names of adopted contacts that are not empty in the CRM:
// they are a person's own data. It returns the writes to contacts that do not
// carry our key, which only their ids tell.
func (b *batch) findAdopted(ctx context.Context) ([]*write, error) {
	wanted := map[string][]*write{}
	for _, w := range b.writes {
		if w.record.Adopted && b.object == crm.Contact && !w.answered {
			wanted[w.record.Key] = []*write{w}
		}
	}
	holders, err := b.read(ctx, b.byKey(), wanted)
	if err != nil {
		return nil, err
	}
	strange := map[string][]*write{}
	for key, ws := range wanted {
		if h := holders[key]; h != nil {
			ws[0].dropNames(h.props)
		} else if id := ws[0].record.RemoteID; id != "" {
			strange[id] = ws
		}
	}
	holders, err = b.read(ctx, byID, strange)
	var found []*write
	for id, h := range holders {
		if w := strange[id][0]; h.key == "" {
			w.dropNames(h.props)
			w.target = h.id
			found = append(found, w)
		}
	}
	return found, err
}
