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
	object  crm.Object
	last    time.Time     // its last failure
	own     bool          // another record of the object has arrived since: not the CRM's fault
	failing time.Duration // how long it has been failing by its own fault
}

// unanswered notes that something of ev was sent alone and got no useful
// answer. The event tries again after a while, so that another one is sent
// first. It reports true when the event has failed for long enough, while
// others arrived, to give it up. Time during which the account was held does
// not count.
func (r *round) unanswered(ev *event, object crm.Object) (giveUp bool) {
	t := r.troubles[ev.Seq]
	if t == nil {
		t = &trouble{object: object, failing: ev.FailingFor}
		r.troubles[ev.Seq] = t
	}
	now, most := time.Now(), outageMax
	if t.own {
		t.failing += now.Sub(latest(t.last, r.gate.healthySince()))
		most = retryMax
	}
	t.last, t.own = now, false
	ev.attempted, ev.failing = true, t.failing
	ev.notBefore = now.Add(backoff(ev.Attempts, most))
	return t.failing >= r.giveUpAfter
}

// vindicated says that a record of object arrived: those of the object that
// failed before it did so by their own fault.
func (r *round) vindicated(object crm.Object) {
	for _, t := range r.troubles {
		t.own = t.own || t.object == object
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
