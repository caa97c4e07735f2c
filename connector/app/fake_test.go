package app

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"crmsync/state"
)

var testNow = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// fakeLedger answers from slices: events newest first, links in order.
type fakeLedger struct {
	stats    state.Stats
	list     []state.Event
	links    []state.Link
	findings []state.Finding
	lost     map[string]int64 // out of reach
	counted  int              // how often that was asked for
	backup   string
	err      error

	pausedAt time.Time
	requeued []state.RequeueOptions
	pruned   []state.PruneOptions
}

func (f *fakeLedger) Stats(context.Context) (state.Stats, error) { return f.stats, f.err }

func (f *fakeLedger) OutOfReach(context.Context, map[string][]byte) (map[string]int64, error) {
	f.counted++
	return f.lost, f.err
}

func (f *fakeLedger) Events(_ context.Context, o state.EventFilter) ([]state.Event, error) {
	var found []state.Event
	for _, e := range f.list {
		switch {
		case o.Before != 0 && e.Seq >= o.Before, o.Status != "" && e.Status != o.Status,
			o.Type != "" && e.Type != o.Type, e.ReceivedAt.Before(o.Since):
			continue
		}
		found = append(found, e)
	}
	return found[:min(len(found), o.Limit)], f.err
}

func (f *fakeLedger) Event(_ context.Context, id string) (state.Event, error) {
	for _, e := range f.list {
		if e.ID == id || e.MessageID == id {
			return e, f.err
		}
	}
	return state.Event{}, state.ErrNotFound
}

func (f *fakeLedger) Objects(_ context.Context, o state.ObjectFilter) ([]state.Link, error) {
	var found []state.Link
	for _, l := range f.links {
		if strings.Compare(l.Lane.String(), o.After.String()) > 0 && (o.Object == "" || o.Object == l.Object) && (o.Key == "" || o.Key == l.Key) {
			found = append(found, l)
		}
	}
	return found[:min(len(found), o.Limit)], f.err
}

func (f *fakeLedger) Links(_ context.Context, lanes ...state.Lane) (map[state.Lane]state.Link, error) {
	found := map[state.Lane]state.Link{}
	for _, l := range f.links {
		if slices.Contains(lanes, l.Lane) {
			found[l.Lane] = l
		}
	}
	return found, f.err
}

func (f *fakeLedger) Waiting(context.Context, ...state.Lane) ([]state.Waiting, error) {
	return nil, f.err
}

func (f *fakeLedger) Paused(context.Context) (time.Time, error) { return f.pausedAt, f.err }

func (f *fakeLedger) SetPaused(_ context.Context, since time.Time) error {
	f.pausedAt = since
	return f.err
}

func (f *fakeLedger) Requeue(_ context.Context, o state.RequeueOptions) (state.RequeueResult, error) {
	f.requeued = append(f.requeued, o)
	return state.RequeueResult{Queued: len(o.IDs)}, f.err
}

func (f *fakeLedger) Discard(_ context.Context, ids []string, _ string) (state.DiscardResult, error) {
	return state.DiscardResult{Discarded: len(ids)}, f.err
}

func (f *fakeLedger) Verify(context.Context) ([]state.Finding, error) { return f.findings, f.err }

func (f *fakeLedger) Prune(_ context.Context, o state.PruneOptions) (state.PruneResult, error) {
	f.pruned = append(f.pruned, o)
	return state.PruneResult{}, f.err
}

// Backup fails, if it has to, behind what it has written.
func (f *fakeLedger) Backup(_ context.Context, w io.Writer) error {
	if f.backup != "" {
		if _, err := io.WriteString(w, f.backup); err != nil {
			return err
		}
	}
	return f.err
}

// someEvents returns n events, newest first.
func someEvents(n int) []state.Event {
	var list []state.Event
	for i := range n {
		id := "e" + strings.Repeat("x", i)
		list = append(list, state.Event{
			Seq: uint64(i + 1), ID: id, MessageID: "msg_" + id, Type: "user.updated", Status: state.Applied,
			ReceivedAt: testNow.Add(time.Duration(i) * time.Minute), OccurredAt: testNow, SettledAt: testNow,
		})
	}
	slices.Reverse(list)
	return list
}
