package hubspot

import (
	"context"
	"maps"
	"slices"

	"crmsync/crm"
)

// Preview implements crm.Previewer. It makes three requests at most, whatever
// the number of records: the schema, which tells how values compare, the
// records under our keys, and the contacts that hold the addresses.
//
// A value of another unique property that somebody else holds, a rule that an
// admin made, and an owner who left are seen by the Upsert alone. Text that
// HubSpot rewrites, such as HTML, shows as a change each time.
func (c *Client) Preview(ctx context.Context, o crm.Object, records []crm.Record) ([]crm.Preview, error) {
	b, err := c.newBatch(o, records)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	schema, err := c.properties(ctx, o)
	if err != nil {
		return nil, err
	}
	p := &preview{batch: b, schema: schema, current: map[*write]*holder{}, adopted: map[*write]bool{}}
	if err := p.findOurs(ctx); err != nil {
		return nil, err
	}
	p.refuse()
	if err := p.findOthers(ctx); err != nil {
		return nil, err
	}
	previews := make([]crm.Preview, len(b.writes))
	for i, w := range b.writes {
		previews[i] = p.of(w)
	}
	return previews, nil
}

// preview is a batch that is not sent.
type preview struct {
	*batch
	schema  map[string]property
	current map[*write]*holder // the record that a write would change
	adopted map[*write]bool    // whose current record is nobody's yet
}

// findOurs reads the records under our keys. Names of adopted contacts stay.
func (p *preview) findOurs(ctx context.Context) error {
	wanted := map[string][]*write{}
	for _, w := range p.upserts() {
		wanted[w.record.Key] = []*write{w}
		p.shown = append(p.shown, slices.Collect(maps.Keys(w.props))...)
	}
	found, err := p.read(ctx, p.byKey(), wanted)
	if err != nil {
		return p.unreadable(err)
	}
	for key, h := range found {
		p.current[wanted[key][0]] = h
	}
	if err := p.findAdopted(ctx); err != nil {
		return p.unreadable(err)
	}
	for w, h := range p.current {
		if w.record.Adopted && p.object == crm.Contact {
			w.dropNames(h.props)
		}
	}
	return nil
}

// findAdopted reads the records that are adopted and do not carry our keys.
func (p *preview) findAdopted(ctx context.Context) error {
	wanted := map[string][]*write{}
	for _, w := range unanswered(p.writes) {
		if p.current[w] == nil && w.record.Adopted && w.record.RemoteID != "" {
			wanted[w.record.RemoteID] = []*write{w}
		}
	}
	found, err := p.read(ctx, byID, wanted)
	for id, h := range found {
		if w := wanted[id][0]; h.key == "" {
			p.current[w], p.adopted[w] = h, true
		}
	}
	return err
}

// refuse ends the writes with values that the schema does not allow.
func (p *preview) refuse() {
	for _, w := range unanswered(p.writes) {
		if e := foreseen(p.op(step{verb: "upsert"}), p.schema, w.props); e != nil {
			w.fail(e)
		}
	}
}

// findOthers reads the contacts that hold the addresses and settles them as
// Upsert would: see resolve.
func (p *preview) findOthers(ctx context.Context) error {
	if p.object != crm.Contact {
		return nil
	}
	wanted := map[string][]*write{}
	for _, w := range unanswered(p.writes) {
		if address := folded(w.props[emailProperty]); address != "" {
			wanted[address] = append(wanted[address], w)
		}
	}
	found, err := p.read(ctx, lookup{property: emailProperty, of: (*holder).addresses}, wanted)
	if err != nil {
		return err
	}
	holders := map[*write]*holder{}
	var taken []*write
	for _, w := range unanswered(p.writes) { // in their order: the first of two adopts
		if h := found[folded(w.props[emailProperty])]; h != nil {
			holders[w] = h
			taken = append(taken, w)
			w.fail(&crm.Error{
				Kind: crm.Conflict, Op: p.op(step{verb: "upsert"}), Code: "CONFLICT", Field: emailProperty,
				Message: "another contact has this address",
			})
		}
	}
	p.take(p.decide(taken, holders), holders)
	return nil
}

// take notes which records the writes of d would go to. Two records cannot
// become one: an address stays where it is when our key stands elsewhere.
func (p *preview) take(d decision, holders map[*write]*holder) {
	for _, w := range slices.Concat(d.ours, d.nobodys) {
		switch h := holders[w]; {
		case p.current[w] != nil && p.current[w].id == h.id:
			w.result.Err = nil // it holds its own address
		case p.current[w] == nil:
			p.current[w], p.adopted[w] = h, !slices.Contains(d.ours, w)
			w.result.Err = nil
		case h.key == "":
			p.report(w, "", h.id)
		default:
			w.result.Err = nil // it holds its own address
		}
	}
}

// of says what would become of w, or what would if nobody held its address.
func (p *preview) of(w *write) crm.Preview {
	told := crm.Preview{Err: w.result.Err}
	if p.object == crm.Contact {
		told.Proof = emailProperty
	}
	h := p.current[w]
	switch {
	case w.result.Action == crm.Unchanged:
		told.Action, told.RemoteID = crm.Unchanged, w.result.RemoteID
		return told
	case h == nil:
		told.Action, told.Changes = crm.Created, p.changes(w, nil)
		return told
	}
	told.Action, told.RemoteID, told.Changes = crm.Updated, h.id, p.changes(w, h.props)
	switch {
	case p.adopted[w]:
		told.Action = crm.Adopted
	case len(told.Changes) == 0:
		told.Action = crm.Unchanged
	}
	return told
}

// changes compares what w would send with what the record holds.
func (p *preview) changes(w *write, now map[string]string) []crm.Change {
	var changes []crm.Change
	for _, name := range slices.Sorted(maps.Keys(w.props)) {
		f, value := p.schema[name], w.props[name]
		if !f.stays(now[name], value) {
			changes = append(changes, crm.Change{
				Field: name, Old: now[name], New: f.stored(value), FullLength: cutLength(w.record.Fields[name]),
			})
		}
	}
	return changes
}
