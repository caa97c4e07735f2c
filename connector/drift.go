package connector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

const (
	// schemaLook is how often the schema of an object is looked at again.
	schemaLook = 15 * time.Minute
	// schemaDoubt is how long a look that did not explain a refusal answers for
	// others like it: bad records that keep coming must not use up what the CRM
	// grants.
	schemaDoubt = 10 * time.Second
)

// watch is what is known of the schema of one object.
type watch struct {
	looked  time.Time // at the schema, or in vain
	fitted  time.Time // last look at which the mapping fitted
	cleared map[suspicion]time.Time
}

// suspicion is a refusal that makes one doubt the schema. Refusals alike have
// the same reason.
type suspicion struct {
	code, field string // field is "" when the CRM names none
}

// drift looks again at schemas that have not been looked at for a while. There
// are CRMs that pass over a field they do not have without a word: what was
// written since the last look is queued again, and waits with the rest.
func (d *Dispatcher) drift(ctx context.Context) error {
	for _, object := range crm.Objects() {
		if d.mapper.Off(object) || d.gate.closed(object) || time.Since(d.watches[object].looked) < schemaLook {
			continue
		}
		last := d.watches[object]
		schema, untold := d.describe(ctx, object)
		if untold || schema == nil {
			continue
		}
		unfit := d.unfit(*schema)
		if unfit == nil {
			continue
		}
		if !last.fitted.IsZero() {
			if err := d.rewrite(ctx, object, last); err != nil {
				return err
			}
		}
		d.trip(object, unfit)
	}
	return nil
}

// rewrite queues again the records of an object that were written since the
// schema was last seen to fit.
func (d *Dispatcher) rewrite(ctx context.Context, object crm.Object, last watch) error {
	res, err := d.store.Requeue(ctx, state.RequeueOptions{Resync: true, Object: string(object), WrittenSince: last.fitted, Force: true})
	if err != nil {
		d.watches[object] = last // look, and try this, again
		return fmt.Errorf("queue again what may lack a field: %w", err)
	}
	if res.Queued > 0 {
		d.log.Warn("records that may lack a field are queued again", keyObject, string(object), keyCount, res.Queued)
	}
	return nil
}

// describe looks at the schema of an object. It reports whether that was in vain,
// for now. A schema that may not be read is nil and says nothing: what the
// credentials may write is a different matter.
func (d *Dispatcher) describe(ctx context.Context, object crm.Object) (_ *crm.Schema, untold bool) {
	describer, ok := d.client.(crm.Describer)
	if !ok {
		return nil, false
	}
	schema, err := describer.Describe(ctx, object)
	if err != nil && crm.AsError(err).Kind == crm.RateLimited {
		d.trip("", err)
		return nil, true
	}
	w := d.watches[object]
	w.looked = time.Now()
	if err == nil && d.unfit(schema) == nil {
		w.fitted = w.looked
	}
	d.watches[object] = w
	if err != nil {
		return nil, crm.AsError(err).Kind == crm.Unavailable
	}
	return &schema, false
}

// acquit looks whether it is the schema, which may have changed, that explains
// why jobs were refused. If so the object pauses and they are pending until it
// has been mended; they are, too, while the schema cannot be looked at. One that
// was just seen not to explain the same is not looked at again.
func (w *writer) acquit(ctx context.Context, jobs []*job) (acquitted bool) {
	doubts := map[suspicion]bool{}
	for _, j := range jobs {
		if w.reasons[j].Kind != crm.Invalid {
			continue
		}
		doubt := suspicion{w.reasons[j].Code, w.reasons[j].Field}
		if at, cleared := w.watches[w.object].cleared[doubt]; !cleared || time.Since(at) >= schemaDoubt {
			doubts[doubt] = true
		}
	}
	if len(doubts) == 0 {
		return false
	}
	schema, untold := w.describe(ctx, w.object)
	if untold {
		return true
	}
	if schema != nil {
		if err := w.blame(*schema, doubts); err != nil {
			w.trip(w.object, err)
			return true
		}
	}
	w.clear(doubts)
	return false
}

// blame says which part of the mapping explains refusals, nil when none does.
func (d *Dispatcher) blame(schema crm.Schema, doubts map[suspicion]bool) error {
	if err := d.unfit(schema); err != nil {
		return err
	}
	var fields []string
	for doubt := range doubts {
		if doubt.field == "" {
			return misconfigured(d.checks().refusals(&schema, nil))
		}
		fields = append(fields, doubt.field)
	}
	slices.Sort(fields)
	return misconfigured(d.checks().refusals(&schema, fields))
}

// clear notes that the schema does not explain these refusals.
func (w *writer) clear(doubts map[suspicion]bool) {
	now := time.Now()
	cleared := map[suspicion]time.Time{}
	for doubt, at := range w.watches[w.object].cleared {
		if now.Sub(at) < schemaDoubt {
			cleared[doubt] = at
		}
	}
	for doubt := range doubts {
		cleared[doubt] = now
	}
	known := w.watches[w.object]
	known.cleared = cleared
	w.watches[w.object] = known
}
