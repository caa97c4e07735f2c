package connector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"crmsync/state"
)

// What a round is about to do to a record is committed before it is sent. A
// process that ends before the settlement, or a settlement that fails, leaves the
// CRM as it was or as the round wanted it; the next round may decide otherwise,
// for other events, and has to know what it may find.

// noteWrites says that it is not known any more what the records hold, so that
// they are written even if the next plan is the same as the last one that was
// settled. Records that nobody knows yet need no note.
func (w *writer) noteWrites(ctx context.Context, jobs []*job) error {
	var notes []state.Link
	for _, j := range jobs {
		known := w.links[j.lane.Lane]
		if known.Hash == nil {
			continue
		}
		known.Hash = nil
		if w.linker == nil { // links go with the record
			known.Targets = slices.Concat(j.targets, j.drops)
		}
		w.links[j.lane.Lane] = known
		notes = append(notes, known)
	}
	return w.note(ctx, notes)
}

// noteLinks says which links may exist, and which may not exist any more.
func (w *writer) noteLinks(ctx context.Context, edges []*edge) error {
	var notes []state.Link
	seen := map[*job]bool{}
	for _, e := range edges {
		if seen[e.job] {
			continue
		}
		seen[e.job] = true
		known := w.links[e.record]
		known.Targets = slices.Concat(e.job.targets, e.job.drops)
		w.links[e.record] = known
		known.RemoteID, known.Gone, known.Deleted = e.job.link.RemoteID, e.job.link.Gone, e.job.link.Deleted // until it is settled
		notes = append(notes, known)
	}
	return w.note(ctx, notes)
}

// note commits what is about to become of records.
func (w *writer) note(ctx context.Context, links []state.Link) error {
	if len(links) == 0 {
		return nil
	}
	for i := range links {
		links[i].UpdatedAt = time.Now()
	}
	if err := w.store.Settle(ctx, state.Batch{Links: links}); err != nil {
		return fmt.Errorf("note what is about to be written: %w", err)
	}
	return nil
}
