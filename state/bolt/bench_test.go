package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"crmsync/state"
)

// callBody is a body of about 8 KB that compresses as the real ones do.
func callBody(i int) []byte {
	b := fmt.Appendf(nil, `{"id":%q,"type":"call.completed","payload":{"call":{"transcript":[`, uuid.NewString())
	r := rand.New(rand.NewPCG(1, uint64(i)))
	for len(b) < 8000 {
		b = fmt.Appendf(b, `{"speaker":"agent","text":"%x %x","startMillis":%d},`, r.Uint64(), r.Uint32(), len(b))
	}
	return append(b, "]}}}"...)
}

// realistic is a message with ids as Svix and the platform make them.
func realistic(i int, body []byte) state.Message {
	call := uuid.NewString()
	user := uuid.NewSHA1(uuid.Nil, binary.BigEndian.AppendUint64(nil, uint64(i%1000))).String()
	return state.Message{
		ID: uuid.NewString(), MessageID: fmt.Sprintf("msg_2K%08x%017x", i, rand.Uint64()), Type: "call.completed", Key: call,
		OccurredAt: time.Now(), ReceivedAt: time.Now(), Body: body,
		Lanes: []state.Lane{{Object: "activity", Key: call}, {Object: "contact", Key: user}},
	}
}

func BenchmarkAccept(b *testing.B) {
	bodies := make([][]byte, 64)
	for i := range bodies {
		bodies[i] = callBody(i)
	}
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openTest(b, Options{})
			b.ReportAllocs()
			benchParallel(b, callers, func(i int) error {
				_, err := s.Accept(context.Background(), realistic(i, bodies[i%len(bodies)]))
				return err
			})
		})
	}
}

// BenchmarkBareCommit is what bbolt itself needs: one put of the same size per
// commit, and 64 of them.
func BenchmarkBareCommit(b *testing.B) {
	value := bytes.Repeat([]byte("x"), 3000)
	for _, puts := range []int{1, 64} {
		b.Run(fmt.Sprintf("puts=%d", puts), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			i := uint64(0)
			for b.Loop() {
				err := db.Update(func(tx *bbolt.Tx) error {
					bucket, err := tx.CreateBucketIfNotExists([]byte("x"))
					for range puts {
						i++
						if err == nil {
							err = bucket.Put(seqKey(i), value)
						}
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(puts)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// benchParallel calls fn b.N times from as many goroutines as there are callers.
func benchParallel(b *testing.B, callers int, fn func(i int) error) {
	var next atomic.Int64
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range work {
				if err := fn(int(next.Add(1))); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// fill accepts n events in large groups.
func fill(b testing.TB, s *Store, n int) {
	b.Helper()
	payload, err := s.payloads.pack([]byte(`{"small":true}`))
	if err != nil {
		b.Fatal(err)
	}
	for done := 0; done < n; done += chunk {
		errs := inOneGroup(s, func(g *group) error {
			for i := range min(chunk, n-done) {
				m := realistic(done+i, nil)
				g.accept(&m, payload)
			}
			return nil
		})
		if errs[0] != nil {
			b.Fatal(errs[0])
		}
	}
}

// BenchmarkClaimSettle takes rounds of 100 events from a backlog, which each
// round fills again. It must not depend on the size of the backlog.
func BenchmarkClaimSettle(b *testing.B) {
	for _, backlog := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("backlog=%d", backlog), func(b *testing.B) {
			s := openTest(b, Options{})
			fill(b, s, backlog)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				c, err := s.Claim(ctx, state.ClaimOptions{Max: 100})
				if err != nil || len(c.Events) != 100 {
					b.Fatalf("%d events, %v", len(c.Events), err)
				}
				if err := s.Settle(ctx, settled(c.Events)); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				fill(b, s, 100)
				b.StartTimer()
			}
		})
	}
}

// settled ends events as the connector does.
func settled(events []state.Event) state.Batch {
	var batch state.Batch
	for _, e := range events {
		st := state.Settlement{Seq: e.Seq, Status: state.Applied, Attempted: true}
		for _, lane := range e.Lanes {
			st.Records = append(st.Records, state.Record{
				Object: lane.Object, Key: lane.Key, RemoteID: "51234567890", Action: "created", Status: state.Applied,
			})
		}
		batch.Settlements = append(batch.Settlements, st)
	}
	return batch
}

// TestSize_ofAnEndedEvent keeps what an event leaves behind small.
func TestSize_ofAnEndedEvent(t *testing.T) {
	s := openTest(t, Options{})
	fill(t, s, 6_000)
	if size := endedSize(t, s); size > maxEndedSize {
		t.Errorf("%d bytes an event, want up to %d", size, maxEndedSize)
	}
}
