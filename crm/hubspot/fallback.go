package hubspot

import (
	"context"
	"net/http"
	"regexp"

	"crmsync/crm"
)

// codeNoUpsert marks the refusal of upserts as such, whatever the records are.
const codeNoUpsert = "upsert_refused"

// A 400 that holds both says that there is no upsert, or none by a property of
// ours. No code is documented for that.
var (
	upsertWords  = regexp.MustCompile(`(?i)upsert|idProperty`)
	refusalWords = regexp.MustCompile(`(?i)(not|n't)( currently| yet)?( be)? (support|possible|allowed|available|enabled|implemented)|unsupported|(cannot|unable to)( be)? upsert`)
)

// upsert writes ws by our key. Where HubSpot refuses upserts on calls it finds
// out by reading which of them exist.
func (b *batch) upsert(ctx context.Context, ws []*write) error {
	if b.object != crm.Activity || !b.c.noCallUpsert.Load() {
		err := b.apply(ctx, step{verb: "upsert"}, ws)
		if err == nil || crm.AsError(err).Code != codeNoUpsert {
			return err
		}
		ws = unanswered(ws)
	}
	return b.readAndWrite(ctx, ws)
}

// readAndWrite updates those of ws that exist and creates the others. A create
// whose answer was lost is refused when it is repeated, since our key is
// unique: a conflict with ourselves, for resolve to settle.
func (b *batch) readAndWrite(ctx context.Context, ws []*write) error {
	wanted := map[string][]*write{}
	for _, w := range ws {
		wanted[w.record.Key] = []*write{w}
	}
	holders, err := b.read(ctx, b.byKey(), wanted)
	if err != nil {
		return b.unreadable(err)
	}
	// Now it is certain that upserts alone are refused: a wrong base URL or
	// version would have failed the read as well.
	b.c.noCallUpsert.Store(true)
	var existing, missing []*write
	for _, w := range ws {
		if h := holders[w.record.Key]; h != nil {
			w.target = h.id
			existing = append(existing, w)
		} else {
			missing = append(missing, w)
		}
	}
	if err := b.apply(ctx, step{verb: "update", action: crm.Updated}, existing); err != nil {
		return err
	}
	return b.apply(ctx, step{verb: "create", action: crm.Created}, missing)
}

// unreadable is the error of a read by our key that failed. It holds no values
// that could be wrong, so a refusal is about the property and no record's fault.
func (b *batch) unreadable(err error) error {
	e := crm.AsError(err)
	if e.Kind == crm.Invalid {
		e.Kind, e.Field = crm.Misconfigured, b.c.idProperty
	}
	return e
}

// refusesUpsert reports whether e, the refusal of a whole request, says that
// calls cannot be upserted at all. A property that is missing or not unique is
// a mistake in the configuration instead, and hidden by nothing.
func (b *batch) refusesUpsert(s step, e *crm.Error, p problem) bool {
	if s.verb != "upsert" || b.object != crm.Activity {
		return false
	}
	switch e.Status {
	case http.StatusNotFound:
		return e.Kind == crm.Misconfigured && e.Field == ""
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusBadRequest:
		text := string(p.Message)
		return e.Kind == crm.Invalid && e.Field == "" && upsertWords.MatchString(text) && refusalWords.MatchString(text)
	}
	return false
}
