package bolt

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"crmsync/state"
)

// -speed measures with a million events, which takes minutes and wants a machine
// that does nothing else.
var speed = flag.Bool("speed", false, "measure speed and hold it against its bounds")

const (
	million      = 1_000_000
	smallBacklog = 1_000
	speedClaim   = 100 // events of a round
	speedRounds  = 41

	maxSlower    = 1.5
	maxEndedSize = 400 // bytes of state per ended event
)

// BenchmarkBacklog compares rounds of 100 events taken from a small backlog
// with those taken from a large one, in turns.
func BenchmarkBacklog(b *testing.B) {
	small, large := openTest(b, Options{}), openTest(b, Options{})
	fill(b, small, smallBacklog)
	fill(b, large, 100_000)
	var ratio float64
	for b.Loop() {
		ratio = timesAsLong(b, small, large)
	}
	b.ReportMetric(ratio, "growth-ratio")
}

// TestSpeed holds a backlog of a million events against its bounds, and what is
// left of it when all have ended.
func TestSpeed(t *testing.T) {
	if !*speed {
		return // a busy machine measures itself
	}
	small := openTest(t, Options{})
	fill(t, small, smallBacklog)
	large := openTest(t, Options{})
	for _, backlog := range []int{100_000, million} {
		fill(t, large, backlog-pending(t, large))
		ratio := timesAsLong(t, small, large)
		t.Logf("backlog of %d: %.2f times the time per event of one of %d", backlog, ratio, smallBacklog)
		if ratio > maxSlower {
			t.Errorf("a backlog of %d takes %.2f times as long, want at most %g", backlog, ratio, maxSlower)
		}
	}
	size := endedSize(t, large)
	t.Logf("%d bytes of state per ended event", size)
	if size > maxEndedSize {
		t.Errorf("%d bytes of state per ended event, want at most %d", size, maxEndedSize)
	}
}

// timesAsLong returns how many times as long a round takes in the large store. What
// a round takes is filled again.
func timesAsLong(tb testing.TB, small, large *Store) float64 {
	tb.Helper()
	took := map[*Store][]time.Duration{}
	for range speedRounds {
		for _, s := range []*Store{small, large} {
			start := time.Now()
			endRound(tb, s, speedClaim)
			took[s] = append(took[s], time.Since(start))
			fill(tb, s, speedClaim)
		}
	}
	middle := func(s *Store) float64 { return float64(slices.Sorted(slices.Values(took[s]))[speedRounds/2]) }
	return middle(large) / middle(small)
}

// endRound claims n events and ends them.
func endRound(tb testing.TB, s *Store, n int) {
	tb.Helper()
	c, err := s.Claim(context.Background(), state.ClaimOptions{Max: n})
	if err == nil && len(c.Events) != n {
		err = fmt.Errorf("%d of %d events claimed", len(c.Events), n)
	}
	if err == nil {
		err = s.Settle(context.Background(), settled(c.Events))
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func pending(tb testing.TB, s *Store) int {
	tb.Helper()
	stats, err := s.Stats(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return int(stats.Counts[state.Pending])
}

// endedSize ends all events, drops their payloads and returns the bytes that
// each leaves behind: its line and its two ids.
func endedSize(tb testing.TB, s *Store) int {
	tb.Helper()
	for left := pending(tb, s); left > 0; left -= min(left, chunk) {
		endRound(tb, s, min(left, chunk))
	}
	if _, err := s.Prune(context.Background(), state.PruneOptions{PayloadsBefore: time.Now().Add(time.Hour)}); err != nil {
		tb.Fatal(err)
	}
	used, lines := 0, 0
	err := s.view(context.Background(), func(tb *tables) error {
		lines = tb.bucket(ledger).Stats().KeyN
		for _, name := range []bucket{ledger, ids, messages} {
			st := tb.bucket(name).Stats()
			used += st.BranchAlloc + st.LeafAlloc
		}
		return nil
	})
	if err != nil || lines == 0 {
		tb.Fatalf("%d lines, %v", lines, err)
	}
	return used / lines
}
