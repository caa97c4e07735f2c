package connector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// respect leaves out of jobs that are about to be sent the fields that a person
// wins: see mapping.Policy. Of a rerun it leaves out those that the CRM holds as
// well: another mapping may give what the old one gave. What it reads of a record
// counts for the round, so that a batch that is sent again, or in halves, is not
// read again.
func (w *writer) respect(ctx context.Context, jobs []*job) error {
	policies := w.mapper.Policies(w.object)
	fields := slices.Sorted(maps.Keys(policies))
	var concerned []*job
	for _, j := range jobs {
		rerun := j.rerun && w.comparer != nil
		if j.respected || !rerun && !concerns(policies, j.rec.Fields) {
			continue
		}
		concerned = append(concerned, j)
		if rerun {
			fields = slices.AppendSeq(fields, maps.Keys(j.rec.Fields))
		}
	}
	if len(concerned) == 0 {
		return nil
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	if w.comparer == nil {
		return &crm.Error{Kind: crm.Misconfigured, Message: "this CRM cannot be read before it is written, as CRMSYNC_POLICY_… asks"}
	}
	records := make([]crm.Record, len(concerned))
	for i, j := range concerned {
		records[i] = j.rec
		if j.rec.Adopted && j.rec.RemoteID == "" {
			records[i].RemoteID = j.adoptee
		}
	}
	current, err := w.comparer.Compare(ctx, w.object, records, fields)
	if err != nil {
		return err
	}
	if len(current) != len(concerned) {
		return &crm.Error{Kind: crm.Unavailable, Message: fmt.Sprintf("%d answers for %d records", len(current), len(concerned))}
	}
	for i, j := range concerned {
		j.respect(policies, current[i])
	}
	if err := w.mistrust(ctx, concerned); err != nil {
		return err
	}
	if err := w.noteValues(ctx, concerned); err != nil {
		w.abort(err)
		return err
	}
	return nil
}

// mistrust looks at the schema when a field that we had filled is empty: a person
// may have cleared it, but a field that is gone reads the same.
func (w *writer) mistrust(ctx context.Context, jobs []*job) error {
	doubts := map[suspicion]bool{}
	for _, j := range jobs {
		for _, c := range j.kept {
			filled := func(v state.Wrote) bool { return v.Field == c.Field && v.Hash != nil }
			if c.Old == "" && slices.ContainsFunc(j.wrote, filled) {
				w.doubt(doubts, suspicion{"emptied", c.Field})
			}
		}
	}
	if len(doubts) == 0 {
		return nil
	}
	schema, untold := w.describe(ctx, w.object)
	if untold {
		return &crm.Error{Kind: crm.Unavailable, Message: "a field is empty that was filled, and the schema cannot be looked at"}
	}
	if schema != nil {
		if err := w.unfit(*schema); err != nil {
			return err
		}
	}
	w.clear(doubts)
	return nil
}

func concerns(policies map[string]mapping.Policy, fields crm.Fields) bool {
	for field := range policies {
		if _, mapped := fields[field]; mapped {
			return true
		}
	}
	return false
}

// respect decides about the fields of one record, given what the CRM holds.
// Those that were kept before are out of the record already.
func (j *job) respect(policies map[string]mapping.Policy, now crm.Current) {
	j.respected = true
	if another := j.adoptee != "" || j.link.RemoteID != "" && now.RemoteID != j.link.RemoteID; another {
		j.wrote = nil // what we wrote was in another record
	}
	j.rec.Fields = maps.Clone(j.rec.Fields)
	for _, field := range slices.Sorted(maps.Keys(policies)) {
		if _, mapped := j.rec.Fields[field]; !mapped {
			continue
		}
		c := now.Fields[field]
		exists := now.RemoteID != "" && !j.lane.unfinished
		if j.wins(field, policies[field], exists, c) {
			if policies[field] == mapping.IfUnchanged {
				j.wrote = sending(j.wrote, field, exists, c)
			}
			continue
		}
		j.kept = append(j.kept, crm.Change{Field: field, Old: c.Old, New: c.New})
		delete(j.rec.Fields, field)
	}
	if j.rerun && now.RemoteID == j.link.RemoteID {
		maps.DeleteFunc(j.rec.Fields, func(field string, _ any) bool { return holds(now.Fields[field]) })
	}
}

// holds reports whether the CRM has the very value that would be sent. Markup is
// compared to the letter.
func holds(c crm.Comparison) bool {
	if c.Field == "" {
		return false // not compared
	}
	return c.Old == c.New || c.OldForm == c.NewForm && !strings.ContainsAny(c.New, "<&\n")
}

// wins reports whether our value of a field is written. One that the CRM holds
// already is ours to write, whoever wrote it.
func (j *job) wins(field string, policy mapping.Policy, exists bool, c crm.Comparison) bool {
	if !exists || c.OldForm == c.NewForm {
		return true
	}
	switch policy {
	case mapping.OnCreate:
		return false
	case mapping.IfEmpty:
		return c.OldForm == ""
	case mapping.IfUnchanged:
		i := slices.IndexFunc(j.wrote, func(w state.Wrote) bool { return w.Field == field })
		if i < 0 || j.wrote[i].Hash == nil && c.OldForm == "" {
			return c.OldForm == "" // we never wrote it
		}
		now := valueHash(c.OldForm)
		return bytes.Equal(now, j.wrote[i].Hash) || bytes.Equal(now, j.wrote[i].Next)
	}
	return true
}

// valueHash is what is remembered of a value: enough to recognise it.
func valueHash(form string) []byte {
	sum := sha256.Sum256([]byte(form))
	return sum[:8]
}

// sending returns what is remembered of written values, with one more that is
// about to be sent. The value that it replaces is ours as well: it stays there
// when the new one does not arrive.
func sending(wrote []state.Wrote, field string, exists bool, c crm.Comparison) []state.Wrote {
	out := slices.Clone(wrote)
	i := slices.IndexFunc(out, func(w state.Wrote) bool { return w.Field == field })
	if i < 0 {
		out = append(out, state.Wrote{Field: field})
		i = len(out) - 1
	}
	out[i].Next = valueHash(c.NewForm)
	if exists {
		out[i].Hash = valueHash(c.OldForm)
	}
	return out
}

// vacating returns what is remembered of written values when one of them is
// about to be cleared; nil when that one is not remembered.
func vacating(wrote []state.Wrote, field string) []state.Wrote {
	i := slices.IndexFunc(wrote, func(w state.Wrote) bool { return w.Field == field })
	if i < 0 {
		return nil
	}
	out := slices.Clone(wrote)
	out[i].Next = valueHash("")
	return out
}

// arrivedValues returns what is remembered once the values sent have arrived.
func arrivedValues(wrote []state.Wrote, fields crm.Fields) []state.Wrote {
	out := slices.Clone(wrote)
	for i, w := range out {
		if _, sent := fields[w.Field]; sent && w.Next != nil {
			out[i].Hash, out[i].Next = w.Next, nil
		}
	}
	return out
}

// noteValues commits what is about to be written into fields that are written
// only while they hold what we wrote. A process that is killed between the
// write and the settlement would take its own value for a person's.
func (w *writer) noteValues(ctx context.Context, jobs []*job) error {
	var notes []state.Link
	for _, j := range jobs {
		unknown := func(v state.Wrote) bool { return v.Next != nil && !bytes.Equal(v.Next, v.Hash) }
		if slices.ContainsFunc(j.wrote, unknown) {
			known := w.links[j.lane.Lane]
			known.Lane, known.Wrote, known.Adopted = j.lane.Lane, j.wrote, known.Adopted || j.rec.Adopted
			w.links[j.lane.Lane] = known
			notes = append(notes, known)
		}
	}
	return w.note(ctx, notes)
}
