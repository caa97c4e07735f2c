package connector

import (
	"context"
	"fmt"
	"maps"
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
	schemaDoubt = 2 * time.Second
)

// watch is what is known of the schema of one object.
type watch struct {
	looked  time.Time // at the schema, or in vain
	fitted  time.Time // last look at which the mapping fitted
	cleared map[suspicion]time.Time
	types   map[string]string // of mapped fields, under which records were last taken
	retyped map[string]string // what they are now, of those that are another since
}

// compare notes the types of mapped fields.
func (w *watch) compare(schema crm.Schema, mapped []string) {
	types, retyped := map[string]string{}, map[string]string{}
	for _, name := range mapped {
		field, ok := schema.Fields[name]
		if was, known := w.types[name]; known {
			types[name] = was
		} else if ok {
			types[name] = field.Type
		}
		if ok && types[name] != field.Type {
			retyped[name] = field.Type
		}
	}
	w.types, w.retyped = types, retyped
}

// taken notes that the CRM took values for fields: if their type changed, that
// does no harm.
func (w *watch) taken(fields crm.Fields) {
	for name, now := range w.retyped {
		if v, sent := fields[name]; sent && v != "" {
			w.types[name] = now
			delete(w.retyped, name)
		}
	}
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
	if err != nil {
		w := d.watches[object]
		w.looked = time.Now()
		d.watches[object] = w
		return nil, crm.AsError(err).Kind == crm.Unavailable
	}
	_ = d.saw(schema) // the caller asks again what is wrong
	return &schema, false
}

// saw notes a look at a schema. Its error says why no record can be written as it
// is mapped.
func (d *Dispatcher) saw(schema crm.Schema) error {
	w := d.watches[schema.Object]
	w.looked = time.Now()
	unfit := d.unfit(schema)
	if unfit == nil {
		w.fitted = w.looked
	}
	w.compare(schema, d.mapper.Fields(schema.Object))
	d.watches[schema.Object] = w
	d.lose(schema)
	return unfit
}

// acquit looks whether it is the schema, which may have changed, that explains
// why jobs were refused. If so the object pauses and they are pending until it
// has been mended; they are, too, while the schema cannot be looked at. One that
// was just seen not to explain the same is not looked at again.
func (w *writer) acquit(ctx context.Context, jobs []*job) (acquitted bool) {
	doubts := map[suspicion]bool{}
	for _, j := range jobs {
		if w.reasons[j].Kind == crm.Invalid {
			w.doubt(doubts, suspicion{w.reasons[j].Code, w.reasons[j].Field})
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

// doubt adds a suspicion, unless it has just been cleared.
func (w *writer) doubt(doubts map[suspicion]bool, s suspicion) {
	if at, cleared := w.watches[w.object].cleared[s]; !cleared || time.Since(at) >= schemaDoubt {
		doubts[s] = true
	}
}

// blame says which part of the mapping explains refusals, nil when none does.
func (d *Dispatcher) blame(schema crm.Schema, doubts map[suspicion]bool) error {
	if err := d.unfit(schema); err != nil {
		return err
	}
	var fields []string // nil for any
	for doubt := range doubts {
		if doubt.field == "" {
			fields = nil
			break
		}
		fields = append(fields, doubt.field)
	}
	if err := misconfigured(d.retyped(schema, fields)); err != nil {
		return err
	}
	return misconfigured(d.checks().refusals(&schema, fields))
}

// retyped returns which of some fields, or with nil of any, have become of another
// type since a record was taken with them.
func (d *Dispatcher) retyped(schema crm.Schema, fields []string) []Finding {
	var found []Finding
	known := d.watches[schema.Object]
	for _, name := range slices.Sorted(maps.Keys(known.retyped)) {
		if fields == nil || slices.Contains(fields, name) {
			found = append(found, Finding{
				Variable: d.mapper.Variable(schema.Object, name),
				Message:  fmt.Sprintf("field %s of %s has become of type %s, and was %s", name, schema.Name, known.retyped[name], known.types[name]),
			})
		}
	}
	return found
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
