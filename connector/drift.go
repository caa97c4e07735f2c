package connector

import (
	"context"
	"time"

	"crmsync/crm"
)

const (
	// schemaLook is how often the schema of an object is looked at again.
	schemaLook = 15 * time.Minute
	// schemaDoubt is how old a look may be when an answer makes one doubt it.
	schemaDoubt = time.Minute
)

// drift looks again at schemas that have not been looked at for a while. There
// are CRMs that pass over a field they do not have without a word.
func (d *Dispatcher) drift(ctx context.Context) {
	for _, object := range crm.Objects() {
		if !d.mapper.Off(object) && !d.gate.closed(object) {
			d.outdated(ctx, object, schemaLook)
		}
	}
}

// outdated looks at the schema of an object, unless the last look is younger
// than age, and pauses the object when its mapping does not fit any more. It
// reports whether writing is held now. A schema that may not be read says
// nothing: what the credentials may write is a different matter.
func (d *Dispatcher) outdated(ctx context.Context, object crm.Object, age time.Duration) bool {
	describer, ok := d.client.(crm.Describer)
	last := d.looked[object]
	if !ok || !last.IsZero() && time.Since(last) < age {
		return false
	}
	d.looked[object] = time.Now()
	schema, err := describer.Describe(ctx, object)
	if err != nil {
		if crm.AsError(err).Kind == crm.RateLimited {
			d.looked[object] = last
			d.trip("", err)
			return true
		}
		return false
	}
	if err := d.unfit(schema); err != nil {
		d.trip(object, err)
		return true
	}
	return false
}

// acquit takes back what was refused because of a schema that changed
// meanwhile: the records are pending until it has been mended.
func (w *writer) acquit(ctx context.Context) {
	if len(w.refused) == 0 || !w.outdated(ctx, w.object, schemaDoubt) {
		return
	}
	w.takeBack()
	delete(w.streaks, w.object)
}
