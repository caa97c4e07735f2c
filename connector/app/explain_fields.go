package app

import (
	"maps"
	"slices"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// telling is what the mapping in force makes of one event.
type telling struct {
	story
	event  state.Event
	mapped mapping.Mapped
	cut    map[mapping.Lane]map[string]int
	// ownerless says that the CRM's owners are not known here: what looks one up
	// cannot be told.
	ownerless bool
}

func newTelling(s story, e state.Event, ev *mapping.Event) *telling {
	var owners mapping.Owners
	if s.live != nil {
		owners = s.live.owners()
	}
	return &telling{
		story: s, event: e, mapped: s.mapper.Map(ev, owners), cut: s.mapper.Cut(ev, owners),
		ownerless: owners == nil && s.mapper.NeedsOwners(ev),
	}
}

// tell adds to v the filters, and the records with their fields, and says what
// is missing.
func (t *telling) tell(v *explainView) {
	v.Withheld = append(v.Withheld, t.mapped.Withheld...)
	v.Decoded.Warnings = append(v.Decoded.Warnings, t.mapped.Warnings...)
	unknown := false
	for _, said := range t.mapped.Verdicts {
		f := t.filter(said)
		unknown = unknown || f.Verdict == verdictUnknown
		v.Filters = append(v.Filters, f)
	}
	if t.mapped.Skip != "" && !unknown {
		v.note("the mapping in force writes nothing for this event: " + t.mapped.Skip)
	}
	for _, r := range t.mapped.Records {
		v.Mapped = append(v.Mapped, t.record(r))
	}
	if t.ownerless {
		v.note("what owner(…) finds is not known here: the running connector has the CRM's owners once it has delivered an event")
	}
}

// The verdicts of a filter.
const (
	verdictTrue    = "true"
	verdictFalse   = "false"
	verdictFailed  = "failed"
	verdictUnknown = "unknown"
)

func (t *telling) filter(said mapping.Verdict) filterView {
	v := filterView{
		Kind: said.Kind, Variable: said.Variable, Expression: said.Source, Verdict: verdictFalse, Error: said.Error,
	}
	looksUp := slices.ContainsFunc(t.mapper.OwnerLookups(), func(l mapping.OwnerLookup) bool {
		return l.Field == "" && l.Variable == said.Variable
	})
	switch {
	case t.ownerless && looksUp:
		v.Verdict, v.Error = verdictUnknown, ""
	case said.Error != "":
		v.Verdict = verdictFailed
	case said.Passes:
		v.Verdict = verdictTrue
	}
	return v
}

func (t *telling) record(r mapping.Record) mappedView {
	v := mappedView{Object: r.Object, Key: r.Key, Links: []refView{}, Fields: []fieldView{}}
	for _, target := range r.Targets {
		v.Links = append(v.Links, refView{Object: target.Object, Key: target.Key})
	}
	expressions := t.mapper.Expressions(r.Object)
	for _, name := range slices.Sorted(maps.Keys(expressions)) {
		v.Fields = append(v.Fields, t.field(r, name, expressions[name]))
	}
	return v
}

// field tells what an expression gives, what the CRM gets of that, and who wins.
func (t *telling) field(r mapping.Record, name string, e mapping.Expression) fieldView {
	v := fieldView{
		Field: name, Variable: e.Variable, Expression: e.Source, Policy: e.Policy,
		Kept: t.wasKept(r.Lane, name), Owners: t.owners(r.Lane, name),
	}
	if v.Policy == "" {
		v.Policy = mapping.Always
	}
	for _, w := range t.mapped.Withheld {
		if w.Object == r.Object && w.Field == name {
			v.Error = w.Error
		}
	}
	if t.ownerless && t.mapper.OwnerField(r.Object, name) {
		v.Unknown = true
		return v
	}
	if value, ok := r.Fields[name]; ok {
		v.Value = value
		t.render(&v, r.Lane)
	}
	return v
}

// render adds how the CRM gets the value of v.
func (t *telling) render(v *fieldView, lane mapping.Lane) {
	v.FullLength = t.cut[lane][v.Field]
	renderer, ok := t.client.(crm.Renderer)
	if !ok {
		return
	}
	sent, fullLength, err := renderer.Render(lane.Object, v.Field, v.Value)
	if err != nil {
		v.Error = crm.AsError(err).Message
		return
	}
	v.Sent, v.FullLength = &sent, max(v.FullLength, fullLength)
}

// wasKept reports whether a field was left to a person when the event was
// delivered.
func (t *telling) wasKept(lane mapping.Lane, field string) bool {
	return slices.ContainsFunc(t.event.Records, func(r state.Record) bool {
		return r.Object == string(lane.Object) && r.Key == lane.Key && slices.Contains(r.Kept, field)
	})
}

func (t *telling) owners(lane mapping.Lane, field string) []ownerView {
	owners := []ownerView{}
	for _, l := range t.mapped.Lookups {
		if l.Lane == lane && l.Field == field {
			owners = append(owners, ownerView{Email: l.Email, ID: l.ID, Default: l.Default})
		}
	}
	return owners
}
