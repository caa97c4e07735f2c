package app

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// story tells what became of events, with what is known where it is told.
type story struct {
	mapper  *mapping.Mapper // nil: the fields are not told
	client  crm.Client      // nil: what only an adapter knows is not told
	account string          // of the CRM; "" when it is not known
	live    *live           // nil while no connector runs
}

// of tells an event's story, with the fields that the mapping in force makes of
// it.
func (s story) of(e state.Event) explainView {
	v := explainView{
		eventView: newEventView(e), Records: s.records(e), Signature: "ok", PayloadBytes: e.Size,
		Filters: []filterView{}, Mapped: []mappedView{}, Withheld: []mapping.Withheld{},
	}
	if e.SignedBy.Secret > 0 {
		v.SignedBy = &e.SignedBy
	}
	if e.Status == state.Pending {
		v.NextAttemptAt = known(e.NotBefore)
		v.note(waitNote(e, s.live))
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
	case s.mapper == nil:
		v.note("the fields are not shown because the configuration cannot be read here: run crmsync check")
	default:
		newTelling(s, e, ev).tell(&v)
	}
	return v
}

// records returns what became of the records of e, each with its page.
func (s story) records(e state.Event) []recordView {
	records := []recordView{}
	pager, _ := s.client.(crm.RecordPager)
	for _, r := range e.Records {
		v := recordView{Record: r}
		if pager != nil && s.account != "" {
			v.URL = pager.RecordURL(s.account, crm.Object(r.Object), r.RemoteID)
		}
		records = append(records, v)
	}
	return records
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
