package connector

import (
	"context"
	"maps"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// clash is a record one of whose values, an e-mail address, is held by another
// record. A record that is not ours was adopted by the adapter, unless our key
// stands on another one already.
type clash struct {
	job *job
	err *crm.Error
}

// holder is the record of ours that holds the value; its Key is "" when the
// holder is not ours, or nobody any more.
func (c clash) holder() state.Lane {
	lane := state.Lane{Object: string(c.job.rec.Object)}
	if c.err.Holder != nil {
		lane.Key = c.err.Holder.Key
	}
	return lane
}

// adoptable reports whether the record may be made ours, if that is noted.
func (c clash) adoptable() bool {
	return c.err.Code == crm.CodeAdoptable && c.job.link.RemoteID == "" && !c.job.rec.Adopted
}

// resolve decides about clashes, and has their jobs sent once more. A person's
// record is adopted. A deleted user gives the value up; a living one keeps it, and the record is
// written without it until that changes.
func (w *writer) resolve(ctx context.Context, clashes []clash) error {
	if err := w.loadHolders(ctx, clashes); err != nil {
		return err
	}
	if err := w.noteAdoptions(ctx, clashes); err != nil {
		return err
	}
	for _, c := range clashes {
		j, holder := c.job, c.holder()
		switch {
		case c.adoptable():
			j.rec.Adopted, j.adoptee, j.respected = true, c.err.Holder.RemoteID, false
		case holder.Key != "" && j.attempts == 1 && w.lanes[holder] != nil && w.lanes[holder].done:
			// The holder was written in this round, and may have given the value up:
			// send the record as it was.
		case holder.Key != "" && w.links[holder].Deleted && c.err.Code != crm.CodeFurther && w.vacate(ctx, holder, c.err.Field):
			// The value is free now: send the record as it was.
		case holder.Key != "" && j.link.RemoteID != "":
			// Without the value also means without the one it had: two who
			// exchange theirs would wait for each other for good.
			w.withhold(j, c.err.Field, holder)
			if !j.onlyWithheld { // else it has none
				j.rec.Fields[c.err.Field] = ""
			}
		default:
			w.withhold(j, c.err.Field, holder)
		}
		w.again = append(w.again, j)
	}
	return nil
}

// noteAdoptions commits what is about to be adopted. A process that is killed
// between the adoption and the settlement finds a record with our key and could
// not tell any more that a person had created it.
func (w *writer) noteAdoptions(ctx context.Context, clashes []clash) error {
	var notes []state.Link
	for _, c := range clashes {
		if c.adoptable() {
			known := w.links[c.job.lane.Lane]
			known.Lane, known.Adopted = c.job.lane.Lane, true
			w.links[c.job.lane.Lane] = known
			notes = append(notes, known)
		}
	}
	return w.note(ctx, notes)
}

// The notes of records that were written otherwise than their events say.
const (
	NoteWithheld     = "_withheld"     // behind the CRM field that a living record of ours holds
	NoteOwnerRefused = "owner_refused" // the CRM does not take the owner that was found
)

// withhold leaves a field out of a record.
func (w *writer) withhold(j *job, field string, holder state.Lane) {
	j.rec.Fields = maps.Clone(j.rec.Fields)
	delete(j.rec.Fields, field)
	j.withheld, j.holder, j.note = field, holder, field+NoteWithheld
	j.respected = false // what is sent instead has to be noted
}

// loadHolders reads what is remembered of the holders, unless this round has
// read or changed it.
func (w *writer) loadHolders(ctx context.Context, clashes []clash) error {
	var unknown []state.Lane
	for _, c := range clashes {
		if _, ok := w.links[c.holder()]; !ok && c.holder().Key != "" {
			unknown = append(unknown, c.holder())
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	links, err := w.store.Links(ctx, unknown...)
	if err != nil {
		return err
	}
	maps.Copy(w.links, links)
	return nil
}

// vacate clears a field of a deleted user's record, for somebody who needs the
// value. The record stays what it is: the calls linked to it are that user's.
func (w *writer) vacate(ctx context.Context, holder state.Lane, field string) bool {
	if err := w.noteVacating(ctx, holder, field); err != nil {
		w.abort(err)
		return false
	}
	results, err := w.client.Upsert(ctx, w.object, []crm.Record{{
		Object: w.object, Key: holder.Key, RemoteID: w.links[holder].RemoteID, OccurredAt: time.Now(),
		Fields: crm.Fields{field: ""},
	}})
	return err == nil && len(results) == 1 && results[0].Err == nil
}

// noteVacating commits that an empty field is ours, of one that is written only
// while it holds what we wrote.
func (w *writer) noteVacating(ctx context.Context, holder state.Lane, field string) error {
	known := w.links[holder]
	if known.Wrote = vacating(known.Wrote, field); known.Wrote == nil {
		return nil
	}
	w.links[holder], w.vacated[holder] = known, field
	return w.note(ctx, []state.Link{known})
}
