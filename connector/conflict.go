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

// resolve decides about clashes and returns the jobs to send once more. A
// deleted user gives the value up; a living one keeps it, and the record is
// written without it until that changes.
func (w *writer) resolve(ctx context.Context, clashes []clash) ([]*job, error) {
	if err := w.loadHolders(ctx, clashes); err != nil {
		return nil, err
	}
	var again []*job
	taken := map[state.Lane]bool{} // a record is taken over once; who comes second meets its new key
	for _, c := range clashes {
		j, holder := c.job, c.holder()
		switch deleted := w.links[holder].Deleted; {
		case c.err.Kind == crm.NotFound: // the record to take over is gone
			j.rec.TakeOver, j.takeOver = "", nil
		case taken[holder]:
		case deleted && j.link.RemoteID == "":
			taken[holder] = true
			j.rec.TakeOver, j.takeOver = c.err.Holder.RemoteID, &holder
		case deleted && w.vacate(ctx, holder, c.err.Field):
			// The value is free now: send the record as it was.
		default:
			j.rec.Fields = maps.Clone(j.rec.Fields)
			delete(j.rec.Fields, c.err.Field)
			j.withheld, j.holder = c.err.Field, holder
		}
		again = append(again, j)
	}
	return again, nil
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

// vacate clears a field of a deleted user's record, for somebody who has a
// record already and needs the value.
func (w *writer) vacate(ctx context.Context, holder state.Lane, field string) bool {
	results, err := w.client.Upsert(ctx, w.object, []crm.Record{{
		Object: w.object, Key: holder.Key, RemoteID: w.links[holder].RemoteID, OccurredAt: time.Now(),
		Fields: crm.Fields{field: ""},
	}})
	return err == nil && len(results) == 1 && results[0].Err == nil
}
