package connector

import (
	"cmp"
	"maps"
	"slices"

	"crmsync/crm"
	"crmsync/state"
)

// settlement puts the round into one transaction.
func (r *round) settlement() state.Batch {
	b := r.batch
	for key := range r.put {
		b.Links = append(b.Links, r.links[key])
	}
	slices.SortFunc(b.Links, func(x, y state.Link) int { return compareLanes(x.Lane, y.Lane) })
	b.NotCreated = slices.SortedFunc(maps.Keys(r.denied), compareLanes)
	for _, ev := range r.events {
		b.Settlements = append(b.Settlements, ev.settlement())
	}
	return b
}

func compareLanes(x, y state.Lane) int {
	return cmp.Or(cmp.Compare(x.Object, y.Object), cmp.Compare(x.Key, y.Key))
}

// settlement is the fate of one event, from the fates of its records.
func (ev *event) settlement() state.Settlement {
	s := state.Settlement{Seq: ev.Seq, Attempted: ev.attempted, NotBefore: ev.notBefore, FailingFor: cmp.Or(ev.failing, ev.FailingFor)}
	if ev.ended != nil {
		s.Status, s.Reason, s.Error = state.Status(ev.ended.Status), ev.ended.Reason, ev.ended.Detail
		return s
	}
	s.Status = ev.status()
	s.Attempted = s.Attempted || s.Status != state.Pending
	for _, rec := range ev.ordered() {
		if rec.Status == state.Pending {
			if rec.Error != "" {
				s.Error = rec.Error
			}
			continue
		}
		if rec.Status == state.Dead && s.Reason == "" {
			s.Reason, s.Error = rec.Reason, rec.Object+": "+rec.Error
		}
		if rec.Status == state.Skipped && s.Status == state.Skipped {
			s.Reason = rec.Reason
		}
		s.Records = append(s.Records, *rec)
	}
	if s.Status == state.Pending {
		s.Records = append(s.Records, ev.untouched()...)
	}
	return s
}

// status is the strongest of the records' statuses; one that is still open
// keeps the event pending.
func (ev *event) status() state.Status {
	strongest := func(s state.Status) int {
		return slices.Index([]state.Status{state.Skipped, state.Stale, state.Unchanged, state.Applied, state.Dead, state.Pending}, s)
	}
	status := state.Skipped
	for _, rec := range ev.records {
		if strongest(rec.Status) > strongest(status) {
			status = rec.Status
		}
	}
	if len(ev.records) == 0 {
		return state.Unchanged
	}
	return status
}

// ordered returns the records in the order in which they are written.
func (ev *event) ordered() []*state.Record {
	var out []*state.Record
	for _, object := range crm.Objects() {
		for key, rec := range ev.records {
			if key.Object == string(object) {
				out = append(out, rec)
			}
		}
	}
	return out
}

// untouched settles the lanes that were foreseen at the door but that today's
// mapping does not write: nothing has to be claimed for them again.
func (ev *event) untouched() []state.Record {
	var out []state.Record
	for _, key := range ev.Lanes {
		if ev.records[key] == nil {
			out = append(out, state.Record{Object: key.Object, Key: key.Key, Action: string(crm.None), Status: state.Unchanged})
		}
	}
	return out
}
