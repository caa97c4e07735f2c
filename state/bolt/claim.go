package bolt

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// Claim implements [state.Store]. It does not return before its answer: nobody
// could give back what it claims after that.
func (s *Store) Claim(ctx context.Context, o state.ClaimOptions) (state.Claim, error) {
	if err := ctx.Err(); err != nil {
		return state.Claim{}, err
	}
	var claim state.Claim
	err := s.write(context.WithoutCancel(ctx), func(g *group) error {
		claim = g.claim(o)
		return nil
	})
	if err != nil {
		return state.Claim{}, fmt.Errorf("claim events: %w", err)
	}
	for i := range claim.Events {
		e := &claim.Events[i]
		// One damaged payload must not stop the others: without a body the
		// event ends, and verify names the damage.
		e.Body, _ = s.payloads.unpack(e.Body)
	}
	return claim, nil
}

// Release implements [state.Store]. It changes nothing in the file, and so what
// it gives back stays given back when the group that it is in cannot be
// committed.
func (s *Store) Release(ctx context.Context, seqs ...uint64) error {
	r := release{seqs: seqs}
	err := s.write(context.WithoutCancel(ctx), r.run)
	if err != nil && !r.done {
		return fmt.Errorf("release events: %w", err)
	}
	return nil
}

// release gives back events, once: in a second attempt of its group they may be
// in another claim.
type release struct {
	seqs []uint64
	done bool
}

func (r *release) run(g *group) error {
	g.wake = true
	if r.done {
		return nil
	}
	r.done = true
	for _, seq := range r.seqs {
		if g.leases.remove(seq) {
			g.leases.lookEverywhere(seq)
		}
	}
	return nil
}

// claim leases events; their bodies are still packed. It writes only when
// delayed events have become due.
func (g *group) claim(o state.ClaimOptions) state.Claim {
	paused := maskOf(o.Paused...)
	g.moveDue(paused, max(o.Max, 1000))
	g.leases.wakeDue(g.now)
	g.leases.claim++
	c := claiming{group: g, ClaimOptions: o, number: g.leases.claim}
	c.InDoubt = make(map[state.Lane]time.Time)
	for heads := g.heads(paused); len(c.Events) < o.Max; {
		h := heads.first()
		if h == nil || !c.take(h.seq) {
			break
		}
		h.advance()
		g.leases.next[h.mask] = h.passed + 1
	}
	c.Next = earlier(g.nextDue(paused), g.leases.firstDue())
	return c.Claim
}

// claiming is a claim that is being filled.
type claiming struct {
	*group
	state.ClaimOptions
	state.Claim
	number uint64
	bytes  int
}

// take adds the event unless it has to wait. It returns false, and has not
// dealt with the event, when the claim is full.
func (c *claiming) take(seq uint64) bool {
	if _, leased := c.leases.events[seq]; leased {
		return true
	}
	e, ok := c.event(inbox, seq)
	if !ok || c.waits(&e) {
		return c.err == nil
	}
	packed := c.get(bodies, seqKey(seq))
	e.Size = payloadSize(packed)
	if c.bytes += e.Size; c.MaxBytes > 0 && c.bytes > c.MaxBytes && len(c.Events) > 0 {
		return false
	}
	e.Body = bytes.Clone(packed)
	c.lease(c.number, &e)
	for _, lane := range e.Lanes {
		if mark, ok := c.mark(lane); ok {
			c.InDoubt[lane] = mark
		}
	}
	c.Events = append(c.Events, e)
	return true
}

// waits parks the event when one of its lanes is in another claim, or one that
// is still to be settled rests with an event that is not due.
func (c *claiming) waits(e *state.Event) bool {
	if lane, ok := c.leases.taken(c.number, e.Lanes); ok {
		c.leases.park(lane, parking{seq: e.Seq})
		return true
	}
	for _, lane := range e.Lanes {
		if until := c.leases.resting[lane]; c.now.Before(until) && !laneSettled(e, lane) {
			c.leases.park(lane, parking{seq: e.Seq, until: until})
			return true
		}
	}
	return false
}

// moveDue moves up to limit events of every open mask whose time has come from
// delayed to queue. What is left over is due in the past, so Claim.Next brings
// the caller back at once.
func (g *group) moveDue(paused mask, limit int) {
	for m := range mask(masks) {
		if !m.open(paused) {
			continue
		}
		var due [][]byte
		for k := range g.scan(delayed, []byte{byte(m)}, nil) {
			at, _ := parseDelayed(k)
			if at.After(g.now) || len(due) == limit {
				break
			}
			due = append(due, bytes.Clone(k))
		}
		for _, k := range due {
			_, seq := parseDelayed(k)
			g.delete(delayed, k)
			g.put(queue, queueKey(m, seq), []byte{})
			g.leases.look(m, seq)
		}
	}
}

// nextDue returns when the first delayed event of an open mask is due.
func (g *group) nextDue(paused mask) time.Time {
	var next time.Time
	for m := range mask(masks) {
		if !m.open(paused) {
			continue
		}
		for k := range g.scan(delayed, []byte{byte(m)}, nil) {
			at, _ := parseDelayed(k)
			next = earlier(next, at)
			break
		}
	}
	return next
}

// head is the position of a claim in the queue of one mask.
type head struct {
	mask   mask
	cursor *bbolt.Cursor
	seq    uint64 // 0 at the end
	passed uint64 // last seq that was dealt with
}

func (h *head) advance() {
	h.passed = h.seq
	k, _ := h.cursor.Next()
	h.set(k)
}

func (h *head) set(k []byte) {
	h.seq = 0
	if len(k) == 9 && k[0] == byte(h.mask) {
		h.seq = parseSeq(k[1:])
	}
}

// heads merges the queues of all open masks by seq.
type heads []*head

func (g *group) heads(paused mask) heads {
	var hs heads
	b := g.bucket(queue)
	if b == nil {
		return nil
	}
	for m := range mask(masks) {
		if !m.open(paused) {
			continue
		}
		h := &head{mask: m, cursor: b.Cursor()}
		k, _ := h.cursor.Seek(queueKey(m, g.leases.next[m]))
		h.set(k)
		hs = append(hs, h)
	}
	return hs
}

// first returns the head with the oldest event, nil when all are at their end.
func (hs heads) first() *head {
	var oldest *head
	for _, h := range hs {
		if h.seq != 0 && (oldest == nil || h.seq < oldest.seq) {
			oldest = h
		}
	}
	return oldest
}
