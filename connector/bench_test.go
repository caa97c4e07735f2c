package connector

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"crmsync/crm"
	"crmsync/state"
)

// blankStore knows nothing and forgets everything, so that a benchmark of the
// dispatcher measures the dispatcher.
type blankStore struct{ state.Store }

func (blankStore) Links(context.Context, ...state.Lane) (map[state.Lane]state.Link, error) {
	return map[state.Lane]state.Link{}, nil
}

func (blankStore) Waiting(context.Context, ...state.Lane) ([]state.Waiting, error) { return nil, nil }

func calls(n int) state.Claim {
	var claim state.Claim
	for i := range n {
		m := newMessage(fmt.Sprintf("msg_%d", i), []byte(callEvent(fmt.Sprintf("e%d", i), fmt.Sprintf("c%d", i), fmt.Sprintf("u%d", i%200), i, "Call")), time.Now())
		claim.Events = append(claim.Events, state.Event{
			Seq: uint64(i + 1), ID: m.ID, MessageID: m.MessageID, Type: m.Type, Key: m.Key,
			OccurredAt: m.OccurredAt, ReceivedAt: m.ReceivedAt, Lanes: m.Lanes, Body: m.Body, Status: state.Pending,
		})
	}
	return claim
}

// BenchmarkRound_Plan decodes, maps and plans 1,000 calls of 200 users.
func BenchmarkRound_Plan(b *testing.B) {
	d := NewDispatcher(DispatcherOptions{Store: blankStore{}, Client: newFakeCRM(b), Mapper: newMapper(b, nil), Log: slog.New(slog.DiscardHandler)})
	claim := calls(1000)
	b.ReportAllocs()
	for b.Loop() {
		r := d.newRound(claim)
		r.mapEvents(b.Context())
		if err := r.loadLinks(b.Context()); err != nil {
			b.Fatal(err)
		}
		r.collect()
		planned := 0
		for _, object := range crm.Objects() {
			planned += len(r.plan(object))
		}
		if planned != 1200 {
			b.Fatalf("%d records planned", planned)
		}
	}
}

// BenchmarkRound_Deliver takes 1,000 calls of 200 users to their settlement,
// with a CRM that answers at once.
func BenchmarkRound_Deliver(b *testing.B) {
	d := NewDispatcher(DispatcherOptions{Store: blankStore{}, Client: newFakeCRM(b), Mapper: newMapper(b, nil), Log: slog.New(slog.DiscardHandler)})
	claim := calls(1000)
	b.ReportAllocs()
	for b.Loop() {
		r := d.newRound(claim)
		if err := r.run(b.Context()); err != nil {
			b.Fatal(err)
		}
		if s := r.settlement(); len(s.Settlements) != 1000 || len(s.Links) != 1200 {
			b.Fatalf("%d settlements, %d links", len(s.Settlements), len(s.Links))
		}
	}
}
