package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"crmsync/crm"
	"crmsync/state"
)

// delivery sends items (records, links, archivals) of one object in batches
// and says of each what became of it. It is the only place that decides what a
// failed request means:
//
//   - refused credentials, a rate limit or a wrong schema hold the account or
//     the object, and everything not sent yet is for later;
//   - a batch that is refused as a whole is halved until the bad item is alone;
//   - a batch that twice gets no useful answer is tried with one item, then
//     another. When both fail the CRM is down; when one arrives the rest is
//     halved, so that a poisonous item is found and the others are delivered.
type delivery[T any] struct {
	gate   *gate
	object crm.Object
	max    int

	lane func(T) state.Lane
	// send answers items one for one, or fails as a whole.
	send func(context.Context, []T) ([]error, error)
	// reason words an error for status: scrubbed, with the variable named.
	reason func([]T, *crm.Error) string

	// once says that an item must not be sent again before the CRM has been
	// asked whether it took effect; nil means never.
	once func(T) bool

	arrived func(T)
	failed  func(T, *crm.Error)       // the answer is about this item
	alone   func(T, *crm.Error, bool) // no useful answer; whether others were taken in the same one
	later   func(T)                   // not sent, or sent to a CRM that is held now
	held    func(reason string)       // a hold begins

	alive bool // the CRM has taken or judged something of the present batch
}

// run delivers all items. What is left when the gate closes or ctx ends is for
// later.
func (d *delivery[T]) run(ctx context.Context, items []T) {
	for _, batch := range chunks(items, d.max) {
		d.alive = false
		d.runBatch(ctx, batch)
	}
}

// runBatch delivers one batch, in parts when it does not go through whole.
func (d *delivery[T]) runBatch(ctx context.Context, batch []T) {
	queue, tries := [][]T{batch}, 0
	for len(queue) > 0 {
		part := queue[0]
		if ctx.Err() != nil || d.gate.closed(d.object) {
			for _, rest := range queue {
				d.postpone(rest)
			}
			return
		}
		errs, err := d.send(ctx, part)
		if errors.Is(err, crm.ErrDraining) {
			d.gate.end()
			continue // postponed at the top
		}
		if err != nil && ctx.Err() != nil {
			continue // postponed at the top
		}
		e := crm.AsError(err)
		tries++
		switch {
		case err == nil:
			d.answered(part, errs)
		case e.Kind == crm.Unavailable && d.once != nil && slices.ContainsFunc(part, d.once):
			d.unanswered(part, e, false)
		case len(part) > 1 && e.Kind == crm.Unavailable && !d.alive && tries == 1:
			continue
		case len(part) > 1 && e.Kind == crm.Unavailable && !d.alive:
			queue = slices.Concat(queue[:1], split(part, 1, 2), queue[1:])
		case len(part) > 1 && (e.Kind == crm.Unavailable || concernsRecord(e)):
			queue = slices.Concat(queue[:1], split(part, len(part)/2), queue[1:])
		case e.Kind == crm.Unavailable:
			d.unanswered(part, e, false)
		case concernsRecord(e):
			d.failed(part[0], e)
		default:
			d.trip(part, e)
			d.postpone(part)
		}
		queue = queue[1:]
	}
}

// concernsRecord reports whether an error may be the fault of one record.
func concernsRecord(e *crm.Error) bool {
	return e.Kind == crm.Invalid || e.Kind == crm.Conflict || e.Kind == crm.NotFound
}

// answered hands out the answers of a batch that was processed.
func (d *delivery[T]) answered(batch []T, errs []error) {
	if len(errs) != len(batch) { // a mistake in the adapter: nothing is known
		d.trip(batch, &crm.Error{Kind: crm.Unavailable, Message: fmt.Sprintf("%d answers for %d records", len(errs), len(batch))})
		d.postpone(batch)
		return
	}
	// First those that got no useful answer: that others were taken or judged in
	// the same answer says that they are to blame themselves.
	taken := slices.Contains(errs, nil)
	for i := range batch {
		if e := crm.AsError(errs[i]); errs[i] != nil && e.Kind == crm.Unavailable {
			d.unanswered(batch[i:i+1], e, taken)
		}
	}
	for i, item := range batch {
		e := crm.AsError(errs[i])
		switch {
		case errs[i] == nil:
			d.alive = true
			d.arrived(item)
		case e.Kind == crm.Unavailable: // done
		case concernsRecord(e):
			d.alive = true // the CRM works: it has an opinion about this record
			d.failed(item, e)
		default:
			d.trip(batch[i:i+1], e)
			d.later(item)
		}
	}
}

// unanswered deals with items, as a rule one, that got no useful answer and
// are not sent again now.
func (d *delivery[T]) unanswered(items []T, e *crm.Error, othersTaken bool) {
	if d.gate.suspects(d.lane(items[0]).String(), d.reason(items, e)) {
		d.trip(items, e)
	}
	for _, item := range items {
		d.alone(item, e, othersTaken)
	}
}

func (d *delivery[T]) trip(batch []T, e *crm.Error) {
	reason := d.reason(batch, e)
	if d.gate.trip(d.object, e, reason) {
		d.held(reason)
	}
}

func (d *delivery[T]) postpone(items []T) {
	for _, item := range items {
		d.later(item)
	}
}

// chunks cuts items into batches of at most size.
func chunks[T any](items []T, size int) [][]T {
	var out [][]T
	for size = max(size, 1); len(items) > size; items = items[size:] {
		out = append(out, items[:size:size])
	}
	if len(items) > 0 {
		out = append(out, items)
	}
	return out
}

// split cuts a batch at the given places, leaving out empty parts.
func split[T any](batch []T, at ...int) [][]T {
	var out [][]T
	from := 0
	for _, to := range append(at, len(batch)) {
		if to = min(to, len(batch)); to > from {
			out = append(out, batch[from:to:to])
			from = to
		}
	}
	return out
}
