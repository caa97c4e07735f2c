package app

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"crmsync/mapping"
	"crmsync/state"
)

// explain tells an event's story, with the fields that m makes of it now. Owners
// are those that the running connector has loaded; nil is none.
func explain(e state.Event, m *mapping.Mapper, owners mapping.Owners) explainView {
	v := explainView{
		eventView: newEventView(e), Signature: "ok", PayloadBytes: e.Size,
		Mapped: []mappedView{},
	}
	if e.Status == state.Pending {
		v.NextAttemptAt = known(e.NotBefore)
	}
	if e.Body == nil {
		v.Note = "the payload is gone (CRMSYNC_PAYLOAD_RETENTION)"
		return v
	}
	if json.Valid(e.Body) {
		v.Payload = e.Body
	}
	ev, err := mapping.Decode(mapping.Delivery{ID: e.ID, MessageID: e.MessageID, Body: e.Body, ReceivedAt: e.ReceivedAt})
	v.Decoded = newDecodedView(e, ev, err)
	switch {
	case err != nil: // it maps to nothing
	case m == nil:
		v.Note = "the fields are not shown because the configuration cannot be read here: run crmsync check"
	default:
		v.Mapped, v.Note = mappedViews(m, ev, owners)
	}
	return v
}

func newDecodedView(e state.Event, ev *mapping.Event, err error) *decodedView {
	d := &decodedView{Type: e.Type, Key: e.Key, Timestamp: known(e.OccurredAt), Warnings: []string{}}
	if ended, ok := errors.AsType[*mapping.EndedError](err); ok {
		d.Ended = ended.Error()
		return d
	}
	d.Type, d.Key, d.Timestamp = ev.Type, ev.Key, known(ev.Timestamp)
	d.Warnings = append(d.Warnings, ev.Warnings...)
	return d
}

// mappedViews maps ev. The note says what is missing, and why.
func mappedViews(m *mapping.Mapper, ev *mapping.Event, owners mapping.Owners) (views []mappedView, note string) {
	views = []mappedView{}
	mapped := m.Map(ev, owners)
	if mapped.Skip != "" {
		return views, "the mapping in force writes nothing for this event: " + mapped.Skip
	}
	for _, r := range mapped.Records {
		views = append(views, newMappedView(m, r, mapped.Withheld))
	}
	if owners == nil && m.NeedsOwners(ev) {
		note = "owner(…) finds nobody here: the running connector has the CRM's owners once it has delivered an event"
	}
	return views, note
}

func newMappedView(m *mapping.Mapper, r mapping.Record, withheld []mapping.Withheld) mappedView {
	v := mappedView{Object: r.Object, Key: r.Key, Links: []refView{}, Fields: []fieldView{}}
	for _, target := range r.Targets {
		v.Links = append(v.Links, refView{Object: target.Object, Key: target.Key})
	}
	expressions := m.Expressions(r.Object)
	for _, name := range slices.Sorted(maps.Keys(expressions)) {
		f := fieldView{Field: name, Variable: expressions[name].Variable, Expression: expressions[name].Source}
		if value, ok := r.Fields[name]; ok {
			f.Value = value
		}
		for _, w := range withheld {
			if w.Object == r.Object && w.Field == name {
				f.Error = w.Error
			}
		}
		v.Fields = append(v.Fields, f)
	}
	return v
}
