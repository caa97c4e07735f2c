package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"crmsync/state"
)

// Thousands of ids help nobody; --json has them.
func TestPrintReplay_ShowsTheFirstOfMany(t *testing.T) {
	var ids []string
	for i := range 2000 {
		ids = append(ids, fmt.Sprintf("evt_%d.", i))
	}
	for n, want := range map[int]string{
		1:    "stands in for it: evt_0.\n",
		10:   "evt_9.\n",
		11:   "stands in for it: 11 events, the first 10: evt_0. evt_1.",
		2000: "stands in for it: 2000 events, the first 10: evt_0. evt_1.",
	} {
		var out bytes.Buffer
		if err := printReplay(&out, state.RequeueResult{PayloadGone: ids[:n]}, true); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, want) || strings.Count(got, "evt_") != min(n, 10) {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

// An error that names its request names it once, in one of two places.
func TestPrintExplain_NamesTheRequestOnce(t *testing.T) {
	const refusal = "upsert contacts: invalid: INVALID_EMAIL: email: not valid [request req-1]"
	record := state.Record{Object: "contact", Key: "u1", Action: "none", Status: state.Dead, Reason: "refused", Field: "email", Error: refusal, RequestID: "req-1"}
	other := state.Record{Object: "activity", Key: "c1", Action: "none", Status: state.Dead, Error: "upsert calls: invalid [request req-2]", RequestID: "req-2"}
	written := state.Record{Object: "company", Key: "o1", Action: "updated", Status: state.Applied, RequestID: "req-3"}
	v := story{}.of(state.Event{ID: "e1", Status: state.Dead, ReceivedAt: testNow, Error: refusal, Records: []state.Record{record, other, written}})
	var out bytes.Buffer
	if err := printExplain(&out, v); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"not valid", "req-1", "req-2", "req-3", "upsert calls"} {
		if strings.Count(out.String(), part) != 1 {
			t.Errorf("%s is not told once:\n%s", part, out.String())
		}
	}
	if v.Records[0].Error != refusal {
		t.Errorf("the record itself changed: %+v", v.Records[0])
	}
}
