package app

import (
	"strings"
	"testing"
	"time"

	"crmsync/state"
)

// behindLedger holds contacts of two mappings and a company of an old one.
func behindLedger() *fakeLedger {
	return &fakeLedger{
		stats: state.Stats{Mapped: map[state.MappedBy]int64{
			{Object: "contact", Fingerprint: "old"}: 2, {Object: "contact"}: 1, {Object: "contact", Fingerprint: "new"}: 40,
			{Object: "company", Fingerprint: "old"}: 1, {Object: "activity", Fingerprint: "old"}: 7,
		}},
		lost: map[string]int64{"contact": 2, "company": 1},
	}
}

var testMappings = map[string][]byte{"contact": []byte("new"), "company": []byte("new")} // activities are off

func TestBehind_IsInStatusAndResync(t *testing.T) {
	l := behindLedger()
	a := testAPI(l)
	a.behind = &behind{mappings: testMappings}
	status := ask(t, a.handler(), "GET", "/api/v1/status", "").Body.String()
	if want := `"behind":{"company":{"records":1,"out_of_reach":1},"contact":{"records":3,"out_of_reach":2}}`; !strings.Contains(status, want) {
		t.Errorf("status %s", status)
	}
	answer := ask(t, a.handler(), "POST", "/api/v1/resync", `{"object":"contact"}`).Body.String()
	if want := `"behind":{"contact":{"records":3,"out_of_reach":2}}`; !strings.Contains(answer, want) {
		t.Errorf("resync %s", answer)
	}
	a.behind = nil
	if answer := ask(t, a.handler(), "POST", "/api/v1/resync", `{}`).Body.String(); !strings.Contains(answer, `"behind":null`) {
		t.Errorf("resync without a mapping: %s", answer)
	}
}

// To look through all records costs, so it is done once a minute, and only
// while something is behind.
func TestBehind_LooksAtRecordsNowAndThen(t *testing.T) {
	l := behindLedger()
	b, now := &behind{mappings: testMappings}, testNow
	view := func(want behindView, counted int) {
		t.Helper()
		v, err := b.view(t.Context(), l, l.stats, now)
		if err != nil || v["contact"] != want || l.counted != counted {
			t.Errorf("got %+v, %v after %d counts; want %+v after %d", v, err, l.counted, want, counted)
		}
	}
	view(behindView{3, 2}, 1)
	now = now.Add(reachKept - time.Second)
	l.stats.Mapped = map[state.MappedBy]int64{{Object: "contact"}: 1, {Object: "contact", Fingerprint: "new"}: 42}
	view(behindView{1, 1}, 1) // never more than are behind
	now = now.Add(time.Second)
	l.lost = nil
	view(behindView{1, 0}, 2)
	now = now.Add(reachKept)
	l.stats.Mapped = map[state.MappedBy]int64{{Object: "contact", Fingerprint: "new"}: 43}
	view(behindView{}, 2)
	if v, _ := b.view(t.Context(), l, l.stats, now); v == nil || len(v) > 0 {
		t.Errorf("with nothing behind: %#v", v)
	}
}

func TestBehindText_SaysWhatToDo(t *testing.T) {
	v := map[string]behindView{"activity": {1, 0}, "company": {2, 2}, "contact": {12, 2}}
	got := strings.Join(behindText(v, ": crmsync resync runs them through today's"), "\n")
	want := `1 activity was written by another mapping: crmsync resync runs them through today's.
2 companies were written by another mapping; out of reach, as the payload is gone: 2.
12 contacts were written by another mapping: crmsync resync runs them through today's; out of reach, as the payload is gone: 2.`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
