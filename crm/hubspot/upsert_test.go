package hubspot

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmsync/crm"
)

const upsertContacts = "POST /crm/objects/2026-09/contacts/batch/upsert"

func TestUpsert_SendsStringsWithKeyAndTraceID(t *testing.T) {
	c := newTestClient(t, exchange{
		want: "POST /crm/objects/2026-09/calls/batch/upsert",
		body: `{"inputs":[{"idProperty":"crmsync_id","id":"c1","objectWriteTraceId":"t0","properties":{
			"crmsync_id":"c1","hs_timestamp":"2026-11-18T15:34:38.002Z","hs_call_duration":"431500","crmsync_score":"7.4",
			"tiny":"0.00000000001","crmsync_deleted":"false","tags":"a;b","cleared":"","body":"<b>5 > 3 & \"so\"</b>"}}]}`,
		header: http.Header{"X-Hubspot-Correlation-Id": {"corr-1"}},
		answer: `{"status":"COMPLETE","results":[{"id":"90112","new":true,"objectWriteTraceId":"t0","properties":{"crmsync_id":"c1"}}]}`,
	})
	got := upsert(t, c, crm.Record{Object: crm.Activity, Key: "c1", Fields: crm.Fields{
		"hs_timestamp":     time.Date(2026, 11, 18, 16, 34, 38, 2117940, time.FixedZone("CET", 3600)),
		"hs_call_duration": int64(431500), "crmsync_score": 7.4, "tiny": 1e-11, "crmsync_deleted": false,
		"tags": []string{"a", "b"}, "cleared": "", "body": `<b>5 > 3 & "so"</b>`,
	}})
	wantResult(t, got[0], "90112", crm.Created)
	if got[0].RequestID != "corr-1" {
		t.Errorf("request id %q", got[0].RequestID)
	}
}

func TestUpsert_LegacyPaths(t *testing.T) {
	s := &script{t: t, next: []exchange{
		{want: "POST /crm/v3/objects/companies/batch/upsert", answer: `{"results":[{"id":"1","objectWriteTraceId":"t0"}]}`},
		{want: "POST /crm/v4/associations/contacts/companies/batch/associate/default", answer: `{"results":[{"from":{"id":"1"},"to":{"id":"2"}}]}`},
		{want: "GET /crm/v3/owners?archived=false&limit=100", answer: `{"results":[]}`},
		{want: "GET /crm/v3/properties/calls", answer: `{"results":[{"name":"hs_timestamp"}]}`},
	}}
	c, err := newClient(Options{Token: testToken, APIVersion: "v3"}, crm.Common{}, s)
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.Upsert(t.Context(), crm.Company, []crm.Record{{Object: crm.Company, Key: "o1", Fields: crm.Fields{"name": "BrightSales"}}})
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, results[0], "1", crm.Upserted) // v3 need not say which
	if _, err := c.Link(t.Context(), []crm.Link{link("1", "2")}); err != nil {
		t.Error(err)
	}
	if _, err := c.Owners(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Describe(t.Context(), crm.Activity); err != nil {
		t.Error(err)
	}
}

// Results come shuffled, some without trace id, and errors in a 207 or folded
// into the 200: every record still gets its own.
func TestUpsert_MatchesResultsNeverByOrder(t *testing.T) {
	for _, status := range []int{200, 201, 207} {
		c := newTestClient(t, exchange{want: upsertContacts, status: status, answer: `{"status":"COMPLETE","results":[
			{"id":"103","new":false,"objectWriteTraceId":"t3","properties":{"crmsync_id":"k3"}},
			{"id":101,"new":true,"properties":{"crmsync_id":"k1"}},
			{"id":"100","new":true,"objectWriteTraceId":"t0"}],
			"numErrors":1,"errors":[{"status":"error","category":"VALIDATION_ERROR","message":"Email address jonas@x is invalid",
			"context":{"objectWriteTraceId":["t2"]},"errors":[{"code":"INVALID_EMAIL","message":"Email address jonas@x is invalid","context":{"propertyName":["email"]}}]}]}`})
		var records []crm.Record
		for i := range 4 {
			records = append(records, contact(fmt.Sprint("k", i), crm.Fields{"email": "jonas@x"}))
		}
		got := upsert(t, c, records...)
		wantResult(t, got[0], "100", crm.Created)
		wantResult(t, got[1], "101", crm.Created)
		wantResult(t, got[3], "103", crm.Updated)
		e := wantError(t, got[2].Err, crm.Invalid)
		if e.Code != "INVALID_EMAIL" || e.Field != "email" || strings.Contains(e.Error(), "@") {
			t.Errorf("got %v", e)
		}
	}
}

func TestUpsert_PassedOverRecordsAreSentOnceMoreAlone(t *testing.T) {
	c := newTestClient(t,
		exchange{want: upsertContacts, answer: `{"results":[{"id":"100","new":true,"objectWriteTraceId":"t0"}]}`},
		exchange{want: upsertContacts,
			body:   `{"inputs":[{"idProperty":"crmsync_id","id":"k1","objectWriteTraceId":"t0","properties":{"crmsync_id":"k1","firstname":"B"}}]}`,
			answer: `{"results":[{"id":"101","new":true}]}`}, // alone it needs no trace
		exchange{want: upsertContacts, answer: `{"status":"COMPLETE","results":[],"errors":[]}`},
	)
	got := upsert(t, c, contact("k0", crm.Fields{"firstname": "A"}), contact("k1", crm.Fields{"firstname": "B"}), contact("k2", crm.Fields{"firstname": "C"}))
	wantResult(t, got[0], "100", crm.Created)
	wantResult(t, got[1], "101", crm.Created)
	if e := wantError(t, got[2].Err, crm.Unavailable); e.Code != crm.CodeSilentNoop {
		t.Errorf("got %v", e)
	}
}

func TestUpsert_SuccessThatDidNothingIsFailure(t *testing.T) {
	for _, answer := range []string{`{"status":"COMPLETE","results":[],"errors":[]}`, `{}`, ``, `null`, `{"results":[{"objectWriteTraceId":"t0"}]}`} {
		c := newTestClient(t, exchange{want: upsertContacts, answer: answer})
		_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{contact("k0", crm.Fields{"firstname": "A"}), contact("k1", crm.Fields{"firstname": "B"})})
		if e := wantError(t, err, crm.Unavailable); e.Code != crm.CodeSilentNoop {
			t.Errorf("answer %q: %v", answer, e)
		}
	}
	// Alone it is the caller's to repeat, with a pause.
	c := newTestClient(t, exchange{answer: `{}`})
	if e := wantError(t, upsert(t, c, contact("k0", crm.Fields{"firstname": "A"}))[0].Err, crm.Unavailable); e.Code != crm.CodeSilentNoop {
		t.Errorf("alone: %v", e)
	}
}

func TestUpsert_AnswerThatIsNotHubSpotsIsUnavailable(t *testing.T) {
	for _, answer := range []string{"<html>Welcome to the hotel</html>", `[]`, `{"results":`, `{"results":"none"}`} {
		c := newTestClient(t, exchange{answer: answer})
		_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{contact("k0", crm.Fields{"firstname": "A"})})
		wantError(t, err, crm.Unavailable)
	}
}

func TestUpsert_NothingToWriteNeedsNoRequest(t *testing.T) {
	c := newTestClient(t)
	got := upsert(t, c, crm.Record{Object: crm.Contact, Key: "k0", RemoteID: "7"})
	wantResult(t, got[0], "7", crm.Unchanged)
}

func TestUpsert_UnknownRecordWithoutFieldsIsCreated(t *testing.T) {
	c := newTestClient(t, exchange{
		body:   `{"inputs":[{"idProperty":"crmsync_id","id":"k0","objectWriteTraceId":"t0","properties":{"crmsync_id":"k0"}}]}`,
		answer: `{"results":[{"id":"5","new":true,"objectWriteTraceId":"t0"}]}`,
	})
	wantResult(t, upsert(t, c, crm.Record{Object: crm.Activity, Key: "k0"})[0], "5", crm.Created)
}

func TestUpsert_RefusesWhatCannotBeSent(t *testing.T) {
	c := newTestClient(t)
	many := make([]crm.Record, MaxBatch+1)
	for i := range many {
		many[i] = contact(fmt.Sprint(i), nil)
	}
	for name, test := range map[string]struct {
		object  crm.Object
		records []crm.Record
		kind    crm.Kind
	}{
		"the same key twice": {crm.Contact, []crm.Record{contact("k", nil), contact("k", nil)}, crm.Invalid},
		"no key":             {crm.Contact, []crm.Record{contact("", nil)}, crm.Invalid},
		"too many":           {crm.Contact, many, crm.Invalid},
		"unknown object":     {"deal", []crm.Record{contact("k", nil)}, crm.Misconfigured},
	} {
		_, err := c.Upsert(t.Context(), test.object, test.records)
		t.Log(name)
		wantError(t, err, test.kind)
	}
	if results, err := c.Upsert(t.Context(), crm.Contact, nil); err != nil || len(results) != 0 {
		t.Errorf("no records: %v, %v", results, err)
	}
}

func TestUpsert_UnsupportedValueIsThatRecordsFault(t *testing.T) {
	c := newTestClient(t, exchange{answer: `{"results":[{"id":"5","new":true,"objectWriteTraceId":"t0"}]}`})
	got := upsert(t, c, contact("k0", crm.Fields{"x": map[string]any{"secret": 1}}), contact("k1", crm.Fields{"firstname": "A"}))
	if e := wantError(t, got[0].Err, crm.Invalid); e.Field != "x" || strings.Contains(e.Error(), "secret:1") {
		t.Errorf("got %v", e)
	}
	wantResult(t, got[1], "5", crm.Created)
}

func TestUpsert_AdoptedContactsKeepTheirNames(t *testing.T) {
	c := newTestClient(t,
		exchange{
			want: "POST /crm/objects/2026-09/contacts/batch/read",
			body: `{"idProperty":"crmsync_id","properties":["crmsync_id","firstname","lastname","email","hs_additional_emails"],"propertiesWithHistory":[],
				"inputs":[{"id":"k0"},{"id":"k1"}]}`,
			status: 207,
			answer: `{"results":[{"id":"7","properties":{"crmsync_id":"k0","firstname":null,"lastname":"Webber"}}],
				"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["k1"]}}]}`,
		},
		exchange{
			want: upsertContacts,
			body: `{"inputs":[
				{"idProperty":"crmsync_id","id":"k0","objectWriteTraceId":"t0","properties":{"crmsync_id":"k0","firstname":"Jonas","crmsync_role":"rep"}},
				{"idProperty":"crmsync_id","id":"k1","objectWriteTraceId":"t1","properties":{"crmsync_id":"k1","lastname":"Okafor"}},
				{"idProperty":"crmsync_id","id":"k2","objectWriteTraceId":"t2","properties":{"crmsync_id":"k2","lastname":"Ours"}}]}`,
			answer: `{"results":[{"id":"7","objectWriteTraceId":"t0","new":false},{"id":"8","objectWriteTraceId":"t1","new":true},{"id":"9","objectWriteTraceId":"t2","new":false}]}`,
		})
	a := contact("k0", crm.Fields{"firstname": "Jonas", "lastname": "Weber", "crmsync_role": "rep"})
	b := contact("k1", crm.Fields{"lastname": "Okafor"})
	a.Adopted, b.Adopted = true, true
	got := upsert(t, c, a, b, contact("k2", crm.Fields{"lastname": "Ours"}))
	wantResult(t, got[0], "7", crm.Updated)
	wantResult(t, got[1], "8", crm.Created)
	wantResult(t, got[2], "9", crm.Updated)
}
