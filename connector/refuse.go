package connector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// streak counts refusals of one object in a row with the same code and field.
type streak struct {
	code, field string
	n           int
}

// refuse keeps a refused record until it is clear that it is the record's own
// fault: when the same refusal comes too often in a row, the object pauses and
// the records stay pending.
func (w *writer) refuse(j *job, e *crm.Error) {
	s := w.streaks[w.object]
	if s.code != e.Code || s.field != e.Field {
		w.convict()
		s = streak{code: e.Code, field: e.Field}
	}
	s.n++
	w.streaks[w.object] = s
	w.refused = append(w.refused, j)
	w.reasons[j] = e
	if s.n < refusalGuard {
		return
	}
	guard := &crm.Error{Kind: crm.Misconfigured, Code: e.Code, Field: e.Field, Message: e.Message}
	reason := fmt.Sprintf("%d records in a row were refused alike: %s", s.n, w.reason([]*job{j}, e))
	if w.gate.trip(w.object, guard, reason) {
		w.logHold(reason)
	}
	w.takeBack(w.refused)
	w.refused = nil
}

// takeBack leaves refused jobs pending.
func (w *writer) takeBack(jobs []*job) {
	for _, j := range jobs {
		j.ev.records[j.lane.Lane].Error = w.reasons[j].Error()
		j.ev.notBefore = time.Now().Add(time.Duration(rand.Int64N(int64(pauseFirst)))) // another record probes next
		w.postpone(j)
	}
}

// convict says of what was refused so far that something arrived after it, or
// was refused otherwise: not everything is.
func (w *writer) convict() {
	w.guilty = append(w.guilty, w.refused...)
	w.refused = nil
}

// sentence ends what was refused for the records' own fault, unless the schema
// tells otherwise. They are what they were before.
func (w *writer) sentence(ctx context.Context) {
	w.convict()
	guilty := w.guilty
	w.guilty = nil
	if w.acquit(ctx, guilty) {
		w.takeBack(guilty)
		delete(w.streaks, w.object)
		return
	}
	for _, j := range guilty {
		known := w.links[j.lane.Lane]
		if known.Hash = j.link.Hash; known.Hash != nil {
			w.remember(known)
		}
		j.lane.refused = &refusal{hash: j.hash, err: w.reasons[j]}
		w.dead(j, state.ReasonRefused, w.reasons[j])
	}
}

// alone notes a record that was sent alone and got no useful answer. One that
// the CRM passes over in silence is refused when it is passed over again after
// others were clearly not: before that, the CRM may be broken for all of them.
// What is refused of a record says enough about its older events.
func (w *writer) alone(j *job, e *crm.Error, othersTaken bool) {
	e = w.scrubbed(e, j)
	w.metrics.delivered(w.object, e.Kind.String())
	byRecords := way{object: w.object}
	if e.Code == crm.CodeSilentNoop && (j.lane.refused != nil || w.troubles[j.ev.Seq].isProven(byRecords)) {
		j.lane.refused = &refusal{hash: j.hash, err: e}
		w.dead(j, state.ReasonRefused, e)
		return
	}
	if w.unanswered(j.ev, byRecords, othersTaken) {
		w.dead(j, state.ReasonGaveUp, e)
		return
	}
	j.ev.records[j.lane.Lane].Error = e.Error()
	w.postpone(j)
}
