package connector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// retryMax is the longest wait of an event that fails while others arrive.
const retryMax = 5 * time.Minute

// trouble is the history of an event one of whose records gets no answer when
// it is sent alone.
type trouble struct {
	way     way
	last    time.Time     // its last failure
	own     bool          // something else has arrived the same way since: not the CRM's fault
	proofs  int           // that it is its own fault
	failing time.Duration // how long it has been failing by its own fault
}

// way is what requests have in common that fail together when it is the CRM that
// fails: one that takes links may still be unable to take records.
type way struct {
	object crm.Object
	links  bool // of the object's records, instead of the records
}

// unanswered notes that something of ev was sent alone and got no useful
// answer, or none in one in which others were taken. The event tries again after
// a while, so that another one is sent first. It reports true when the event has failed for long enough, while
// others arrived, to give it up. Time during which the account was held does
// not count.
func (r *round) unanswered(ev *event, w way, othersTaken bool) (giveUp bool) {
	t := r.troubles[ev.Seq]
	if t == nil {
		t = &trouble{way: w, failing: ev.FailingFor}
		r.troubles[ev.Seq] = t
	}
	now, most := time.Now(), outageMax
	if t.isOwn(w) {
		t.proofs++
		t.failing += now.Sub(latest(t.last, r.gate.healthySince()))
		most = retryMax
	}
	t.way, t.last, t.own = w, now, othersTaken
	if othersTaken {
		t.proofs++
	}
	ev.attempted, ev.failing = true, t.failing
	ev.notBefore = now.Add(backoff(ev.Attempts, most))
	return t.failing >= r.giveUpAfter
}

// isOwn reports whether the last failure was on that way, and the event's own
// fault. A nil t is none.
func (t *trouble) isOwn(w way) bool { return t != nil && t.own && t.way == w }

// isProven reports whether another failure on that way would leave no doubt whose
// fault it is: the CRM took others in the answer to an earlier one, or between the
// earlier two. A CRM may fail twice, with something arriving in between. A nil t
// is none.
func (t *trouble) isProven(w way) bool { return t.isOwn(w) && t.proofs > 0 }

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

// keepProbe leaves one event in a claim, to see whether the CRM works, and gives
// the others back. It is one that has not failed yet, else the one that failed
// first: bad records are the oldest before long, and must not be all that is
// tried. Events about the same records stay with it: what they may have written
// has to be known.
func (d *Dispatcher) keepProbe(ctx context.Context, claim *state.Claim) error {
	if len(claim.Events) < 2 {
		return nil
	}
	lastFailure := func(ev state.Event) (at time.Time) {
		if t := d.troubles[ev.Seq]; t != nil {
			at = t.last
		}
		return at
	}
	probe := slices.MinFunc(claim.Events, func(a, b state.Event) int { return lastFailure(a).Compare(lastFailure(b)) })
	kept, others := related(probe, claim.Events)
	claim.Events = kept
	if err := d.store.Release(ctx, others...); err != nil {
		return fmt.Errorf("give back what is not tried now: %w", err)
	}
	return nil
}

// related parts events into those that share records with one of them, directly
// or through others, and the Seqs of the rest.
func related(to state.Event, events []state.Event) (kept []state.Event, others []uint64) {
	lanes := map[state.Lane]bool{}
	for _, lane := range to.Lanes {
		lanes[lane] = true
	}
	known := func(lane state.Lane) bool { return lanes[lane] }
	in := map[uint64]bool{to.Seq: true}
	for more := true; more; {
		more = false
		for _, ev := range events {
			if !in[ev.Seq] && slices.ContainsFunc(ev.Lanes, known) {
				in[ev.Seq], more = true, true
				for _, lane := range ev.Lanes {
					lanes[lane] = true
				}
			}
		}
	}
	for _, ev := range events {
		if in[ev.Seq] {
			kept = append(kept, ev)
		} else {
			others = append(others, ev.Seq)
		}
	}
	return kept, others
}
