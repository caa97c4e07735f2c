package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/connector"
	"crmsync/mapping"
	"crmsync/state"
)

func testAPI(l ledger) *api {
	return &api{ledger: l, now: func() time.Time { return testNow }, log: slog.New(slog.DiscardHandler)}
}

func ask(t *testing.T, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// liveWith is a running connector whose CRM is in a state.
func liveWith(s connector.CRMState) *live {
	fine := func(context.Context) error { return nil }
	return &live{
		crm: func() connector.CRMState { return s }, owners: func() mapping.Owners { return nil },
		ready: fine, flush: fine, pause: fine, resume: fine,
		dryRun: func() *connector.DryRun { return nil },
	}
}

func TestStatus_Shape(t *testing.T) {
	a := testAPI(&fakeLedger{stats: state.Stats{
		Received: 9, Duplicates: 2, Rejected: map[string]int64{"bad_signature": 3, "too_large": 1},
		Counts:        map[state.Status]int64{state.Applied: 6, state.Unchanged: 1, state.Skipped: 1, state.Stale: 1},
		OldestPending: testNow.Add(-90 * time.Second), LastEventAt: testNow, ClockSkew: -time.Minute,
		Reasons: map[string]int64{"skipped/filtered": 1}, Binding: &state.Binding{Kind: "hubspot"},
	}})
	a.live = liveWith(connector.CRMState{Kind: "hubspot", State: "ok"})
	got := ask(t, a.handler(), "GET", "/api/v1/status", "").Body.String()
	want := `{"received":9,"pending":0,"applied":6,"unchanged":1,"skipped":1,"stale":1,"dead":0,"balanced":true,` +
		`"duplicates":2,"rejected":4,"waiting_links":0,"oldest_pending_seconds":90,"last_event_at":"2026-08-01T12:00:00Z",` +
		`"crm":{"kind":"hubspot","state":"ok","reason":"","paused_objects":[]},` +
		`"behind":null,"paused_by_hand_since":null,"dry_run":null,` +
		`"running":true,"ready":true,"ready_reason":"","last_test_event_at":null,"reasons":{"skipped/filtered":1},` +
		`"rejected_reasons":{"bad_signature":3,"too_large":1},"clock_skew_seconds":-60}` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStatus_OfAStoppedFileKnowsTheCRMFromTheBinding(t *testing.T) {
	a := testAPI(&fakeLedger{stats: state.Stats{Binding: &state.Binding{Kind: "hubspot"}}})
	a.kind = "sandbox"
	var v statusView
	decode(t, ask(t, a.handler(), "GET", "/api/v1/status", ""), &v)
	if v.Running || v.CRM.Kind != "hubspot" || v.CRM.State != connector.StateOK {
		t.Errorf("got %+v", v)
	}
}

func decode(t *testing.T, w *httptest.ResponseRecorder, v any) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Fatal(err)
	}
}

func TestEvents_Shape(t *testing.T) {
	a := testAPI(&fakeLedger{list: []state.Event{{
		Seq: 7, ID: "e1", MessageID: "msg_1", Type: "call.completed", Status: state.Applied, Attempts: 1,
		ReceivedAt: testNow, SettledAt: testNow.Add(time.Second),
		Records: []state.Record{{Object: "activity", Key: "c1", RemoteID: "12", Action: "created", Status: state.Applied}},
	}}})
	got := ask(t, a.handler(), "GET", "/api/v1/events", "").Body.String()
	want := `[{"id":"e1","message_id":"msg_1","type":"call.completed","status":"applied","reason":"","error":"","attempts":1,` +
		`"received_at":"2026-08-01T12:00:00Z","occurred_at":null,"settled_at":"2026-08-01T12:00:01Z",` +
		`"records":[{"object":"activity","key":"c1","remote_id":"12","action":"created","status":"applied","error":"","superseded_by":""}]}]` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestObjects_Shape(t *testing.T) {
	a := testAPI(&fakeLedger{links: []state.Link{{
		Lane: state.Lane{Object: "contact", Key: "u1"}, RemoteID: "5", Version: state.Version{At: testNow, EventID: "e1"},
	}}})
	got := ask(t, a.handler(), "GET", "/api/v1/objects", "").Body.String()
	want := `[{"object":"contact","key":"u1","remote_id":"5","occurred_at":"2026-08-01T12:00:00Z","deleted":false,` +
		`"event_id":"e1","adopted":false,"gone":false}]` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLists_AreNeverNull(t *testing.T) {
	h := testAPI(&fakeLedger{}).handler()
	for _, path := range []string{"/api/v1/events", "/api/v1/objects"} {
		if got := ask(t, h, "GET", path, "").Body.String(); got != "[]\n" {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

// Every page size gives the whole list once and in order.
func TestClient_WalksThroughAllPages(t *testing.T) {
	events := someEvents(7)
	c := &client{http: &http.Client{Transport: localTransport{testAPI(&fakeLedger{list: events}).handler()}}}
	for _, limit := range []int{0, 1, 3, 7, 8} {
		var got []string
		for entry, err := range c.list(t.Context(), "/api/v1/events", url.Values{"type": {"user.updated"}}, limit) {
			if err != nil {
				t.Fatal(err)
			}
			var v eventView
			if err := json.Unmarshal(entry, &v); err != nil {
				t.Fatal(err)
			}
			got = append(got, v.ID)
		}
		want := ids(events)
		if limit > 0 {
			want = want[:min(limit, len(want))]
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v, want %v", limit, got, want)
		}
	}
}

func TestPages_AreLinked(t *testing.T) {
	events := someEvents(7)
	h := testAPI(&fakeLedger{list: events}).handler()
	var got []string
	for target := "/api/v1/events?limit=3"; target != ""; {
		w := ask(t, h, "GET", target, "")
		var page []eventView
		decode(t, w, &page)
		for _, v := range page {
			got = append(got, v.ID)
		}
		target = nextLink(w.Header())
	}
	if want := ids(events); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func ids(events []state.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

func TestAPI_RefusesWhatItWouldNotUnderstand(t *testing.T) {
	f := &fakeLedger{list: someEvents(1)}
	h := testAPI(f).handler()
	tests := []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/api/v1/events?limit=x", "", 400},
		{"GET", "/api/v1/events?limit=-1", "", 400},
		{"GET", "/api/v1/events?status=ded", "", 400},
		{"GET", "/api/v1/events?since=yesterday", "", 400},
		{"GET", "/api/v1/events?stauts=dead", "", 400},
		{"GET", "/api/v1/events?before=nobody", "", 404},
		{"GET", "/api/v1/events?before_seq=0", "", 400},
		{"GET", "/api/v1/events?before_seq=e", "", 400},
		{"GET", "/api/v1/events?before_seq=1&before=e", "", 400},
		{"GET", "/api/v1/events/nobody", "", 404},
		{"GET", "/api/v1/objects?object=lead", "", 400},
		{"GET", "/api/v1/objects?before=contact", "", 400},
		{"GET", "/api/v1/nothing", "", 404},
		{"GET", "/api/v1/replay", "", 405},
		{"POST", "/api/v1/replay", ``, 400},
		{"POST", "/api/v1/replay", `{}`, 400},
		{"POST", "/api/v1/replay", `{"ids":["e"],"status":"dead"}`, 400},
		{"POST", "/api/v1/replay", `{"status":"pending"}`, 400},
		{"POST", "/api/v1/replay", `{"satus":"dead"}`, 400},
		{"POST", "/api/v1/replay", `{"ids":["` + strings.Repeat("x", maxRequestBody) + `"]}`, 400},
	}
	for _, tt := range tests {
		if w := ask(t, h, tt.method, tt.target, tt.body); w.Code != tt.status {
			t.Errorf("%s %s %.40s: answered %d, want %d: %s", tt.method, tt.target, tt.body, w.Code, tt.status, w.Body)
		}
	}
	if len(f.requeued) > 0 {
		t.Errorf("a refused request was carried out: %+v", f.requeued)
	}
}

func TestReplay_PassesOnWhatWasAsked(t *testing.T) {
	f := &fakeLedger{}
	h := testAPI(f).handler()
	ask(t, h, "POST", "/api/v1/replay", `{"ids":["a","b"],"force":true}`)
	ask(t, h, "POST", "/api/v1/replay", `{"status":"dead","since":"2d"}`)
	if len(f.requeued) != 2 {
		t.Fatalf("got %d requests", len(f.requeued))
	}
	if o := f.requeued[0]; !slices.Equal(o.IDs, []string{"a", "b"}) || !o.Force || o.Status != "" {
		t.Errorf("by ids: got %+v", o)
	}
	if o := f.requeued[1]; o.Status != state.Dead || !o.Since.Equal(testNow.Add(-48*time.Hour)) || o.Force || o.IDs != nil {
		t.Errorf("by status: got %+v", o)
	}
}

func TestAPI_StoreErrors(t *testing.T) {
	for err, want := range map[error]int{
		errors.New("broken page"): http.StatusInternalServerError,
		state.ErrClosed:           http.StatusServiceUnavailable,
	} {
		h := testAPI(&fakeLedger{err: err}).handler()
		for _, path := range []string{"/api/v1/status", "/api/v1/events", "/api/v1/objects", "/api/v1/state/verify"} {
			if w := ask(t, h, "GET", path, ""); w.Code != want || !strings.Contains(w.Body.String(), err.Error()) {
				t.Errorf("%s: answered %d %s, want %d", path, w.Code, w.Body, want)
			}
		}
	}
}

// An id may hold every printable character.
func TestExplain_FindsEveryID(t *testing.T) {
	for _, id := range []string{"a/b", "a?b#c", "100%", "a%2Fb", "a//b", `"<&>"`, "a..b"} {
		a := testAPI(&fakeLedger{list: []state.Event{{ID: id, ReceivedAt: testNow}}})
		c := &client{http: &http.Client{Transport: localTransport{a.handler()}}}
		var v explainView
		if err := c.get(t.Context(), "/api/v1/events/"+url.PathEscape(id), nil, &v); err != nil || v.ID != id {
			t.Errorf("%q: got %q, %v", id, v.ID, err)
		}
	}
}
