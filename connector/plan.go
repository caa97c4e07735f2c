package connector

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// task says how a job is carried out.
type task uint8

const (
	taskWrite   task = iota // send the fields, then the links
	taskLink                // the fields are as last written; links are missing
	taskArchive             // take the record away
	taskNothing             // the CRM is as it should be
)

// job is the winner of one lane and what it takes to make it true.
type job struct {
	*candidate
	lane    *lane
	task    task
	rec     crm.Record
	hash    []byte         // of the fields as mapped and the targets as wanted
	targets []state.Target // as wanted; Made as far as known
	drops   []state.Target // not wanted, and may be linked from earlier
	link    state.Link     // as it was before the job

	result   crm.Result
	withheld string     // field left out because a living record holds its value
	holder   state.Lane // who holds it
	note     string     // for the ledger
	attempts int        // conflicts met so far
	linkErr  *crm.Error // a link that the CRM refuses for good
	gaveUp   bool       // it was not refused: no answer came for too long
	linkWait bool       // links have to be tried again

	onlyWithheld bool // all but the field that was withheld is as it was written
	partial      bool // fields are left out that the record has
	rerun        bool // of the event that wrote the record: what the CRM holds already is not sent

	respected bool          // the fields that a person wins are out of rec
	adoptee   string        // remote id of the person's record that it adopts
	kept      []crm.Change  // those fields, with what the CRM holds and what we would have written
	wrote     []state.Wrote // as in link, with what is about to be sent
}

// plan returns the jobs of one object: for each lane the newest event that is
// not older than what was written before. Events that are beaten end here.
func (r *round) plan(object crm.Object) []*job {
	var jobs []*job
	for _, key := range r.order {
		l := r.lanes[key]
		if key.Object != string(object) || l.done {
			continue
		}
		if j := r.winner(l); j != nil {
			jobs = append(jobs, j)
		} else {
			l.done = true
		}
	}
	return jobs
}

// winner returns the job of a lane's newest candidate, or nil when none of the
// candidates has anything to say.
func (r *round) winner(l *lane) *job {
	link := r.links[l.Lane]
	for len(l.candidates) > 0 {
		c := l.candidates[0]
		if !link.Version.IsZero() && c.version.Compare(link.Version) < 0 {
			r.stale(c, link.Version.EventID)
			l.candidates = l.candidates[1:]
			continue
		}
		j := r.job(l, c)
		if l.refused != nil && bytes.Equal(l.refused.hash, j.hash) {
			r.dead(j, state.ReasonRefused, l.refused.err)
			continue
		}
		if j.task == taskNothing {
			r.finish(j)
			return nil
		}
		return j
	}
	return nil
}

// job works out what candidate c wants of the CRM.
func (r *round) job(l *lane, c *candidate) *job {
	link := r.links[l.Lane]
	link.Lane = l.Lane
	j := &job{candidate: c, lane: l, link: link, wrote: link.Wrote}
	if r.takesAway(c, link) {
		j.task = taskArchive
		if link.RemoteID == "" {
			j.task = taskNothing
		}
		return j
	}
	j.rec = crm.Record{
		Object: c.rec.Object, Key: c.rec.Key, RemoteID: link.RemoteID, OccurredAt: c.ev.decoded.Timestamp,
		Fields: c.rec.Fields, Adopted: link.Adopted,
	}
	_, j.rec.InDoubt = r.inDoubt[l.Lane]
	r.aim(j)
	j.hash = hashOf(j.rec.Fields, j.targets, r.mapper.Policies(c.rec.Object))
	same := link.RemoteID != "" && bytes.Equal(link.Hash, j.hash) && !c.ev.Force
	switch {
	case !same:
		j.task = taskWrite
		if link.RemoteID != "" && bytes.Equal(link.Hash, hashOf(j.rec.Fields, j.targets, nil)) && !c.ev.Force {
			j.partial = true // policies are all that is new
			j.rec.Fields = onlyOf(j.rec.Fields, r.mapper.Policies(c.rec.Object))
		}
		j.rerun = link.RemoteID != "" && link.Version.EventID == c.ev.ID && !c.ev.Force
	case link.Withheld != "" && link.Version.EventID == c.ev.ID:
		// The writer of a record that had to do without a value tries again.
		j.task, j.onlyWithheld, j.partial = taskWrite, true, true
		j.rec.Fields = crm.Fields{link.Withheld: j.rec.Fields[link.Withheld]}
	case len(r.missing(j)) > 0 || len(r.known(j.drops)) > 0:
		j.task = taskLink
	default:
		j.task = taskNothing
	}
	return j
}

// takesAway reports whether c removes the record from the CRM, or finds it
// removed. Records that a person created are only marked.
func (r *round) takesAway(c *candidate, link state.Link) bool {
	if c.rec.Verb != mapping.Deleted {
		return false
	}
	return link.Gone || (r.archiver != nil && !link.Adopted && r.deletePolicy(c.ev.decoded.Kind) == DeleteArchive)
}

// onlyOf returns the fields that have a policy.
func onlyOf(fields crm.Fields, policies map[string]mapping.Policy) crm.Fields {
	out := crm.Fields{}
	for field := range policies {
		if v, mapped := fields[field]; mapped {
			out[field] = v
		}
	}
	return out
}

// hashOf tells whether two plans of a record are the same. It covers the keys
// of the link targets, not whether the links exist already, and who wins which
// field: one that was kept may be written under another policy.
func hashOf(fields crm.Fields, targets []state.Target, policies map[string]mapping.Policy) []byte {
	keys := make([]string, 0, len(targets))
	for _, t := range targets {
		keys = append(keys, t.Lane.String())
	}
	slices.Sort(keys)
	// Maps are encoded with sorted keys, and every value type of Fields encodes.
	plan := []any{fields, keys}
	if len(policies) > 0 {
		plan = append(plan, policies)
	}
	data, err := json.Marshal(plan)
	if err != nil {
		return nil // never equal to anything: the record is written
	}
	sum := sha256.Sum256(data)
	return sum[:16]
}

// stale ends one record of an event that a newer one has beaten.
func (r *round) stale(c *candidate, by string) {
	rec := c.ev.records[laneOf(c.rec.Lane)]
	rec.Status, rec.Action, rec.SupersededBy, rec.Error = state.Stale, string(crm.Stale), by, ""
}

// finish remembers a job whose record is as it should be, and ends its losers.
func (r *round) finish(j *job) {
	rec := j.ev.records[j.lane.Lane]
	link := j.link
	link.Version = j.version
	link.Deleted = j.candidate.rec.Verb == mapping.Deleted
	switch j.task {
	case taskArchive:
		rec.Action, rec.Status = string(crm.Archived), state.Applied
		link.RemoteID, link.Hash, link.Targets, link.Wrote, link.Gone = "", nil, nil, nil, true
	case taskNothing:
		rec.Action, rec.Status = string(crm.Unchanged), state.Unchanged
		if r.takesAway(j.candidate, j.link) { // a tombstone for what never was, or is gone
			rec.Action = string(crm.None)
			link.Gone = true
		} else {
			r.keepTargets(j, &link)
		}
	default:
		r.written(j, rec, &link)
	}
	if j.lane.unfinished && rec.Status == state.Applied {
		rec.Action = string(crm.Created)
	}
	if before := j.ev.before[j.lane.Lane]; weight(before.Action) > weight(rec.Action) {
		rec.Action, rec.Status = before.Action, state.Applied // it did more the first time
	}
	rec.RemoteID, rec.Error = link.RemoteID, ""
	if j.task == taskArchive {
		rec.RemoteID = j.link.RemoteID // which one was taken away
	}
	if j.linkErr != nil {
		reason := state.ReasonRefused
		if j.gaveUp {
			reason = state.ReasonGaveUp
		}
		r.fail(rec, reason, j.linkErr)
	}
	if j.linkWait {
		rec.Status, rec.Action = state.Pending, ""
	} else {
		for _, loser := range j.lane.candidates[1:] {
			r.stale(loser, j.ev.ID)
		}
	}
	if settled := rec.Status == state.Applied || rec.Status == state.Unchanged; settled && !link.Gone {
		link.Mapping = r.fingerprints[link.Object]
	}
	changed := link.Deleted != j.link.Deleted || link.Gone != j.link.Gone || !bytes.Equal(link.Hash, j.link.Hash)
	if changed && link.Object == string(crm.Contact) {
		r.released = append(r.released, j.lane.Lane)
	}
	if field, vacated := r.vacated[j.lane.Lane]; vacated {
		link.Wrote = vacating(link.Wrote, field)
	}
	r.remember(link)
	j.lane.done = true
}

// weight orders actions by how much they did.
func weight(action string) int {
	switch crm.Action(action) {
	case crm.Created, crm.Adopted, crm.Archived:
		return 2
	case crm.Updated, crm.Upserted:
		return 1
	}
	return 0
}

// written notes a record that the CRM took.
func (r *round) written(j *job, rec *state.Record, link *state.Link) {
	rec.Action, rec.Status = string(j.result.Action), state.Applied
	if j.result.Action == crm.Unchanged {
		rec.Status = state.Unchanged
	}
	rec.RequestID = j.result.RequestID
	link.RemoteID, link.Hash, link.Gone = j.result.RemoteID, j.hash, false
	link.Adopted = (link.Adopted || j.result.Action == crm.Adopted) && j.result.Action != crm.Created
	if j.task == taskWrite { // links alone say nothing about values
		link.Withheld = j.withheld
		link.Wrote = arrivedValues(j.wrote, j.rec.Fields)
		if j.result.Action == crm.Created { // what we wrote before was in another record
			link.Wrote = slices.DeleteFunc(link.Wrote, func(v state.Wrote) bool { _, sent := j.rec.Fields[v.Field]; return !sent })
		}
	}
	if j.onlyWithheld {
		rec.Kept = j.ev.before[j.lane.Lane].Kept
	}
	for _, c := range j.kept {
		rec.Kept = append(rec.Kept, c.Field)
	}
	r.kept[j.lane.Lane] = j.kept
	r.keepTargets(j, link)
	if j.link.Gone || j.link.RemoteID != "" && j.result.RemoteID != j.link.RemoteID {
		r.reborn[j.lane.Lane] = true
	}
	rec.Note = j.note
	if j.withheld != "" && j.holder.Key != "" {
		r.batch.Waiting = append(r.batch.Waiting, state.Waiting{Kind: state.WaitValue, Target: j.holder, Record: j.lane.Lane})
	}
}

// dead ends the newest candidate of a lane; the next older one has its turn.
func (r *round) dead(j *job, reason string, e *crm.Error) {
	r.fail(j.ev.records[j.lane.Lane], reason, e)
	j.lane.candidates = j.lane.candidates[1:]
	r.log.Error("record is dead", keyEventID, j.ev.ID, keyObject, j.lane.Object, keyKind, e.Kind.String(), keyReason, reason, keyCode, e.Code, keyField, e.Field)
}

// fail writes an error into a record. Its message has been scrubbed.
func (r *round) fail(rec *state.Record, reason string, e *crm.Error) {
	rec.Status, rec.Reason, rec.Action = state.Dead, reason, string(crm.None)
	rec.Error, rec.Field, rec.RequestID = e.Error(), e.Field, e.RequestID
}
