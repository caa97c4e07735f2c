package bolt

import (
	"context"
	"fmt"
	"maps"
	"time"

	"crmsync/state"
)

// Rebind implements [state.Store].
func (s *Store) Rebind(ctx context.Context) error {
	if err := s.write(ctx, (*group).rebind); err != nil {
		return fmt.Errorf("rebind state: %w", err)
	}
	return nil
}

func (g *group) rebind() error {
	g.delete(singleton, keyBinding)
	g.unlink()
	g.empty(waiting, ready, doubt)
	g.sums.Waiting = 0
	clear(g.sums.Mapped)
	g.restart()
	g.leases.rescan() // no lane rests
	g.wake = true
	return nil
}

// unlink forgets of every link what is true in one CRM account only.
func (g *group) unlink() {
	for page := (state.ObjectFilter{Limit: chunk}); g.err == nil; {
		found := g.objects(page)
		if len(found) == 0 {
			return
		}
		for i := range found {
			l := &found[i]
			l.RemoteID, l.Hash, l.Adopted, l.Withheld, l.Targets, l.Mapping, l.Wrote = "", nil, false, "", nil, nil, nil
			value, err := encodeLink(l)
			g.fail(err)
			g.put(links, laneKey(l.Lane), value)
		}
		page.After = found[len(found)-1].Lane
	}
}

// empty removes every entry of the buckets, whatever it says.
func (g *group) empty(names ...bucket) {
	for _, name := range names {
		delete(g.open, name)
		err := g.tx.DeleteBucket([]byte(name))
		if err == nil {
			_, err = g.tx.CreateBucket([]byte(name))
		}
		if err != nil {
			g.fail(fmt.Errorf("empty bucket %s: %w", name, err))
		}
	}
	g.dirty = true
}

// restart makes pending events start anew: what of them is settled was written
// to the account that is left, and so was what they failed with.
func (g *group) restart() {
	before := maps.Clone(g.leases.resting)
	g.undo = append(g.undo, func() { g.leases.resting = before })
	g.leases.resting = make(map[state.Lane]time.Time)
	var seqs []uint64
	for k := range g.all(inbox) {
		seqs = append(seqs, parseSeq(k))
	}
	for _, seq := range seqs {
		e, ok := g.event(inbox, seq)
		if !ok {
			return
		}
		m := unsettled(&e)
		g.delete(queue, queueKey(m, seq))
		g.delete(delayed, delayedKey(m, e.NotBefore, seq))
		startAnew(&e)
		g.enqueue(&e)
	}
}
