package app

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"crmsync/connector"
	"crmsync/mapping"
	"crmsync/state"
)

// explain tells an event's story, with the fields that m makes of it now. l is
// nil while no connector runs.
func explain(e state.Event, m *mapping.Mapper, l *live) explainView {
	v := explainView{
		eventView: newEventView(e), Signature: "ok", PayloadBytes: e.Size,
		Mapped: []mappedView{}, Withheld: []mapping.Withheld{},
	}
	if e.Status == state.Pending {
		v.NextAttemptAt = known(e.NotBefore)
		v.note(waitNote(e, l))
	}
	if e.Body == nil {
		v.note("the payload is gone (CRMSYNC_PAYLOAD_RETENTION)")
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
		v.note("the fields are not shown because the configuration cannot be read here: run crmsync check")
	default:
		v.addMapped(m, ev, l)
	}
	return v
}

// note adds a sentence to what is said about the event as a whole.
func (v *explainView) note(text string) {
	if v.Note != "" && text != "" {
		v.Note += "; "
	}
	v.Note += text
}

// waitNote says why a pending event is not delivered now, unless it will be as
// soon as it is due.
func waitNote(e state.Event, l *live) string {
	if l == nil {
		return "it waits for crmsync serve: " + notRunning
	}
	s := l.crm()
	why := map[string]string{
		connector.StatePaused:      "is paused",
		connector.StateRetrying:    "fails and is tried again",
		connector.StateRateLimited: "rests, as the CRM asked",
	}[s.State]
	switch held := heldObjects(e, s.PausedObjects); {
	case why == "": // all is well
		return ""
	case len(held) > 0:
		return "it waits because writing of its " + strings.Join(held, " and ") + " " + why + ": " + s.Reason
	case len(s.PausedObjects) > 0: // others are paused
		return ""
	}
	return "it waits because writing to the CRM " + why + ": " + s.Reason
}

// heldObjects returns the paused objects that the event still has to write.
func heldObjects(e state.Event, paused []string) []string {
	var held []string
	for _, lane := range e.Lanes {
		settled := slices.ContainsFunc(e.Records, func(r state.Record) bool {
			return r.Lane() == lane && r.Status != state.Pending
		})
		if !settled && slices.Contains(paused, lane.Object) {
			held = append(held, lane.Object)
		}
	}
	return held
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

// addMapped adds the records as m makes them of ev, and says what is missing.
func (v *explainView) addMapped(m *mapping.Mapper, ev *mapping.Event, l *live) {
	var owners mapping.Owners
	if l != nil {
		owners = l.owners()
	}
	mapped := m.Map(ev, owners)
	v.Withheld = append(v.Withheld, mapped.Withheld...)
	v.Decoded.Warnings = append(v.Decoded.Warnings, mapped.Warnings...)
	if mapped.Skip != "" {
		v.note("the mapping in force writes nothing for this event: " + mapped.Skip)
		return
	}
	for _, r := range mapped.Records {
		v.Mapped = append(v.Mapped, newMappedView(m, r, mapped.Withheld))
	}
	if owners == nil && m.NeedsOwners(ev) {
		v.note("owner(…) finds nobody here: the running connector has the CRM's owners once it has delivered an event")
	}
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
