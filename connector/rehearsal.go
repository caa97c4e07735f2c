package connector

import (
	"context"
	"maps"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/state"
)

// rehearsal stands in for a client and only reads: it answers what the client
// would have answered and notes, for one round, what it would have done.
type rehearsal struct {
	crm.Client
	previewer crm.Previewer
	records   map[state.Lane]*rehearsed
	order     []state.Lane // of records
	requests  int          // that the client would have been asked for, at least

	// holders has by unique value the record that would have got it.
	holders map[unique]state.Lane
	// exists tells of records that links have to do with whether they are there.
	exists map[state.Lane]bool
}

// rehearsed is what would have been done to one record.
type rehearsed struct {
	action  crm.Action
	changes []crm.Change
	links   []LinkPreview
	values  map[string]value // by field: of the record as it would be now
	id      string           // pretended or not
	holds   unique
	told    bool // with an event
	adopted bool // in this rehearsal: the record does not carry our key yet
	again   bool // it is written again for the sake of a value
}

// unique is a value that no two records share.
type unique struct{ object, field, value string }

// value is that of one field, as the CRM has it and as it would be now.
type value struct {
	real, now  string
	fullLength int // of now: see crm.Change
}

// pretended marks the id of a record that does not exist.
const pretended = "(new) "

// begin starts a round. Nothing is kept of an earlier one: the values of a
// backlog would fill the memory.
func (p *rehearsal) begin() {
	p.records, p.order, p.requests = map[state.Lane]*rehearsed{}, nil, 0
	p.holders, p.exists = map[unique]state.Lane{}, map[state.Lane]bool{}
}

// of returns what is noted about a lane.
func (p *rehearsal) of(lane state.Lane) *rehearsed {
	r := p.records[lane]
	if r == nil {
		r = &rehearsed{values: map[string]value{}}
		p.records[lane] = r
		p.order = append(p.order, lane)
	}
	return r
}

// Owners implements crm.OwnerFinder.
func (p *rehearsal) Owners(ctx context.Context) ([]crm.Owner, error) {
	if finder, ok := p.Client.(crm.OwnerFinder); ok {
		return finder.Owners(ctx)
	}
	return nil, nil
}

// Describe implements crm.Describer. What is refused because of the schema is
// held in a rehearsal as well.
func (p *rehearsal) Describe(ctx context.Context, object crm.Object) (crm.Schema, error) {
	if describer, ok := p.Client.(crm.Describer); ok {
		return describer.Describe(ctx, object)
	}
	return crm.Schema{}, &crm.Error{Kind: crm.NotFound, Message: "this CRM does not tell its schema"}
}

// Compare implements crm.Comparer, for clients that do.
func (p *rehearsal) Compare(ctx context.Context, object crm.Object, records []crm.Record, fields []string) ([]crm.Current, error) {
	p.requests++
	return p.Client.(crm.Comparer).Compare(ctx, object, records, fields)
}

// Upsert implements crm.Client.
func (p *rehearsal) Upsert(ctx context.Context, object crm.Object, records []crm.Record) ([]crm.Result, error) {
	p.requests++
	results, err := p.upsert(ctx, object, records)
	if err != nil {
		return nil, err
	}
	// What another record of the batch has given up may be had after all.
	var late []int
	var again []crm.Record
	for i, res := range results {
		if p.vacated(res.Err) {
			late, again = append(late, i), append(again, records[i])
		}
	}
	if len(late) > 0 {
		second, err := p.upsert(ctx, object, again)
		if err != nil {
			return nil, err
		}
		for k, i := range late {
			results[i] = second[k]
		}
	}
	return results, nil
}

// upsert notes what would become of the records, one after the other.
func (p *rehearsal) upsert(ctx context.Context, object crm.Object, records []crm.Record) ([]crm.Result, error) {
	previews, err := p.preview(ctx, object, records)
	if err != nil {
		return nil, err
	}
	results := make([]crm.Result, len(records))
	for i, rec := range records {
		if p.vacated(previews[i].Err) { // by a record before it
			previews[i].Err = nil
		}
		if p.isAdopted(rec) && previews[i].Action == crm.Adopted {
			previews[i].Action = crm.Updated // the CRM does not know it yet
		}
		holder, taken := p.holders[uniqueOf(rec, previews[i].Proof)]
		switch {
		case previews[i].Err == nil && taken && holder.Key != rec.Key:
			results[i] = crm.Result{RemoteID: previews[i].RemoteID, Err: p.heldBy(holder, previews[i].Proof)}
		case previews[i].Action == crm.Adopted && !rec.Adopted:
			results[i].Err = notPermitted(rec, previews[i])
		default:
			results[i] = p.note(rec, previews[i])
		}
	}
	return results, nil
}

// uniqueOf returns the value of a field that no two records share, as CRMs
// compare addresses; its value is "" when the record has none.
func uniqueOf(rec crm.Record, field string) unique {
	text, _ := rec.Fields[field].(string)
	return unique{string(rec.Object), field, strings.ToLower(strings.TrimSpace(text))}
}

// heldBy is what a client answers when another record of ours has a value.
func (p *rehearsal) heldBy(holder state.Lane, field string) *crm.Error {
	object := crm.Object(holder.Object)
	return &crm.Error{
		Kind: crm.Conflict, Field: field, Message: "another record of ours gets this value",
		Holder: &crm.Ref{Object: object, Key: holder.Key, RemoteID: p.of(holder).id},
	}
}

// hold notes who has the unique value that rec sets, clears or leaves alone.
func (p *rehearsal) hold(r *rehearsed, rec crm.Record, field string) {
	if _, sent := rec.Fields[field]; !sent || field == "" {
		return
	}
	lane := laneOfRecord(rec)
	if p.holders[r.holds] == lane {
		delete(p.holders, r.holds)
	}
	if r.holds = uniqueOf(rec, field); r.holds.value != "" {
		p.holders[r.holds] = lane
	}
}

// notPermitted is what a client answers before it may adopt: what a person wins
// depends on the record that is found.
func notPermitted(rec crm.Record, preview crm.Preview) *crm.Error {
	return &crm.Error{
		Kind: crm.Conflict, Code: crm.CodeAdoptable, Field: preview.Proof, Message: "a person created this record",
		Holder: &crm.Ref{Object: rec.Object, RemoteID: preview.RemoteID},
	}
}

// preview asks the client. A value that its holder has given up in this
// rehearsal is free, whatever the CRM says.
func (p *rehearsal) preview(ctx context.Context, object crm.Object, records []crm.Record) ([]crm.Preview, error) {
	asked := slices.Clone(records)
	for i := range asked {
		if p.madeUp(asked[i]) {
			asked[i].RemoteID = ""
		}
		if p.isAdopted(asked[i]) {
			asked[i].Adopted, asked[i].RemoteID = true, p.of(laneOfRecord(asked[i])).id
		}
	}
	previews, err := p.previewer.Preview(ctx, object, asked)
	if err != nil {
		return nil, err
	}
	for i := range previews {
		if p.vacated(previews[i].Err) {
			previews[i].Err = nil
		}
	}
	return previews, nil
}

// madeUp reports whether a record exists in the rehearsal only.
func (p *rehearsal) madeUp(rec crm.Record) bool {
	return rec.RemoteID == pretended+rec.Key
}

// isAdopted reports whether a record was adopted in this rehearsal.
func (p *rehearsal) isAdopted(rec crm.Record) bool {
	r := p.records[laneOfRecord(rec)]
	return r != nil && r.adopted
}

func laneOfRecord(rec crm.Record) state.Lane {
	return state.Lane{Object: string(rec.Object), Key: rec.Key}
}

// vacated reports whether a conflict is about a value that its holder would
// not have any more.
func (p *rehearsal) vacated(err error) bool {
	e := crm.AsError(err)
	if err == nil || e.Kind != crm.Conflict || e.Holder == nil || e.Field == "" {
		return false
	}
	return p.givesUp(state.Lane{Object: string(e.Holder.Object), Key: e.Holder.Key}, e.Field)
}

// givesUp reports whether a record would not have a value any more that it has.
func (p *rehearsal) givesUp(holder state.Lane, field string) bool {
	r := p.records[holder]
	if r == nil {
		return false
	}
	if r.action == crm.Archived {
		return true
	}
	v, known := r.values[field]
	return known && v.real != "" && v.now != v.real
}

// note remembers what would have happened to rec, and answers as the client
// would have.
func (p *rehearsal) note(rec crm.Record, preview crm.Preview) crm.Result {
	if preview.Err != nil {
		return crm.Result{RemoteID: preview.RemoteID, Err: preview.Err}
	}
	r := p.of(laneOfRecord(rec))
	first := len(r.values) == 0
	changes := r.apply(rec, preview.Changes)
	action, id := preview.Action, preview.RemoteID
	if id == "" {
		id = pretended + rec.Key
	}
	if action == crm.Created && (p.madeUp(rec) || !first) {
		action = crm.Updated
	}
	if action == crm.Updated && len(changes) == 0 {
		action = crm.Unchanged
	}
	if weight(string(action)) >= weight(string(r.action)) || r.action == crm.Archived {
		r.action = action
	}
	r.changes, r.id = r.all(), id
	delete(p.exists, laneOfRecord(rec)) // it is there now
	r.adopted = r.adopted || action == crm.Adopted
	p.hold(r, rec, preview.Proof)
	r.link(rec.Links, LinkMake)
	r.link(rec.Unlinks, LinkRemove)
	return crm.Result{RemoteID: id, Action: action}
}

// apply makes changes to the values as they are in the rehearsal, and returns
// those that are changes there.
func (r *rehearsed) apply(rec crm.Record, changes []crm.Change) []crm.Change {
	named := map[string]crm.Change{}
	for _, c := range changes {
		named[c.Field] = c
	}
	for field := range rec.Fields { // not named: it is to be as the CRM has it
		if v, known := r.values[field]; known && named[field].Field == "" {
			named[field] = crm.Change{Field: field, Old: v.real, New: v.real}
		}
	}
	var out []crm.Change
	for _, field := range slices.Sorted(maps.Keys(named)) {
		c := named[field]
		v, known := r.values[field]
		if !known {
			v = value{real: c.Old, now: c.Old}
		}
		if c.New != v.now {
			c.Old = v.now
			out = append(out, c)
		}
		v.now, v.fullLength = c.New, c.FullLength
		r.values[field] = v
	}
	return out
}

// all returns what would be other than it is, however many writes it takes.
func (r *rehearsed) all() []crm.Change {
	var out []crm.Change
	for _, field := range slices.Sorted(maps.Keys(r.values)) {
		if v := r.values[field]; v.now != v.real {
			out = append(out, crm.Change{Field: field, Old: v.real, New: v.now, FullLength: v.fullLength})
		}
	}
	return out
}

func (r *rehearsed) link(to []crm.Ref, action string) {
	for _, ref := range to {
		r.links = append(r.links, LinkPreview{Object: string(ref.Object), Key: ref.Key, Action: action})
	}
}

// Archive implements crm.Archiver.
func (p *rehearsal) Archive(_ context.Context, object crm.Object, refs []crm.Ref) ([]error, error) {
	p.requests++
	for _, ref := range refs {
		p.of(state.Lane{Object: string(object), Key: ref.Key}).action = crm.Archived
	}
	return make([]error, len(refs)), nil
}
