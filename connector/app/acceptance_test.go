package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
)

// fillState writes a state file with n ended events.
func fillState(t *testing.T, path string, n int) {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const writers = 500 // they share commits
	var next atomic.Int64
	var filling sync.WaitGroup
	for range writers {
		filling.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				m := state.Message{
					MessageID: fmt.Sprintf("msg_%d", i), Type: "team.created", ReceivedAt: time.Now(),
					Body: fmt.Appendf(nil, `{"type":"team.created","note":"%0512d"}`, i),
				}
				if _, err := store.Accept(t.Context(), m); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	filling.Wait()
	for {
		claim, err := store.Claim(t.Context(), state.ClaimOptions{Max: 5000})
		if err != nil {
			t.Fatal(err)
		}
		if len(claim.Events) == 0 {
			return
		}
		var b state.Batch
		for _, e := range claim.Events {
			b.Settlements = append(b.Settlements, state.Settlement{Seq: e.Seq, Status: state.Skipped, Reason: state.ReasonUnsupportedType})
		}
		if err := store.Settle(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// latencies are how long webhooks took to be accepted.
type latencies []time.Duration

func (l latencies) at(share float64) time.Duration {
	slices.Sort(l)
	return l[int(share*float64(len(l)-1))]
}

// acceptAll sends webhooks one after the other until ctx ends.
func acceptAll(ctx context.Context, t *testing.T, v *service, prefix string) (taken latencies) {
	t.Helper()
	sender, err := newSender("http://"+v.public.address().String()+"/webhooks", []string{string(v.cfg.WebhookSecrets[0])})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ctx.Err() == nil; i++ {
		start := time.Now()
		if err := sender.send(t.Context(), fmt.Sprintf("msg_%s_%d", prefix, i), []byte(`{"type":"team.created"}`)); err != nil {
			t.Fatal(err)
		}
		taken = append(taken, time.Since(start))
	}
	return taken
}

// Looking at the state, copying and verifying it keeps no sender waiting. The
// bound is wide: the machine of a test is busy, but a lock that is held while a
// whole state is read shows.
func TestAcceptance_WhileTheStateIsInspected(t *testing.T) {
	const (
		events = 30_000
		times  = 5
		floor  = 150 * time.Millisecond
	)
	cfg := testConfig(t, t.TempDir())
	fillState(t, cfg.State, events)
	v := startTest(t, cfg)
	alone, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	before := acceptAll(alone, t, v, "before")
	inspected, done := context.WithCancel(t.Context())
	var inspecting sync.WaitGroup
	inspecting.Go(func() {
		defer done()
		for _, args := range [][]string{
			{"status"}, {"events", "--limit", "2000"}, {"state", "verify"}, {"state", "export"}, {"state", "backup", filepath.Join(t.TempDir(), "copy.db")},
		} {
			if code, _, errOut := run(t, append(args, "--state", cfg.State)...); code != exitOK {
				t.Errorf("%v: exit code %d\n%s", args, code, errOut)
			}
		}
	})
	during := acceptAll(inspected, t, v, "during")
	inspecting.Wait()
	t.Logf("alone: %d accepted, p50 %s, p99 %s", len(before), before.at(0.5), before.at(0.99))
	t.Logf("inspected: %d accepted, p50 %s, p99 %s", len(during), during.at(0.5), during.at(0.99))
	for _, share := range []float64{0.5, 0.99} {
		if got, limit := during.at(share), times*before.at(share)+floor; got > limit {
			t.Errorf("p%.0f while the state is inspected: %s, want at most %s", 100*share, got, limit)
		}
	}
}
