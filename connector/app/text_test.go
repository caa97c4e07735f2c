package app

import (
	"strings"
	"testing"

	"crmsync/connector"
	"crmsync/state"
)

func TestValueText(t *testing.T) {
	long := strings.Repeat("ä", maxValue+1)
	for want, v := range map[string]any{
		`nothing (the CRM's value stays)`: nil,
		`""`:                              "",
		`"two\nlines\x1b[2J"`:             "two\nlines\x1b[2J",
		`431500`:                          431500.0,
		`false`:                           false,
		`["a","b"]`:                       []string{"a", "b"},
		`"` + long[:2*maxValue] + `"… (121 characters)`: long,
	} {
		if got := valueText(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestSecondsText(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0s", 59: "59s", 61: "1m 1s", 3661: "1h 1m", 90000: "1d 1h"} {
		if got := secondsText(seconds); got != want {
			t.Errorf("%d: got %s, want %s", seconds, got, want)
		}
	}
}

func TestStatusAdvice(t *testing.T) {
	well := statusView{Balanced: true, Received: 1, CRM: connector.CRMState{State: connector.StateOK}}
	if advice := statusAdvice(well); len(advice) > 0 {
		t.Errorf("all is well, yet: %v", advice)
	}
	for want, spoil := range map[string]func(*statusView){
		"state verify":            func(v *statusView) { v.Balanced = false },
		"no space left":           func(v *statusView) { v.Running, v.ReadyReason = true, "no space left" },
		"crmsync check":           func(v *statusView) { v.CRM.State = connector.StatePaused },
		"--status dead":           func(v *statusView) { v.Dead = 1 },
		"CRMSYNC_WEBHOOK_SECRETS": func(v *statusView) { v.Received, v.RejectedReasons = 0, map[string]int64{"bad_signature": 3} },
		"clock of this machine":   func(v *statusView) { v.ClockSkewSeconds = -600 },
	} {
		v := well
		spoil(&v)
		if advice := statusAdvice(v); len(advice) != 1 || !strings.Contains(advice[0], want) {
			t.Errorf("%s: got %v", want, advice)
		}
	}
}

func TestWaitNote(t *testing.T) {
	contact, activity := state.Lane{Object: "contact", Key: "u"}, state.Lane{Object: "activity", Key: "c"}
	e := state.Event{
		Status: state.Pending, Lanes: []state.Lane{contact, activity},
		Records: []state.Record{{Object: "activity", Key: "c", Status: state.Applied}},
	}
	crm := func(s string, paused ...string) connector.CRMState {
		return connector.CRMState{State: s, Reason: "no such field", PausedObjects: paused}
	}
	for _, tt := range []struct {
		crm  connector.CRMState
		want string
	}{
		{crm(connector.StateOK), ""},
		{crm(connector.StatePaused, "contact", "company"), "it waits because writing of its contact is paused: no such field"},
		{crm(connector.StatePaused, "company"), ""},
		{crm(connector.StatePaused, "activity"), ""}, // written before the pause
		{crm(connector.StatePaused), "it waits because writing to the CRM is paused: no such field"},
		{crm(connector.StateRateLimited), "it waits because writing to the CRM rests, as the CRM asked: no such field"},
	} {
		if got := waitNote(e, liveWith(tt.crm)); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.crm, got, tt.want)
		}
	}
	e.Status = state.Applied
	if v := (story{live: liveWith(crm(connector.StatePaused))}).of(e); strings.Contains(v.Note, "waits") {
		t.Errorf("an applied event: %s", v.Note)
	}
}

func TestExplain_OfAnEventWhosePayloadIsGone(t *testing.T) {
	v := story{}.of(state.Event{ID: "e1", Status: state.Applied, ReceivedAt: testNow})
	if v.Payload != nil || v.Decoded != nil || !strings.Contains(v.Note, "CRMSYNC_PAYLOAD_RETENTION") {
		t.Errorf("got %+v", v)
	}
}

// A body that is not JSON must not break the JSON of the answer.
func TestExplain_OfABodyThatIsNoJSON(t *testing.T) {
	a := testAPI(&fakeLedger{list: []state.Event{{ID: "e1", ReceivedAt: testNow, Body: []byte("{not json"), Size: 9}}})
	var v explainView
	decode(t, ask(t, a.handler(), "GET", "/api/v1/events/e1", ""), &v)
	if string(v.Payload) != "null" && v.Payload != nil || !strings.Contains(v.Decoded.Ended, state.ReasonBadPayload) {
		t.Errorf("got %+v", v)
	}
}
