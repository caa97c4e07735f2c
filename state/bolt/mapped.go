package bolt

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"crmsync/state"
)

// mappedKey is the key of totals.Mapped: an object code and a fingerprint.
type mappedKey = cbor.ByteString

// countMapped counts n times the record of a link, if the CRM holds it.
func (t *totals) countMapped(l *state.Link, n int64) {
	if known(*l) {
		add(t.Mapped, mappedKey(append([]byte{objectCode(l.Object)}, l.Mapping...)), n)
	}
}

// complete counts the records by mapping where nobody has done so yet: in a
// file that an earlier release wrote last. It reports whether that was needed.
func (t *totals) complete(of *tables) bool {
	if t.Mapped != nil {
		return false
	}
	t.Mapped = of.mapped()
	return true
}

// mapped counts the records of all links by the mapping that wrote them. A link
// that does not decode counts for nothing.
func (t *tables) mapped() map[mappedKey]int64 {
	sums := &totals{Mapped: make(map[mappedKey]int64)}
	for k, value := range t.all(links) {
		if l, ok := readLink(k, value); ok {
			sums.countMapped(&l, 1)
		}
	}
	return sums.Mapped
}

// readLink decodes an entry of links. Verify reports those that do not decode.
func readLink(key, value []byte) (state.Link, bool) {
	lane, err := parseLane(key)
	if err != nil {
		return state.Link{}, false
	}
	l, err := decodeLink(lane, value)
	return l, err == nil
}

// mappedStats returns totals.Mapped as callers know it.
func mappedStats(counts map[mappedKey]int64) map[state.MappedBy]int64 {
	out := make(map[state.MappedBy]int64, len(counts))
	for k, n := range counts {
		if k != "" && int(k[0]) < len(objects) {
			out[state.MappedBy{Object: objects[k[0]], Fingerprint: string(k[1:])}] = n
		}
	}
	return out
}

// OutOfReach implements [state.Store].
func (s *Store) OutOfReach(ctx context.Context, mappings map[string][]byte) (map[string]int64, error) {
	lost := make(map[string]int64)
	err := s.view(ctx, func(t *tables) error {
		sums := t.totals()
		sums.complete(t)
		for object, behind := range sums.stats().Behind(mappings) {
			n, err := t.outOfReach(ctx, object, mappings[object], behind)
			if err != nil {
				return err
			}
			if n > 0 {
				lost[object] = n
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count records out of reach: %w", err)
	}
	return lost, nil
}

// outOfReach looks for the records of an object that are behind its mapping
// until all of them are found.
func (t *tables) outOfReach(ctx context.Context, object string, mapping []byte, behind int64) (lost int64, err error) {
	for k, value := range t.scan(links, []byte{objectCode(object)}, nil) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		l, ok := readLink(k, value)
		if !ok || !known(l) || string(l.Mapping) == string(mapping) {
			continue
		}
		seq, ok := t.seqOf(ids, l.Version.EventID)
		if !ok || !t.has(bodies, seqKey(seq)) {
			lost++
		}
		if behind--; behind == 0 {
			break
		}
	}
	return lost, nil
}

// mapped checks the counts by mapping against the links.
func (v *verifier) mapped() {
	if v.sums.Mapped == nil {
		return // the next commit counts
	}
	want := v.tables.mapped()
	keys := maps.Clone(want)
	maps.Copy(keys, v.sums.Mapped)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if got := v.sums.Mapped[k]; got != want[k] {
			v.add(codeTotals, "%d records are counted as written by mapping %x, there are %d", got, string(k), want[k])
		}
	}
}
