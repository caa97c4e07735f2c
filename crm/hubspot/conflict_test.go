package hubspot

import (
	"slices"
	"strings"
	"testing"

	"crmsync/crm"
)

const (
	updateContacts = "POST /crm/objects/2026-09/contacts/batch/update"
	readContacts   = "POST /crm/objects/2026-09/contacts/batch/read"
)

// conflict is the item error for the write with a trace id.
func conflict(trace, existing string) string {
	context := `{"objectWriteTraceId":["` + trace + `"]`
	if existing != "" {
		context += `,"existingId":["` + existing + `"]`
	}
	return `{"status":"error","category":"CONFLICT","message":"Contact already exists.","context":` + context + `}}`
}

func jonas(key string) crm.Record {
	return contact(key, crm.Fields{"email": "Jonas@b.example", "firstname": "Jonas", "lastname": "Weber"})
}

// adopting returns a record that may adopt. Before it is sent its names are
// looked up under our key, where nobodyYet is the answer.
func adopting(key string) crm.Record {
	r := jonas(key)
	r.Adopted = true
	return r
}

var nobodyYet = exchange{want: readContacts, status: 207, answer: `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND"}]}`}

// The address belongs to a contact that a person made. The caller is told, and
// nothing is changed before it knows.
func TestConflict_AdoptsNobodyWithoutBeingTold(t *testing.T) {
	c := newTestClient(t,
		exchange{answer: `{"errors":[` + conflict("t0", "58817") + `]}`},
		exchange{want: readContacts, answer: `{"results":[{"id":"58817","properties":{"email":"jonas@b.example"}}]}`},
	)
	e := wantError(t, upsert(t, c, jonas("k0"))[0].Err, crm.Conflict)
	if e.Code != crm.CodeAdoptable || e.Field != "email" || e.Holder == nil || *e.Holder != (crm.Ref{Object: crm.Contact, RemoteID: "58817"}) {
		t.Errorf("got %v, holder %v", e, e.Holder)
	}
}

// The address belongs to a contact that a person made: it becomes ours, and
// the name that the person gave it stays.
func TestConflict_AdoptsAContactOfNobodys(t *testing.T) {
	read := exchange{want: readContacts, answer: `{"results":[{"id":"58817","properties":{"crmsync_id":null,"email":"jonas@b.example","firstname":"","lastname":"Webber"}}]}`}
	update := exchange{
		want:   updateContacts,
		body:   `{"inputs":[{"id":"58817","objectWriteTraceId":"t0","properties":{"crmsync_id":"k0","email":"Jonas@b.example","firstname":"Jonas"}}]}`,
		answer: `{"results":[{"id":"58817","objectWriteTraceId":"t0"}]}`,
	}
	byEmail, byID := read, read
	byEmail.body = `{"idProperty":"email","properties":["crmsync_id","firstname","lastname","email","hs_additional_emails"],"propertiesWithHistory":[],"inputs":[{"id":"jonas@b.example"}]}`
	byID.body = `{"properties":["crmsync_id","firstname","lastname","email","hs_additional_emails"],"propertiesWithHistory":[],"inputs":[{"id":"58817"}]}`
	for name, test := range map[string]struct {
		refusal exchange
		read    exchange
	}{
		"item error without the id": {exchange{status: 207, answer: `{"errors":[` + conflict("t0", "") + `]}`}, byEmail},
		"item error with the id":    {exchange{answer: `{"errors":[` + conflict("t0", "58817") + `]}`}, byID},
		"id in the message only": {exchange{status: 409,
			answer: `{"status":"error","category":"CONFLICT","message":"Contact already exists. Existing ID: 58817"}`}, byID},
		"409 without the id": {exchange{status: 409, answer: `{"category":"CONFLICT","message":"Contact already exists"}`}, byEmail},
		"unique value of the address": {exchange{status: 400,
			answer: `{"category":"VALIDATION_ERROR","errors":[{"code":"CONFLICTING_UNIQUE_VALUE","context":{"propertyName":["email"]}}]}`}, byEmail},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, nobodyYet, test.refusal, test.read, update)
			wantResult(t, upsert(t, c, adopting("k0"))[0], "58817", crm.Adopted)
		})
	}
}

func TestConflict_OneReadForAllOfABatch(t *testing.T) {
	c := newTestClient(t,
		nobodyYet,
		exchange{status: 207, answer: `{"results":[{"id":"1","new":true,"objectWriteTraceId":"t1"}],"errors":[` + conflict("t2", "") + `,` + conflict("t0", "") + `]}`},
		exchange{
			want: readContacts,
			body: `{"idProperty":"email","properties":["crmsync_id","firstname","lastname","email","hs_additional_emails"],"propertiesWithHistory":[],
				"inputs":[{"id":"jonas@b.example"},{"id":"lena@b.example"}]}`,
			answer: `{"results":[{"id":"70","properties":{"crmsync_id":"other","email":"lena@b.example"}},{"id":"71","properties":{"email":"j@b.example","hs_additional_emails":"x@b.example;Jonas@b.example"}}]}`,
		},
		exchange{want: updateContacts, answer: `{"results":[{"id":"71","objectWriteTraceId":"t0"}]}`},
	)
	got := upsert(t, c, adopting("k0"), contact("k1", crm.Fields{"firstname": "A"}), contact("k2", crm.Fields{"email": "lena@b.example"}))
	wantResult(t, got[0], "71", crm.Adopted)
	wantResult(t, got[1], "1", crm.Created)
	e := wantError(t, got[2].Err, crm.Conflict)
	if want := (crm.Ref{Object: crm.Contact, Key: "other", RemoteID: "70"}); e.Field != "email" || e.Holder == nil || *e.Holder != want {
		t.Errorf("got %v, holder %v, want %v", e, e.Holder, want)
	}
	if strings.Contains(e.Error(), "@") {
		t.Errorf("error %q shows an address", e)
	}
}

func TestConflict_OurOwnRecordIsUpdated(t *testing.T) {
	for name, xs := range map[string][]exchange{
		"found by its address": {
			{status: 207, answer: `{"errors":[` + conflict("t0", "") + `]}`},
			{want: readContacts, answer: `{"results":[{"id":"5","properties":{"crmsync_id":"k0","email":"jonas@b.example"}}]}`},
		},
		"found by our key": {
			{status: 207, answer: `{"errors":[{"category":"VALIDATION_ERROR","context":{"objectWriteTraceId":["t0"]},
				"errors":[{"code":"CONFLICTING_UNIQUE_VALUE","context":{"propertyName":["crmsync_id"]}}]}]}`},
			{want: readContacts, answer: `{"results":[{"id":"5","properties":{"crmsync_id":"k0","email":"old@b.example"}}]}`,
				body: `{"idProperty":"crmsync_id","properties":["crmsync_id","firstname","lastname","email","hs_additional_emails"],"propertiesWithHistory":[],"inputs":[{"id":"k0"}]}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			update := exchange{
				want:   updateContacts,
				body:   `{"inputs":[{"id":"5","objectWriteTraceId":"t0","properties":{"crmsync_id":"k0","email":"Jonas@b.example","firstname":"Jonas","lastname":"Weber"}}]}`,
				answer: `{"results":[{"id":"5","objectWriteTraceId":"t0"}]}`,
			}
			c := newTestClient(t, append(xs, update)...)
			wantResult(t, upsert(t, c, jonas("k0"))[0], "5", crm.Updated)
		})
	}
}

func TestConflict_OfACallIsAboutOurKey(t *testing.T) {
	c := newTestClient(t,
		exchange{status: 400, answer: `{"category":"VALIDATION_ERROR","errors":[{"code":"CONFLICTING_UNIQUE_VALUE"}]}`},
		exchange{want: "POST /crm/objects/2026-09/calls/batch/read",
			body:   `{"idProperty":"crmsync_id","properties":["crmsync_id"],"propertiesWithHistory":[],"inputs":[{"id":"c1"}]}`,
			answer: `{"results":[{"id":"9","properties":{"crmsync_id":"c1"}}]}`},
		exchange{want: "POST /crm/objects/2026-09/calls/batch/update", answer: `{"results":[{"id":"9","objectWriteTraceId":"t0"}]}`},
	)
	wantResult(t, upsert(t, c, crm.Record{Object: crm.Activity, Key: "c1", Fields: crm.Fields{"hs_call_title": "x"}})[0], "9", crm.Updated)
}

const nobody = `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["?"]}}]}`

func TestConflict_HolderThatCannotBeFound(t *testing.T) {
	refusal := exchange{want: upsertContacts, status: 207, answer: `{"errors":[` + conflict("t0", "") + `]}`}
	lookups := []exchange{
		{want: readContacts, status: 207, answer: nobody}, // by address
		{want: readContacts, status: 207, answer: nobody}, // by key
	}
	t.Run("is tried once more", func(t *testing.T) {
		created := exchange{want: upsertContacts, answer: `{"results":[{"id":"5","new":true,"objectWriteTraceId":"t0"}]}`}
		c := newTestClient(t, slices.Concat([]exchange{refusal}, lookups, []exchange{created})...)
		wantResult(t, upsert(t, c, jonas("k0"))[0], "5", crm.Created)
	})
	t.Run("and then is a conflict with nobody", func(t *testing.T) {
		c := newTestClient(t, slices.Concat([]exchange{refusal}, lookups, []exchange{refusal}, lookups)...)
		e := wantError(t, upsert(t, c, jonas("k0"))[0].Err, crm.Conflict)
		if e.Holder != nil || e.Field != "email" {
			t.Errorf("got %v, holder %v", e, e.Holder)
		}
	})
}

// Our key stands on another record already: two records cannot become one.
func TestConflict_AdoptionRefused(t *testing.T) {
	found := exchange{want: readContacts, answer: `{"results":[{"id":"58817","properties":{"email":"jonas@b.example"}}]}`}
	refusal := exchange{status: 207, answer: `{"errors":[` + conflict("t0", "") + `]}`}
	t.Run("because our key stands elsewhere", func(t *testing.T) {
		c := newTestClient(t, nobodyYet, refusal, found, exchange{want: updateContacts, status: 400,
			answer: `{"category":"VALIDATION_ERROR","errors":[{"code":"CONFLICTING_UNIQUE_VALUE","context":{"propertyName":["crmsync_id"]}}]}`})
		e := wantError(t, upsert(t, c, adopting("k0"))[0].Err, crm.Conflict)
		if e.Code == crm.CodeAdoptable || e.Field != "email" || e.Holder == nil || *e.Holder != (crm.Ref{Object: crm.Contact, RemoteID: "58817"}) {
			t.Errorf("got %v, holder %v", e, e.Holder)
		}
	})
	t.Run("because it has gone", func(t *testing.T) {
		c := newTestClient(t, nobodyYet, refusal, found, exchange{want: updateContacts, status: 404, answer: `{"category":"OBJECT_NOT_FOUND"}`})
		wantError(t, upsert(t, c, adopting("k0"))[0].Err, crm.Unavailable)
	})
}

func TestConflict_TwoOfOursWantTheSameContact(t *testing.T) {
	c := newTestClient(t,
		nobodyYet,
		exchange{status: 207, answer: `{"errors":[` + conflict("t0", "58817") + `,` + conflict("t1", "58817") + `]}`},
		exchange{want: readContacts, answer: `{"results":[{"id":"58817","properties":{"email":"jonas@b.example"}}]}`},
		exchange{want: updateContacts, answer: `{"results":[{"id":"58817","objectWriteTraceId":"t0"}]}`},
	)
	got := upsert(t, c, adopting("k0"), adopting("k1"))
	wantResult(t, got[0], "58817", crm.Adopted)
	if e := wantError(t, got[1].Err, crm.Conflict); e.Holder == nil || e.Holder.Key != "k0" {
		t.Errorf("got %v, holder %v", e, e.Holder)
	}
}

func TestConflict_TwoMatchesAreNeverGuessed(t *testing.T) {
	for name, xs := range map[string][]exchange{
		"named by HubSpot": {{status: 409, answer: `{"category":"CONFLICT","message":"Existing ID: 1","context":{"existingId":["1","2"]}}`}},
		"found by address": {
			{status: 409, answer: `{"category":"CONFLICT"}`},
			{want: readContacts, answer: `{"results":[{"id":"1","properties":{"email":"jonas@b.example"}},{"id":"2","properties":{"email":"Jonas@b.example"}}]}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := wantError(t, upsert(t, newTestClient(t, xs...), jonas("k0"))[0].Err, crm.Conflict)
			if e.Code != crm.CodeAmbiguous || e.Holder != nil {
				t.Errorf("got %v, holder %v", e, e.Holder)
			}
		})
	}
}

// A failed look-up is never "nobody".
func TestConflict_FailedLookupFailsTheBatch(t *testing.T) {
	for name, read := range map[string]exchange{
		"refused":    {want: readContacts, status: 429, answer: `{"policyName":"SECONDLY"}`},
		"item error": {want: readContacts, status: 207, answer: `{"errors":[{"category":"INTERNAL","message":"try later"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, exchange{status: 409, answer: `{"category":"CONFLICT"}`}, read)
			_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{jonas("k0")})
			if e := crm.AsError(err); err == nil || e.Kind == crm.Conflict || e.Kind == crm.Invalid {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A value that an admin made unique proves nothing about who somebody is.
func TestConflict_OfAnotherUniquePropertyAdoptsNobody(t *testing.T) {
	c := newTestClient(t,
		exchange{status: 207, answer: `{"errors":[{"category":"VALIDATION_ERROR","context":{"objectWriteTraceId":["t0"],"existingId":["7"]},
			"errors":[{"code":"CONFLICTING_UNIQUE_VALUE","context":{"propertyName":["badge"]}}]}]}`},
		exchange{want: readContacts, answer: `{"results":[{"id":"7","properties":{"email":"x@b.example"}}]}`},
	)
	e := wantError(t, upsert(t, c, jonas("k0"))[0].Err, crm.Conflict)
	if e.Field != "badge" || e.Holder == nil || e.Holder.RemoteID != "7" || e.Holder.Key != "" {
		t.Errorf("got %v, holder %v", e, e.Holder)
	}
}

// Without per-item results only one of several conflicts is named: the caller
// halves the batch until each is alone.
func TestConflict_OfAWholeBatchIsToBeHalved(t *testing.T) {
	for _, x := range []exchange{
		{status: 409, answer: `{"category":"CONFLICT","message":"Contact already exists. Existing ID: 58817"}`},
		{status: 400, answer: `{"category":"VALIDATION_ERROR","errors":[{"code":"CONFLICTING_UNIQUE_VALUE"}]}`},
		{status: 404, answer: `{"category":"OBJECT_NOT_FOUND"}`},
	} {
		c := newTestClient(t, x)
		_, err := c.Upsert(t.Context(), crm.Contact, []crm.Record{jonas("k0"), jonas("k1")})
		wantError(t, err, crm.Invalid)
	}
}
