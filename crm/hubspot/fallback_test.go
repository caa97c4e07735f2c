package hubspot

import (
	"net/http"
	"testing"

	"crmsync/crm"
)

const (
	upsertCalls = "POST /crm/objects/2026-09/calls/batch/upsert"
	readCalls   = "POST /crm/objects/2026-09/calls/batch/read"
	updateCalls = "POST /crm/objects/2026-09/calls/batch/update"
	createCalls = "POST /crm/objects/2026-09/calls/batch/create"
)

// refusal is the answer of an account without upsert for calls.
var refusal = exchange{want: upsertCalls, status: http.StatusMethodNotAllowed}

func phoneCall(key string) crm.Record {
	return crm.Record{Object: crm.Activity, Key: key, Fields: crm.Fields{"hs_call_title": "Call"}}
}

func TestFallback_ReadsAndThenUpdatesOrCreates(t *testing.T) {
	read := exchange{
		want:   readCalls,
		body:   `{"idProperty":"crmsync_id","properties":["crmsync_id"],"propertiesWithHistory":[],"inputs":[{"id":"k0"},{"id":"k1"},{"id":"k2"}]}`,
		status: 207,
		answer: `{"results":[{"id":"71","properties":{"crmsync_id":"k1"}}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["k0","k2"]}}]}`,
	}
	update := exchange{
		want:   updateCalls,
		body:   `{"inputs":[{"id":"71","objectWriteTraceId":"t0","properties":{"crmsync_id":"k1","hs_call_title":"Call"}}]}`,
		answer: `{"results":[{"id":"71","objectWriteTraceId":"t0"}]}`,
	}
	create := exchange{
		want: createCalls,
		body: `{"inputs":[{"objectWriteTraceId":"t0","properties":{"crmsync_id":"k0","hs_call_title":"Call"}},
			{"objectWriteTraceId":"t1","properties":{"crmsync_id":"k2","hs_call_title":"Call"}}]}`,
		status: 201,
		answer: `{"results":[{"id":"72","objectWriteTraceId":"t1"},{"id":"70","properties":{"crmsync_id":"k0"}}]}`,
	}
	// The second time HubSpot is not asked for an upsert again.
	c := newTestClient(t, refusal, read, update, create, read, update, create)
	for range 2 {
		got := upsert(t, c, phoneCall("k0"), phoneCall("k1"), phoneCall("k2"))
		wantResult(t, got[0], "70", crm.Created)
		wantResult(t, got[1], "71", crm.Updated)
		wantResult(t, got[2], "72", crm.Created)
	}
}

func TestFallback_CreatesWithALostAnswerAreUpdated(t *testing.T) {
	none := exchange{want: readCalls, answer: `{"results":[]}`}
	taken := `{"category":"VALIDATION_ERROR","context":{"objectWriteTraceId":["t0"]},"errors":[{"code":"CONFLICTING_UNIQUE_VALUE","context":{"propertyName":["crmsync_id"]}}]}`
	c := newTestClient(t, refusal, none,
		exchange{want: createCalls, status: 207, answer: `{"results":[{"id":"71","objectWriteTraceId":"t1"}],"errors":[` + taken + `]}`},
		exchange{want: readCalls, answer: `{"results":[{"id":"70","properties":{"crmsync_id":"k0"}}]}`},
		exchange{
			want:   updateCalls,
			body:   `{"inputs":[{"id":"70","objectWriteTraceId":"t0","properties":{"crmsync_id":"k0","hs_call_title":"Call"}}]}`,
			answer: `{"results":[{"id":"70","objectWriteTraceId":"t0"}]}`,
		},
		// One that cannot be found is tried once more, and then up to somebody else.
		none,
		exchange{want: createCalls, status: 400, answer: taken}, none,
		none, exchange{want: createCalls, status: 400, answer: taken},
	)
	got := upsert(t, c, phoneCall("k0"), phoneCall("k1"))
	wantResult(t, got[0], "70", crm.Updated)
	wantResult(t, got[1], "71", crm.Created)
	wantError(t, upsert(t, c, phoneCall("k2"))[0].Err, crm.Conflict)
}

func TestFallback_CallDeletedAfterTheReadStartsOver(t *testing.T) {
	c := newTestClient(t, refusal,
		exchange{want: readCalls, answer: `{"results":[{"id":"70","properties":{"crmsync_id":"k0"}}]}`},
		exchange{want: updateCalls, status: 404, answer: `{"category":"OBJECT_NOT_FOUND","context":{"ids":["70"]}}`})
	wantError(t, upsert(t, c, phoneCall("k0"))[0].Err, crm.Unavailable)
}

func TestFallback_OnlyWhenUpsertsThemselvesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		message string // or a whole body
		refused bool
		kind    crm.Kind // otherwise
	}{
		"no such endpoint":     {status: 404, refused: true},
		"no such method":       {status: 405, refused: true},
		"not implemented":      {status: 501, refused: true},
		"not for calls":        {status: 400, message: "Upsert is not supported for object type CALL", refused: true},
		"not by our property":  {status: 400, message: "idProperty is not allowed for 0-48", refused: true},
		"other words":          {status: 400, message: "Object type 0-48 doesn't support batch upserts", refused: true},
		"yet other words":      {status: 400, message: "Unable to upsert objects of type CALL", refused: true},
		"a value":              {status: 400, message: "hs_call_duration is not a number", kind: crm.Invalid},
		"an option":            {status: 400, message: "COMPLETE is not allowed", kind: crm.Invalid},
		"a field's own upsert": {status: 400, message: `{"message":"upsert not allowed","errors":[{"code":"INVALID_OPTION","context":{"propertyName":["x"]}}]}`, kind: crm.Invalid},
		"property missing": {status: 400, message: `{"message":"idProperty not supported","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["crmsync_id"]}}]}`,
			kind: crm.Misconfigured},
		"property not unique":       {status: 400, message: "Unable to perform update/upsert by non-unique property crmsync_id", kind: crm.Misconfigured},
		"not unique in other words": {status: 400, message: "idProperty not supported: crmsync_id is not a unique property", kind: crm.Misconfigured},
		"no permission":             {status: 403, message: "upsert is not allowed", kind: crm.Unauthorized},
		"an outage":                 {status: 418, message: "upsert is not available", kind: crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			answer := test.message
			if answer != "" && answer[0] != '{' {
				answer = `{"category":"VALIDATION_ERROR","message":"` + answer + `"}`
			}
			xs := []exchange{{want: upsertCalls, status: test.status, answer: answer}}
			if test.refused {
				xs = append(xs, exchange{want: readCalls, answer: `{"results":[]}`},
					exchange{want: createCalls, answer: `{"results":[{"id":"70"}]}`})
			}
			results, err := newTestClient(t, xs...).Upsert(t.Context(), crm.Activity, []crm.Record{phoneCall("k0")})
			if err == nil {
				err = results[0].Err
			}
			if test.refused {
				wantResult(t, results[0], "70", crm.Created)
			} else if e := wantError(t, err, test.kind); e.Code == codeNoUpsert {
				t.Errorf("got %v", e)
			}
		})
	}
}

// Whatever refuses the read as well is not about upserts, and not remembered.
func TestFallback_NeedsAReadThatWorks(t *testing.T) {
	upserted := exchange{want: upsertCalls, answer: `{"results":[{"id":"70","new":true}]}`}
	for name, test := range map[string]struct {
		read exchange
		want crm.Kind
	}{
		"wrong base URL":      {exchange{want: readCalls, status: 404}, crm.Misconfigured},
		"no way to find them": {exchange{want: readCalls, status: 400, answer: `{"message":"idProperty is not supported"}`}, crm.Misconfigured},
		"outage":              {exchange{want: readCalls, status: 418}, crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, refusal, test.read, upserted)
			_, err := c.Upsert(t.Context(), crm.Activity, []crm.Record{phoneCall("k0")})
			wantError(t, err, test.want)
			wantResult(t, upsert(t, c, phoneCall("k0"))[0], "70", crm.Created)
		})
	}
}

func TestFallback_IsForCallsAlone(t *testing.T) {
	c := newTestClient(t, exchange{want: upsertContacts, status: 404})
	_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{jonas("k0")})
	wantError(t, err, crm.Misconfigured)
}
