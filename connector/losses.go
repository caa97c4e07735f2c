package connector

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// A field that is gone from the schema may come back without its values. Where an
// edit wins (if_unchanged) all of them would pass for cleared by people, and
// nothing would ever be written there again. So while it is gone, the records
// learn that to find it empty is no edit.

// lossPage is how many records are read at once to tell them.
const lossPage = 1000

// loss is a field that is gone.
type loss struct {
	object crm.Object
	field  string
}

// lose notes which fields of a schema are gone where an edit would win.
func (d *Dispatcher) lose(schema crm.Schema) {
	for field, policy := range d.mapper.Policies(schema.Object) {
		if policy != mapping.IfUnchanged {
			continue
		}
		l := loss{schema.Object, field}
		if _, there := schema.Fields[field]; there {
			delete(d.losses, l)
		} else if _, known := d.losses[l]; !known {
			d.losses[l] = false
		}
	}
}

// noteLosses tells the records of fields that were found gone.
func (d *Dispatcher) noteLosses(ctx context.Context) error {
	for l, noted := range d.losses {
		if noted {
			continue
		}
		if err := d.noteLoss(ctx, l); err != nil {
			return fmt.Errorf("note that %s of %s is gone: %w", l.field, l.object, err)
		}
		d.losses[l] = true
	}
	return nil
}

func (d *Dispatcher) noteLoss(ctx context.Context, l loss) error {
	empty := valueHash("")
	unaware := func(w state.Wrote) bool { return w.Field == l.field && !bytes.Equal(w.Next, empty) }
	for page := (state.ObjectFilter{Object: string(l.object), Limit: lossPage}); ; {
		links, err := d.store.Objects(ctx, page)
		if err != nil {
			return err
		}
		var notes []state.Link
		for _, link := range links {
			if slices.ContainsFunc(link.Wrote, unaware) {
				link.Wrote = vacating(link.Wrote, l.field)
				notes = append(notes, link)
			}
		}
		if len(notes) > 0 {
			if err := d.store.Settle(ctx, state.Batch{Links: notes}); err != nil {
				return err
			}
		}
		if len(links) < lossPage {
			return nil
		}
		page.After = links[len(links)-1].Lane
	}
}
