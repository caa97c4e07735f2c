package connector

import (
	"time"

	"crmsync/crm"
)

// retryMax is the longest wait of an event that fails while others arrive.
const retryMax = 5 * time.Minute

// trouble is the history of an event one of whose records gets no answer when
// it is sent alone.
type trouble struct {
	way     way
	last    time.Time     // its last failure
	own     bool          // something else has arrived the same way since: not the CRM's fault
	failing time.Duration // how long it has been failing by its own fault
}

// way is what requests have in common that fail together when it is the CRM that
// fails: one that takes links may still be unable to take records.
type way struct {
	object crm.Object
	links  bool // of the object's records, instead of the records
}

// unanswered notes that something of ev was sent alone and got no useful
// answer. The event tries again after a while, so that another one is sent
// first. It reports true when the event has failed for long enough, while
// others arrived, to give it up. Time during which the account was held does
// not count.
func (r *round) unanswered(ev *event, w way) (giveUp bool) {
	t := r.troubles[ev.Seq]
	if t == nil {
		t = &trouble{way: w, failing: ev.FailingFor}
		r.troubles[ev.Seq] = t
	}
	now, most := time.Now(), outageMax
	if t.isOwn(w) {
		t.failing += now.Sub(latest(t.last, r.gate.healthySince()))
		most = retryMax
	}
	t.way, t.last, t.own = w, now, false
	ev.attempted, ev.failing = true, t.failing
	ev.notBefore = now.Add(backoff(ev.Attempts, most))
	return t.failing >= r.giveUpAfter
}

// isOwn reports whether the last failure was on that way, and the event's own
// fault. A nil t is none.
func (t *trouble) isOwn(w way) bool { return t != nil && t.own && t.way == w }

// vindicated says that something arrived: what failed before it on the same way
// did so by its own fault.
func (r *round) vindicated(w way) {
	for _, t := range r.troubles {
		t.own = t.own || t.way == w
	}
}

// backoff doubles from a second, with full jitter.
func backoff(attempts int, most time.Duration) time.Duration {
	return fullJitter(min(outageFirst<<min(attempts, 20), most))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
