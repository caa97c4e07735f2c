package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"crmsync/state"
)

func TestSmoke(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := range 10 {
		r, err := s.Accept(ctx, state.Message{ID: fmt.Sprint("e", i), MessageID: fmt.Sprint("m", i), Type: "t", Key: "k", Lanes: []state.Lane{{Object: "contact", Key: "k"}}, Body: []byte("{}"), ReceivedAt: time.Now(), OccurredAt: time.Now()})
		if err != nil || r.Outcome != state.Added {
			t.Fatal(r, err)
		}
	}
	c, err := s.Claim(ctx, state.ClaimOptions{Max: 5})
	if err != nil || len(c.Events) != 5 {
		t.Fatal(c, err)
	}
	if err := s.Settle(ctx, state.Batch{Settlements: []state.Settlement{{Seq: c.Events[0].Seq, Status: state.Applied}}}); err != nil {
		t.Fatal(err)
	}
	f, err := s.Verify(ctx)
	if err != nil || len(f) > 0 {
		t.Fatal(f, err)
	}
	st, _ := s.Stats(ctx)
	t.Log(st)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
