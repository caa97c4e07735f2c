package bolt

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"crmsync/state"
)

// zeroTime is no time at all.
var zeroTime time.Time

// Settle implements [state.Store].
func (s *Store) Settle(ctx context.Context, b state.Batch) error {
	if err := checkBatch(&b); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	if err := s.write(ctx, func(g *group) error { return g.settle(&b) }); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// checkBatch refuses what could not be stored or read again.
func checkBatch(b *state.Batch) error {
	var lanes []state.Lane
	for i := range b.Settlements {
		st := &b.Settlements[i]
		if statusCode(st.Status) == 0 {
			return fmt.Errorf("unknown status %q", st.Status)
		}
		for _, r := range st.Records {
			if r.Status != "" && statusCode(r.Status) == 0 {
				return fmt.Errorf("unknown status %q of a record", r.Status)
			}
			lanes = append(lanes, r.Lane())
		}
	}
	for i := range b.Links {
		lanes = append(lanes, b.Links[i].Lane)
		for _, t := range b.Links[i].Targets {
			lanes = append(lanes, t.Lane)
		}
	}
	for _, w := range slices.Concat(b.Waiting, b.Drained) {
		if w.Kind != state.WaitLink && w.Kind != state.WaitValue {
			return fmt.Errorf("unknown kind of waiting %d", w.Kind)
		}
		lanes = append(lanes, w.Target, w.Record)
	}
	for _, lane := range slices.Concat(lanes, b.Requeue, b.NotCreated) {
		if err := checkLane(lane); err != nil {
			return err
		}
	}
	return nil
}

// settle puts links before the waiting entries, which are ready at once when
// their target is known, and ends events before it queues any again.
func (g *group) settle(b *state.Batch) error {
	if b.Binding != nil {
		if err := g.bind(*b.Binding); err != nil {
			return err
		}
	}
	for i := range b.Links {
		g.putLink(b.Links[i])
	}
	for _, lane := range b.NotCreated {
		g.clearDoubt(lane)
	}
	for _, w := range b.Drained {
		g.removeWaiting(w)
	}
	for _, w := range b.Waiting {
		g.addWaiting(w)
	}
	for i := range b.Settlements {
		if err := g.settleEvent(&b.Settlements[i]); err != nil {
			return err
		}
	}
	for _, lane := range b.Requeue {
		g.requeueWinner(lane)
	}
	return nil
}

// bind binds the state to one CRM account, once, or says more about that one.
func (g *group) bind(b state.Binding) error {
	if bound := g.binding(); bound != nil {
		if !bound.Fits(b) {
			return state.ErrBinding
		}
		if len(b.Account) <= len(bound.Account) {
			return nil
		}
	}
	value, err := encode(bindingBody(b))
	if err != nil {
		return err
	}
	g.put(singleton, keyBinding, value)
	return nil
}

func (g *group) settleEvent(st *state.Settlement) error {
	e, ok := g.event(inbox, st.Seq)
	if !g.free(st.Seq) || !ok {
		return fmt.Errorf("event %d: %w", st.Seq, state.ErrNotLeased)
	}
	g.delete(queue, queueKey(unsettled(&e), e.Seq)) // where every claimed event is
	e.Records = mergeRecords(e.Records, st.Records)
	e.Reason, e.Error = st.Reason, st.Error
	if st.Attempted {
		e.Attempts++
	}
	if st.Status == state.Pending {
		e.NotBefore, e.FailingFor = st.NotBefore, st.FailingFor
		g.enqueue(&e)
		return nil
	}
	g.end(&e, st.Status)
	return nil
}

// mergeRecords replaces the known records of the same lanes.
func mergeRecords(known, settled []state.Record) []state.Record {
	merged := slices.Clone(known)
	for _, r := range settled {
		r.Status = cmp.Or(r.Status, state.Pending)
		same := func(o state.Record) bool { return o.Lane() == r.Lane() }
		if i := slices.IndexFunc(merged, same); i >= 0 {
			merged[i] = r
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}

// end moves an event, already out of the queue, from the inbox to the ledger.
func (g *group) end(e *state.Event, status state.Status) {
	g.delete(inbox, seqKey(e.Seq))
	g.sums.count(&state.Event{Status: state.Pending}, -1)
	e.Status, e.SettledAt = status, g.now
	e.Force, e.NotBefore, e.FailingFor = false, zeroTime, 0
	g.putEvent(ledger, e)
	g.sums.count(e, 1)
	if status == state.Skipped && e.Reason == state.ReasonTestEvent {
		later(&g.sums.LastTest, e.ReceivedAt)
	}
}

// MarkInDoubt implements [state.Store].
func (s *Store) MarkInDoubt(ctx context.Context, at time.Time, lanes ...state.Lane) error {
	for _, lane := range lanes {
		if err := checkLane(lane); err != nil {
			return fmt.Errorf("mark in doubt: %w", err)
		}
	}
	lanes = slices.Clone(lanes)
	err := s.write(ctx, func(g *group) error {
		for _, lane := range lanes {
			value, err := encode(doubtBody{At: packedTime(at)})
			g.fail(err)
			g.put(doubt, laneKey(lane), value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark in doubt: %w", err)
	}
	return nil
}

// doubtBody says when the create of a lane was last sent.
type doubtBody struct {
	At packedTime `cbor:"1,keyasint,omitempty"`
}

func (g *group) clearDoubt(lane state.Lane) { g.delete(doubt, laneKey(lane)) }

// mark returns the in-doubt mark of a lane.
func (t *tables) mark(lane state.Lane) (time.Time, bool) {
	value := t.get(doubt, laneKey(lane))
	if value == nil {
		return zeroTime, false
	}
	var b doubtBody
	t.fail(decode(value, &b))
	return time.Time(b.At), true
}

// CountRejected implements [state.Store].
func (s *Store) CountRejected(ctx context.Context, n map[string]int64, skew time.Duration) error {
	n = maps.Clone(n)
	err := s.write(ctx, func(g *group) error {
		g.dirty = true
		for reason, count := range n {
			add(g.sums.Rejected, reason, count)
		}
		if skew != 0 {
			g.sums.ClockSkew = int64(skew)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count rejected requests: %w", err)
	}
	return nil
}
