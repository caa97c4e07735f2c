package connector

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

const (
	// refusalGuard is how many records of one object in a row may be refused
	// with the same code and field before it is the mapping that is to blame.
	refusalGuard = 200
	// conflictTries bounds how often one record is sent again in a round
	// because somebody else holds one of its values.
	conflictTries = 3
)

// writer carries out the jobs of one object in one round.
type writer struct {
	*round
	object  crm.Object
	clashes []clash // to be resolved and sent once more
	again   []*job  // to be sent once more
	done    []*job  // the CRM has the record; links are next
	refused []*job  // in a row; not dead yet: the guard may decide otherwise
	guilty  []*job  // refused for their own values, unless the schema has changed
	reasons map[*job]*crm.Error

	abort func(error) // ends the round because of the state
}

// deliver writes everything that the round wants of one object. When a winner
// ends dead, the next older event of its record is planned.
func (r *round) deliver(ctx context.Context, object crm.Object) error {
	w := &writer{round: r, object: object, reasons: map[*job]*crm.Error{}}
	for {
		jobs := w.admit(r.plan(object))
		if len(jobs) == 0 {
			break
		}
		if err := w.write(ctx, jobs); err != nil {
			return err
		}
		w.sentence(ctx)
	}
	if err := w.writeLinks(ctx, w.done); err != nil {
		return err
	}
	for _, j := range w.done {
		r.finish(j)
	}
	return nil
}

// admit postpones what may not be sent now: what the CRM may still be creating,
// and what the gate does not let through, which is everything, or all but one
// record while it probes.
func (w *writer) admit(jobs []*job) []*job {
	jobs = slices.DeleteFunc(jobs, w.rests)
	admitted := len(jobs)
	switch {
	case w.gate.closed(w.object):
		admitted = 0
	case w.gate.probing(w.object):
		// One that has failed less often than the others, for the oldest may well
		// be what is wrong.
		slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(a.ev.Attempts, b.ev.Attempts) })
		admitted = min(1, len(jobs))
	}
	for _, j := range jobs[admitted:] {
		w.postpone(j)
	}
	return jobs[:admitted]
}

// rests postpones a job whose record may appear in the CRM yet, because its
// create was never answered; later the adapter looks for it first.
func (w *writer) rests(j *job) bool {
	sent, inDoubt := w.inDoubt[j.lane.Lane]
	until := sent.Add(w.settleTime)
	if !inDoubt || !w.creates(j) || !time.Now().Before(until) {
		return false
	}
	j.ev.notBefore = latest(j.ev.notBefore, until)
	w.postpone(j)
	return true
}

func (w *writer) write(ctx context.Context, jobs []*job) error {
	sending, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	w.abort = abort
	var writes, archives []*job
	for _, j := range jobs {
		switch j.task {
		case taskWrite:
			writes = append(writes, j)
		case taskArchive:
			archives = append(archives, j)
		default:
			j.result = crm.Result{RemoteID: j.link.RemoteID, Action: crm.Updated}
			w.accept(j)
		}
	}
	if err := w.noteWrites(ctx, slices.Concat(writes, archives)); err != nil {
		return err
	}
	w.delivery(w.sendArchive).run(sending, archives)
	for len(writes) > 0 {
		if err := w.markInDoubt(ctx, writes); err != nil {
			return err
		}
		w.clashes, w.again = nil, nil
		w.delivery(w.sendUpsert).run(sending, writes)
		if ctx.Err() == nil && sending.Err() != nil {
			return context.Cause(sending)
		}
		if err := w.resolve(ctx, w.clashes); err != nil {
			return err
		}
		writes = w.again
	}
	return nil
}

// markInDoubt notes, before they are sent, records that are about to be
// created in a CRM where a repeated create makes a second record.
func (w *writer) markInDoubt(ctx context.Context, jobs []*job) error {
	var lanes []state.Lane
	for _, j := range jobs {
		if w.creates(j) {
			lanes = append(lanes, j.lane.Lane)
		}
	}
	if len(lanes) == 0 {
		return nil
	}
	return w.store.MarkInDoubt(ctx, time.Now(), lanes...)
}

func (w *writer) delivery(send func(context.Context, []*job) ([]error, error)) *delivery[*job] {
	return &delivery[*job]{
		gate: w.gate, object: w.object, max: w.batchSize(), send: send, once: w.creates,
		lane:    func(j *job) state.Lane { return j.lane.Lane },
		reason:  w.reason,
		arrived: w.arrived,
		failed:  w.failed,
		alone:   w.alone,
		later:   w.postpone,
		held:    w.logHold,
	}
}

// creates reports whether sending a job twice could make two records.
func (w *writer) creates(j *job) bool {
	return !w.client.Properties().NativeUpsert && j.task == taskWrite && j.rec.RemoteID == ""
}

func (w *writer) sendUpsert(ctx context.Context, jobs []*job) ([]error, error) {
	if err := w.respect(ctx, jobs); err != nil {
		return nil, err
	}
	var records []crm.Record
	var sent []int // places in jobs
	for i, j := range jobs {
		rec := w.record(j)
		j.ev.attempted = true
		delete(w.denied, j.lane.Lane)
		if j.rec.RemoteID != "" && len(rec.Fields)+len(rec.Links)+len(rec.Unlinks) == 0 {
			j.result = crm.Result{RemoteID: rec.RemoteID, Action: crm.Unchanged}
			continue
		}
		records, sent = append(records, rec), append(sent, i)
	}
	errs := make([]error, len(jobs))
	if len(records) == 0 {
		return errs, nil
	}
	results, err := w.client.Upsert(ctx, w.object, records)
	if err == nil && len(results) != len(records) { // a mistake in the adapter: nothing is known
		err = &crm.Error{Kind: crm.Unavailable, Message: fmt.Sprintf("%d answers for %d records", len(results), len(records))}
	}
	if err != nil {
		return nil, err
	}
	for k, i := range sent {
		errs[i], jobs[i].result = results[k].Err, results[k]
	}
	return errs, nil
}

// record is what is sent of a job.
func (w *writer) record(j *job) crm.Record {
	rec := j.rec
	if rec.Adopted && rec.RemoteID == "" {
		rec.RemoteID = j.adoptee
	}
	if w.linker == nil {
		rec.Links, rec.Unlinks = w.refs(w.missing(j)), w.refs(w.known(j.drops))
	}
	return rec
}

func (w *writer) sendArchive(ctx context.Context, jobs []*job) ([]error, error) {
	refs := make([]crm.Ref, len(jobs))
	for i, j := range jobs {
		refs[i] = crm.Ref{Object: w.object, Key: j.lane.Key, RemoteID: j.link.RemoteID}
	}
	return w.archiver.Archive(ctx, w.object, refs)
}

// arrived notes that the CRM took a job, which also says something about those
// before it: the CRM works, so a record that got no answer is to blame itself,
// and what was refused was refused for its own values.
func (w *writer) arrived(j *job) {
	if j.task == taskArchive {
		j.result.Action = crm.Archived
	}
	w.metrics.delivered(w.object, string(j.result.Action))
	if j.partial && j.result.Action == crm.Created {
		w.completeLater(j)
		return
	}
	for _, reason := range w.gate.arrived(w.object) {
		w.log.Info("writing resumes", keyObject, string(w.object), keyReason, reason)
	}
	w.vindicated(way{object: w.object})
	w.convict()
	delete(w.streaks, w.object)
	if known := w.watches[w.object]; j.task == taskWrite {
		known.taken(j.rec.Fields)
	}
	if j.task == taskArchive {
		w.finish(j)
		return
	}
	w.accept(j)
}

// completeLater has a record written as a whole that was gone when a part of it
// was sent, so that it came back with that alone.
func (w *writer) completeLater(j *job) {
	j.lane.unfinished = true
	known := w.links[j.lane.Lane]
	known.Lane, known.RemoteID, known.Hash = j.lane.Lane, j.result.RemoteID, nil
	w.reborn[j.lane.Lane] = true
	w.remember(known) // the next plan finds it to be another
}

func (w *writer) accept(j *job) {
	w.done = append(w.done, j)
	j.lane.done = true
	known := w.links[j.lane.Lane]
	known.Lane, known.RemoteID, known.Gone = j.lane.Lane, j.result.RemoteID, false
	known.Deleted = j.candidate.rec.Verb == mapping.Deleted
	w.links[j.lane.Lane] = known // what is written after it can link to it, or take a value from it
}

// failed decides about a record that the CRM has an opinion about.
func (w *writer) failed(j *job, e *crm.Error) {
	w.metrics.delivered(w.object, e.Kind.String())
	if w.creates(j) && !j.rec.InDoubt && j.result.RemoteID == "" { // one in doubt may have been found, and its update refused
		w.denied[j.lane.Lane] = true
	}
	e = w.scrubbed(e, j)
	switch {
	case e.Kind == crm.Conflict && e.Code == crm.CodeAmbiguous:
		w.convict()
		w.dead(j, state.ReasonAmbiguousMatch, e)
	case j.attempts < conflictTries && e.Kind == crm.Invalid && w.mapper.OwnerField(w.object, e.Field) && j.rec.Fields[e.Field] != nil:
		// An owner who was found may have been deactivated since: the record is
		// worth more than its owner.
		j.attempts++
		w.replaceOwner(j, e.Field)
		w.owners.doubt = true
		j.note = NoteOwnerRefused
		w.log.Warn("the CRM refuses an owner; the record is written without that one", keyEventID, j.ev.ID, keyObject, string(w.object), keyField, e.Field)
		w.again = append(w.again, j)
	case j.attempts < conflictTries && e.Kind == crm.Conflict && (e.Holder != nil || e.Code == crm.CodeUnknownHolder):
		j.attempts++
		w.clashes = append(w.clashes, clash{j, e})
	case e.Kind == crm.NotFound && !j.lane.forgotten && j.link.RemoteID != "":
		j.lane.forgotten = true
		w.reborn[j.lane.Lane] = true
		known := w.links[j.lane.Lane]
		known.RemoteID, known.Hash, known.Wrote = "", nil, nil
		w.remember(known) // the next plan writes it by its key
	default:
		w.refuse(j, e)
	}
}

// replaceOwner takes an owner out of a record, for the default one if that is
// somebody else.
func (w *writer) replaceOwner(j *job, field string) {
	j.rec.Fields = maps.Clone(j.rec.Fields)
	if byDefault, ok := w.owners.known[""]; ok && j.rec.Fields[field] != byDefault {
		j.rec.Fields[field] = byDefault
	} else {
		delete(j.rec.Fields, field)
	}
	j.respected = false // what is sent instead has to be noted
}

// reason words an error for status: the variable to look at, then the CRM.
func (w *writer) reason(jobs []*job, e *crm.Error) string {
	e = w.scrubbed(e, jobs...)
	var b strings.Builder
	if e.Field != "" {
		fmt.Fprintf(&b, "%s: ", w.variable(e.Field))
	}
	b.WriteString(e.Error())
	return b.String()
}

// variable names the variable that maps a field, or that would.
func (w *writer) variable(field string) string {
	if v := w.mapper.Variable(w.object, field); v != "" {
		return v
	}
	if field == w.client.Properties().IDField && w.idVariable != "" {
		return w.idVariable
	}
	return "CRMSYNC_MAP_" + strings.ToUpper(string(w.object)) + "_" + field
}

// scrubbed takes what the events of the jobs say out of an error.
func (w *writer) scrubbed(e *crm.Error, jobs ...*job) *crm.Error {
	var fields []crm.Fields
	for _, j := range jobs {
		for _, rec := range j.ev.mapped.Records {
			fields = append(fields, rec.Fields)
		}
	}
	clean := *e
	clean.Message = scrub(e.Message, fields...)
	return &clean
}

func (w *writer) logHold(reason string) {
	w.log.Warn("writing is held", keyObject, string(w.object), keyReason, reason)
}
