package bolt

import (
	"bytes"

	"crmsync/state"
)

// idIndexes checks that every id leads to the line that has it.
func (v *verifier) idIndexes() {
	for _, index := range []bucket{ids, messages} {
		for k, value := range v.all(index) {
			id, err := unpackID(k)
			if err != nil {
				v.add(codeValue, "%s: %v", index, err)
				continue
			}
			e, ok := v.line(parseSeq(value))
			if !ok || (index == ids && e.ID != id) || (index == messages && e.MessageID != id) {
				v.add(codeDangling, "%s: an entry leads to line %d, which does not have that id", index, parseSeq(value))
			}
		}
	}
}

// line reads a line without letting an error stick: it is a finding already.
func (v *verifier) line(seq uint64) (state.Event, bool) {
	for _, from := range []bucket{inbox, ledger} {
		if value := v.get(from, seqKey(seq)); value != nil {
			e, err := decodeEvent(seq, value)
			return e, err == nil
		}
	}
	return state.Event{}, false
}

// queues checks that every entry leads to a pending line with that mask.
func (v *verifier) queues() {
	check := func(index bucket, m byte, seq uint64) state.Event {
		e, ok := v.line(seq)
		if !ok || e.Status != state.Pending || byte(unsettled(&e)) != m {
			v.add(codeDangling, "%s: an entry of mask %d leads to line %d, which is not pending with that mask", index, m, seq)
		}
		return e
	}
	for k := range v.all(queue) {
		if len(k) != 9 {
			v.add(codeValue, "queue: key of %d bytes", len(k))
			continue
		}
		check(queue, k[0], parseSeq(k[1:]))
	}
	for k := range v.all(delayed) {
		if len(k) != 17 {
			v.add(codeValue, "delayed: key of %d bytes", len(k))
			continue
		}
		_, seq := parseDelayed(k)
		e := check(delayed, k[0], seq)
		if want := delayedKey(mask(k[0]), e.NotBefore, seq); !bytes.Equal(k, want) {
			v.add(codeDangling, "delayed: an entry leads to line %d, which is due at another time", seq)
		}
	}
}

func (v *verifier) orphans() {
	for k := range v.all(bodies) {
		if !v.has(inbox, k) && !v.has(ledger, k) {
			v.add(codeOrphan, "payload %d has no line", parseSeq(k))
		}
	}
}

// waiting checks the entries, their count, and that the known targets are
// ready.
func (v *verifier) waiting() {
	var count int64
	for k := range v.all(waiting) {
		w, err := parseWaiting(k)
		if err != nil {
			v.add(codeValue, "waiting: %v", err)
			continue
		}
		if w.Kind != state.WaitLink && w.Kind != state.WaitValue {
			v.add(codeValue, "waiting: kind %d is unknown", w.Kind)
			continue
		}
		if !v.has(links, laneKey(w.Record)) {
			v.add(codeUnmade, "the %s that waits for a %s is not known", w.Record.Object, w.Target.Object)
		}
		if w.Kind == state.WaitValue {
			continue
		}
		count++
		if l := v.linkOf(w.Target); known(l) != v.has(ready, laneKey(w.Target)) {
			v.add(codeReady, "a %s that is waited for: known %t, in the index of ready ones %t", w.Target.Object, known(l), !known(l))
		}
	}
	if count != v.sums.Waiting {
		v.add(codeTotals, "%d waiting links are counted, there are %d", v.sums.Waiting, count)
	}
}

// linkOf is the zero Link when it does not decode: values reports that.
func (v *verifier) linkOf(lane state.Lane) state.Link {
	value := v.get(links, laneKey(lane))
	if value == nil {
		return state.Link{}
	}
	l, err := decodeLink(lane, value)
	if err != nil {
		return state.Link{}
	}
	return l
}

// ready checks that somebody waits for every ready target.
func (v *verifier) ready() {
	for k := range v.all(ready) {
		target, err := parseLane(k)
		if err != nil {
			v.add(codeValue, "ready: %v", err)
			continue
		}
		if len(v.waitingFor(waitingPrefix(target, state.WaitLink), 1)) == 0 {
			v.add(codeReady, "a %s is ready although nothing waits for it", target.Object)
		}
	}
}

// values checks that links, in-doubt marks and single values decode.
func (v *verifier) values() {
	v.binding()
	v.tables.paused()
	for k, value := range v.all(links) {
		lane, err := parseLane(k)
		if err == nil {
			_, err = decodeLink(lane, value)
		}
		if err != nil {
			v.add(codeValue, "links: %v", err)
		}
	}
	for k, value := range v.all(doubt) {
		_, err := parseLane(k)
		if err == nil {
			err = decode(value, new(doubtBody))
		}
		if err != nil {
			v.add(codeValue, "doubt: %v", err)
		}
	}
}
