package bolt

import (
	"crmsync/state"
)

// putLink remembers a link. What waits for it becomes ready when it is known.
func (g *group) putLink(l state.Link) {
	if l.UpdatedAt.IsZero() {
		l.UpdatedAt = g.now
	}
	key := laneKey(l.Lane)
	if before, ok := readLink(key, g.get(links, key)); ok {
		g.sums.countMapped(&before, -1)
	}
	g.sums.countMapped(&l, 1)
	value, err := encodeLink(&l)
	g.fail(err)
	g.put(links, key, value)
	if l.RemoteID != "" || l.Gone {
		g.clearDoubt(l.Lane)
	}
	g.updateReady(l.Lane)
}

// known reports whether a link can be made to the lane.
func known(l state.Link) bool { return l.RemoteID != "" && !l.Gone }

// updateReady keeps the index that ReadyLinks reads: the known targets that
// somebody waits for.
func (g *group) updateReady(target state.Lane) {
	l, _ := g.link(target)
	waits := false
	for range g.scan(waiting, waitingPrefix(target, state.WaitLink), nil) {
		waits = true
		break
	}
	if known(l) && waits {
		g.put(ready, laneKey(target), []byte{})
	} else {
		g.delete(ready, laneKey(target))
	}
}

func (g *group) addWaiting(w state.Waiting) {
	key := waitingKey(w)
	if g.has(waiting, key) {
		return
	}
	g.put(waiting, key, []byte{})
	if w.Kind == state.WaitLink {
		g.sums.Waiting++
		g.updateReady(w.Target)
	}
}

func (g *group) removeWaiting(w state.Waiting) {
	if g.delete(waiting, waitingKey(w)) && w.Kind == state.WaitLink {
		g.sums.Waiting--
		g.updateReady(w.Target)
	}
}

// waitingFor returns up to limit entries whose key starts with prefix; 0 is
// no limit.
func (t *tables) waitingFor(prefix []byte, limit int) []state.Waiting {
	var found []state.Waiting
	for k := range t.scan(waiting, prefix, nil) {
		w, err := parseWaiting(k)
		t.fail(err)
		found = append(found, w)
		if len(found) == limit {
			break
		}
	}
	return found
}

// readyLinks returns up to limit (1 or more) waiting links whose target is known.
func (t *tables) readyLinks(limit int) []state.ReadyLink {
	var found []state.ReadyLink
	for k := range t.all(ready) {
		target, err := parseLane(k)
		if err != nil {
			t.fail(err)
			return nil
		}
		link, _ := t.link(target)
		for _, w := range t.waitingFor(waitingPrefix(target, state.WaitLink), limit-len(found)) {
			record, _ := t.link(w.Record)
			found = append(found, state.ReadyLink{Waiting: w, RecordLink: record, TargetLink: link})
		}
		if len(found) >= limit {
			break
		}
	}
	return found
}
