package bolt

import (
	"fmt"
	"maps"
	"time"

	"crmsync/state"
)

// totals are the running counts, one value that every commit rewrites.
type totals struct {
	Received   int64                  `cbor:"1,keyasint,omitempty"`
	Duplicates int64                  `cbor:"2,keyasint,omitempty"`
	Rejected   map[string]int64       `cbor:"3,keyasint,omitempty"`
	Counts     map[state.Status]int64 `cbor:"4,keyasint,omitempty"`
	Reasons    map[string]int64       `cbor:"5,keyasint,omitempty"`
	Pruned     map[state.Status]int64 `cbor:"6,keyasint,omitempty"`
	Waiting    int64                  `cbor:"7,keyasint,omitempty"`
	LastEvent  packedTime             `cbor:"8,keyasint,omitempty"`
	LastTest   packedTime             `cbor:"9,keyasint,omitempty"`
	ClockSkew  int64                  `cbor:"10,keyasint,omitempty"` // nanoseconds

	// Mapped counts the links with a record by what wrote it; nil when the file
	// was written last by a release that does not count them.
	Mapped map[mappedKey]int64 `cbor:"11,keyasint"`
}

func decodeTotals(value []byte) (*totals, error) {
	t := new(totals)
	if err := decode(value, t); err != nil {
		return nil, fmt.Errorf("decode totals: %w", err)
	}
	for _, m := range []*map[state.Status]int64{&t.Counts, &t.Pruned} {
		if *m == nil {
			*m = make(map[state.Status]int64)
		}
	}
	for _, m := range []*map[string]int64{&t.Rejected, &t.Reasons} {
		if *m == nil {
			*m = make(map[string]int64)
		}
	}
	return t, nil
}

// count adds n events that stand as e does.
func (t *totals) count(e *state.Event, n int64) {
	add(t.Counts, e.Status, n)
	if reason := countedReason(e); reason != "" {
		add(t.Reasons, reason, n)
	}
}

// countedReason is the key of an event in Stats.Reasons, "" when it has none.
func countedReason(e *state.Event) string {
	if e.Reason == "" || e.Status == state.Pending {
		return ""
	}
	return string(e.Status) + "/" + e.Reason
}

// add keeps no zero entries: equal totals are equal maps.
func add[K comparable](m map[K]int64, key K, n int64) {
	if m[key] += n; m[key] == 0 {
		delete(m, key)
	}
}

// later moves *t forward, never back.
func later(t *packedTime, to time.Time) {
	if to.After(time.Time(*t)) {
		*t = packedTime(to.UTC())
	}
}

// stats returns the totals with every status present.
func (t *totals) stats() state.Stats {
	s := state.Stats{
		Received: t.Received, Duplicates: t.Duplicates, Rejected: t.Rejected,
		Counts: make(map[state.Status]int64), Reasons: t.Reasons, Pruned: t.Pruned, WaitingLinks: t.Waiting,
		Mapped:      mappedStats(t.Mapped),
		LastEventAt: time.Time(t.LastEvent), LastTestAt: time.Time(t.LastTest), ClockSkew: time.Duration(t.ClockSkew),
	}
	for _, status := range state.Statuses() {
		s.Counts[status] = 0
	}
	maps.Copy(s.Counts, t.Counts)
	return s
}
