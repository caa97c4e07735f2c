package bolt

import (
	"context"
	"fmt"

	"crmsync/state"
)

// maxLanes bounds the records of one event.
const maxLanes = 16

// Accept implements [state.Store].
func (s *Store) Accept(ctx context.Context, m state.Message) (state.Receipt, error) {
	if err := checkMessage(&m); err != nil {
		return state.Receipt{}, fmt.Errorf("accept event: %w", err)
	}
	m.Type = m.Type[:min(len(m.Type), maxType)]
	payload, err := s.payloads.pack(m.Body)
	if err != nil {
		return state.Receipt{}, fmt.Errorf("accept event: %w", err)
	}
	var receipt state.Receipt
	err = s.write(ctx, func(g *group) error {
		receipt = g.accept(&m, payload)
		return nil
	})
	if err != nil {
		return state.Receipt{}, fmt.Errorf("accept event: %w", err)
	}
	return receipt, nil
}

func checkMessage(m *state.Message) error {
	if m.MessageID == "" || len(m.MessageID) > maxID || len(m.ID) > maxID {
		return fmt.Errorf("ids of %d and %d bytes, want 1 to %d", len(m.MessageID), len(m.ID), maxID)
	}
	if len(m.Key) > maxKey || len(m.Lanes) > maxLanes {
		return fmt.Errorf("key of %d bytes and %d lanes, want up to %d and %d", len(m.Key), len(m.Lanes), maxKey, maxLanes)
	}
	for _, lane := range m.Lanes {
		if err := checkLane(lane); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) accept(m *state.Message, payload []byte) state.Receipt {
	later(&g.sums.LastEvent, m.ReceivedAt)
	if e, ok := g.known(m); ok {
		return g.acceptAgain(&e, m, payload)
	}
	e := state.Event{ID: g.freeID(m), MessageID: m.MessageID, Status: state.Pending, ReceivedAt: m.ReceivedAt}
	copyMessage(&e, m)
	e.Seq = g.nextSeq()
	g.put(ids, packID(e.ID), seqKey(e.Seq))
	g.put(messages, packID(e.MessageID), seqKey(e.Seq))
	g.put(bodies, seqKey(e.Seq), payload)
	g.sums.Received++
	g.sums.count(&e, 1)
	g.enqueue(&e)
	return state.Receipt{Outcome: state.Added, ID: e.ID}
}

// acceptAgain queues the event again when it ended without having been used.
func (g *group) acceptAgain(e *state.Event, m *state.Message, payload []byte) state.Receipt {
	g.sums.Duplicates++
	g.dirty = true
	if e.Status == state.Skipped && e.Reason == state.ReasonTestEvent {
		later(&g.sums.LastTest, m.ReceivedAt)
	}
	if !replaceable(e) {
		return state.Receipt{Outcome: state.Duplicate, ID: e.ID}
	}
	g.put(bodies, seqKey(e.Seq), payload)
	g.reopen(e, func() {
		copyMessage(e, m)
		e.Attempts = 0
	})
	return state.Receipt{Outcome: state.Requeued, ID: e.ID}
}

func replaceable(e *state.Event) bool {
	switch e.Status {
	case state.Dead:
		return true
	case state.Skipped:
		return e.Reason == state.ReasonFiltered || e.Reason == state.ReasonUnsupportedType || e.Reason == state.ReasonObjectOff
	}
	return false
}

// copyMessage sets what a delivery says about an event.
func copyMessage(e *state.Event, m *state.Message) {
	e.Type, e.Key, e.OccurredAt, e.Lanes = m.Type, m.Key, m.OccurredAt, m.Lanes
	e.SignedBy = m.SignedBy
}

// known finds the event that m is a duplicate of; the message id decides.
func (g *group) known(m *state.Message) (state.Event, bool) {
	if seq, ok := g.seqOf(messages, m.MessageID); ok {
		return g.anyEvent(seq)
	}
	if m.ID == "" {
		return state.Event{}, false
	}
	seq, ok := g.seqOf(ids, m.ID)
	if !ok {
		return state.Event{}, false
	}
	e, ok := g.anyEvent(seq)
	return e, ok && e.Type == m.Type && e.Key == m.Key && e.OccurredAt.Equal(m.OccurredAt)
}

// freeID returns the event id of a new event. An id that another event has
// gives way to the message id, and that one to a numbered message id.
func (g *group) freeID(m *state.Message) string {
	id := m.ID
	if id == "" || g.has(ids, packID(id)) {
		id = m.MessageID
	}
	for n := 2; g.has(ids, packID(id)); n++ {
		id = fmt.Sprintf("%s-%d", m.MessageID, n)
	}
	return id
}

func (g *group) nextSeq() uint64 {
	b := g.bucket(inbox)
	if b == nil {
		return 0
	}
	seq, err := b.NextSequence()
	g.fail(err)
	return seq
}

// enqueue writes a pending event and makes it claimable once it is due.
func (g *group) enqueue(e *state.Event) {
	m := unsettled(e)
	if e.NotBefore.After(g.now) {
		g.put(delayed, delayedKey(m, e.NotBefore, e.Seq), []byte{})
		g.rest(e)
	} else {
		g.put(queue, queueKey(m, e.Seq), []byte{})
	}
	g.putEvent(inbox, e)
	g.leases.look(m, e.Seq)
	g.wake = true
}

// reopen moves an ended event back to pending, to be planned from the start;
// change sets what else is to change.
func (g *group) reopen(e *state.Event, change func()) {
	g.sums.count(e, -1)
	g.delete(ledger, seqKey(e.Seq))
	startAnew(e)
	change()
	g.sums.count(e, 1)
	g.enqueue(e)
}

// startAnew makes an event pending with nothing done for it.
func startAnew(e *state.Event) {
	e.Status, e.Reason, e.Error, e.Records = state.Pending, "", "", nil
	e.SettledAt, e.NotBefore, e.FailingFor = zeroTime, zeroTime, 0
}
