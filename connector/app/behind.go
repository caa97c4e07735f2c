package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"crmsync/connector"
	"crmsync/state"
)

// reachKept is how long the records out of reach are not counted again: that
// looks at the links one by one, which takes seconds when there are a million.
const reachKept = time.Minute

// behind tells how many records another mapping wrote than the one in force.
type behind struct {
	mappings map[string][]byte // see connector.Fingerprints

	mu      sync.Mutex
	counted time.Time
	lost    map[string]int64 // records out of reach, as counted then
}

// newBehind returns nil when there is no mapping to compare with.
func newBehind(o connector.DispatcherOptions) *behind {
	if o.Mapper == nil {
		return nil
	}
	return &behind{mappings: connector.Fingerprints(o)}
}

// behindView says how the records of one object lag behind the mapping.
type behindView struct {
	Records    int64 `json:"records"`      // written by another mapping
	OutOfReach int64 `json:"out_of_reach"` // of these, with a payload that is gone
}

// view returns the objects with records behind; nil while no mapping is known.
func (b *behind) view(ctx context.Context, l ledger, stats state.Stats, now time.Time) (map[string]behindView, error) {
	if b == nil {
		return nil, nil
	}
	v := map[string]behindView{}
	records := stats.Behind(b.mappings)
	if len(records) == 0 {
		return v, nil
	}
	lost, err := b.outOfReach(ctx, l, now)
	if err != nil {
		return nil, err
	}
	for object, n := range records {
		v[object] = behindView{Records: n, OutOfReach: min(lost[object], n)}
	}
	return v, nil
}

func (b *behind) outOfReach(ctx context.Context, l ledger, now time.Time) (map[string]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.counted.IsZero() && now.Sub(b.counted) < reachKept {
		return b.lost, nil
	}
	lost, err := l.OutOfReach(ctx, b.mappings)
	if err != nil {
		return nil, err
	}
	b.counted, b.lost = now, lost
	return lost, nil
}

// behindText tells people, a line for each object. The advice is for records
// that a resync reaches.
func behindText(v map[string]behindView, advice string) []string {
	var lines []string
	for _, object := range slices.Sorted(maps.Keys(v)) {
		b := v[object]
		were := "were"
		if b.Records == 1 {
			were = "was"
		}
		line := fmt.Sprintf("%s %s written by another mapping", plural(int(b.Records), object), were)
		if b.OutOfReach < b.Records {
			line += advice
		}
		if b.OutOfReach > 0 {
			line += fmt.Sprintf("; out of reach, as the payload is gone: %d", b.OutOfReach)
		}
		lines = append(lines, line+".")
	}
	return lines
}
