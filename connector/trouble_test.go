package connector

import (
	"slices"
	"testing"

	"crmsync/state"
)

// A probe brings along whatever may have written its records, and nothing else.
func TestRelated_FollowsSharedRecords(t *testing.T) {
	lanes := func(keys ...string) (out []state.Lane) {
		for _, key := range keys {
			out = append(out, state.Lane{Object: "contact", Key: key})
		}
		return out
	}
	events := []state.Event{
		{Seq: 1, Lanes: lanes("a", "b")}, {Seq: 2, Lanes: lanes("x")}, {Seq: 3, Lanes: lanes("b", "c")},
		{Seq: 4, Lanes: lanes("c")}, {Seq: 5, Lanes: lanes("y", "x")}, {Seq: 6},
	}
	for _, tt := range []struct {
		probe        int
		kept, others []uint64
	}{
		{3, []uint64{1, 3, 4}, []uint64{2, 5, 6}},
		{1, []uint64{2, 5}, []uint64{1, 3, 4, 6}},
		{5, []uint64{6}, []uint64{1, 2, 3, 4, 5}},
	} {
		kept, others := related(events[tt.probe], events)
		var seqs []uint64
		for _, ev := range kept {
			seqs = append(seqs, ev.Seq)
		}
		if !slices.Equal(seqs, tt.kept) || !slices.Equal(others, tt.others) {
			t.Errorf("event %d: kept %v, not %v; want %v, not %v", events[tt.probe].Seq, seqs, others, tt.kept, tt.others)
		}
	}
}
