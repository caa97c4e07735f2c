package hubspot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

// describeContacts is the schema, the first request of every preview.
var describeContacts = exchange{want: "GET /crm/properties/2026-09/contacts", answer: `{"results":[
	{"name":"crmsync_id","type":"string"},{"name":"email","type":"string"},{"name":"firstname","type":"string"},
	{"name":"lastname","type":"string"},{"name":"crmsync_streak","type":"number"}]}`}

// found answers a read with results.
func found(results ...string) exchange {
	return exchange{want: readContacts, status: 207, answer: `{"results":[` + strings.Join(results, ",") + `],"errors":[{"category":"OBJECT_NOT_FOUND"}]}`}
}

// previewAll calls Preview for records of one object.
func previewAll(t testing.TB, c *Client, records ...crm.Record) []crm.Preview {
	t.Helper()
	previews, err := c.Preview(t.Context(), records[0].Object, records)
	if err != nil || len(previews) != len(records) {
		t.Fatalf("%d previews for %d records: %v", len(previews), len(records), err)
	}
	return previews
}

func TestPreview_ThreeReadsForAllOfABatch(t *testing.T) {
	byKey := found(`{"id":"7","properties":{"crmsync_id":"k1","email":"lena@b.example","firstname":"Lena","crmsync_streak":"5"}}`)
	byKey.body = `{"idProperty":"crmsync_id","inputs":[{"id":"k0"},{"id":"k1"}],"propertiesWithHistory":[],
		"properties":["crmsync_id","firstname","lastname","email","hs_additional_emails","crmsync_streak"]}`
	byEmail := found(`{"id":"7","properties":{"crmsync_id":"k1","email":"lena@b.example"}}`)
	byEmail.body = `{"idProperty":"email","inputs":[{"id":"jonas@b.example"},{"id":"lena@b.example"}],"propertiesWithHistory":[],
		"properties":["crmsync_id","firstname","lastname","email","hs_additional_emails","crmsync_streak"]}`
	c := newTestClient(t, describeContacts, byKey, byEmail)
	lena := contact("k1", crm.Fields{"email": "Lena@b.example", "firstname": "", "crmsync_streak": 5.0})
	lena.RemoteID = "an old one"
	want := []crm.Preview{
		{Action: crm.Created, Proof: "email", Changes: []crm.Change{
			{Field: "crmsync_id", New: "k0"}, {Field: "email", New: "jonas@b.example"},
			{Field: "firstname", New: "Jonas"}, {Field: "lastname", New: "Weber"}}},
		{Action: crm.Updated, Proof: "email", RemoteID: "7", Changes: []crm.Change{{Field: "firstname", Old: "Lena"}}},
	}
	got := previewAll(t, c, jonas("k0"), lena)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPreview_CompaniesAreNotLookedUpByAddress(t *testing.T) {
	c := newTestClient(t,
		exchange{want: "GET /crm/properties/2026-09/companies", answer: `{"results":[{"name":"crmsync_id"},{"name":"name"}]}`},
		exchange{want: "POST /crm/objects/2026-09/companies/batch/read", answer: `{"results":[{"id":"3","properties":{"crmsync_id":"o1","name":"Bright"}}]}`})
	p := previewAll(t, c, crm.Record{Object: crm.Company, Key: "o1", Fields: crm.Fields{"name": "Bright"}})[0]
	if diff := cmp.Diff(crm.Preview{Action: crm.Unchanged, RemoteID: "3"}, p); diff != "" {
		t.Error(diff)
	}
}

// Who holds the address decides, as it does for an Upsert.
func TestPreview_HoldersOfAddresses(t *testing.T) {
	jonasOnNothing := []crm.Change{
		{Field: "crmsync_id", New: "k0"}, {Field: "email", New: "jonas@b.example"},
		{Field: "firstname", New: "Jonas"}, {Field: "lastname", New: "Weber"}}
	ours := `{"id":"5","properties":{"crmsync_id":"k0","email":"old@b.example"}}`
	for name, test := range map[string]struct {
		byKey, byEmail exchange
		want           crm.Preview
		holder         *crm.Ref
		code           string
	}{
		"nobody's: its name stays": {
			byKey: found(), byEmail: found(`{"id":"58817","properties":{"email":"jonas@b.example","lastname":"Webber"}}`),
			want: crm.Preview{Action: crm.Adopted, Proof: "email", RemoteID: "58817", Changes: []crm.Change{{Field: "crmsync_id", New: "k0"}, {Field: "firstname", New: "Jonas"}}},
		},
		"nobody's, by a further address": {
			byKey: found(), byEmail: found(`{"id":"6","properties":{"email":"j@b.example","firstname":"J","lastname":"W","hs_additional_emails":"x@b.example;Jonas@b.example"}}`),
			want: crm.Preview{Action: crm.Adopted, Proof: "email", RemoteID: "6", Changes: []crm.Change{{Field: "crmsync_id", New: "k0"}, {Field: "email", Old: "j@b.example", New: "jonas@b.example"}}},
		},
		"another of ours": {
			byKey: found(), byEmail: found(`{"id":"7","properties":{"crmsync_id":"k9","email":"jonas@b.example"}}`),
			want:   crm.Preview{Action: crm.Created, Changes: jonasOnNothing},
			holder: &crm.Ref{Object: crm.Contact, Key: "k9", RemoteID: "7"},
		},
		"nobody's, and our key stands elsewhere": {
			byKey: found(ours), byEmail: found(`{"id":"7","properties":{"email":"jonas@b.example"}}`),
			want: crm.Preview{Action: crm.Updated, RemoteID: "5", Changes: []crm.Change{
				{Field: "email", Old: "old@b.example", New: "jonas@b.example"},
				{Field: "firstname", New: "Jonas"}, {Field: "lastname", New: "Weber"}}},
			holder: &crm.Ref{Object: crm.Contact, RemoteID: "7"},
		},
		"two": {
			byKey: found(), byEmail: found(`{"id":"1","properties":{"email":"jonas@b.example"}}`, `{"id":"2","properties":{"email":"Jonas@b.example"}}`),
			want: crm.Preview{Action: crm.Created, Changes: jonasOnNothing},
			code: crm.CodeAmbiguous,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := previewAll(t, newTestClient(t, describeContacts, test.byKey, test.byEmail), jonas("k0"))[0]
			if refused := got.Err != nil; refused != (test.holder != nil || test.code != "") {
				t.Fatalf("got %+v", got)
			} else if refused {
				e := wantError(t, got.Err, crm.Conflict)
				if e.Field != "email" || e.Code != test.code && test.code != "" || !cmp.Equal(e.Holder, test.holder) || strings.Contains(e.Error(), "@") {
					t.Errorf("got %v, holder %v", e, e.Holder)
				}
			}
			got.Err, test.want.Proof = nil, "email"
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPreview_TwoOfOursWantTheSameContact(t *testing.T) {
	c := newTestClient(t, describeContacts, found(), found(`{"id":"58817","properties":{"email":"jonas@b.example"}}`))
	got := previewAll(t, c, jonas("k1"), jonas("k0"))
	if got[0].Action != crm.Adopted || got[0].RemoteID != "58817" {
		t.Errorf("got %+v, want the first to adopt it", got[0])
	}
	if e := wantError(t, got[1].Err, crm.Conflict); e.Holder == nil || e.Holder.Key != "k1" {
		t.Errorf("got %v, holder %v", e, e.Holder)
	}
}

// What is wrong with one record leaves the others alone, and is not looked up.
func TestPreview_RefusedValues(t *testing.T) {
	c := newTestClient(t, describeContacts, found(), exchange{want: readContacts, status: 207, answer: nobody,
		body: `{"idProperty":"email","inputs":[{"id":"jonas@b.example"}],"propertiesWithHistory":[],
			"properties":["crmsync_id","firstname","lastname","email","hs_additional_emails"]}`})
	got := previewAll(t, c, contact("k0", crm.Fields{"email": "nowhere"}), contact("k1", crm.Fields{"email": complex(1, 2)}), jonas("k2"))
	if e := wantError(t, got[0].Err, crm.Invalid); e.Field != "email" || e.Code != "INVALID_EMAIL" || e.Op != "upsert contacts" {
		t.Errorf("got %v", e)
	}
	if e := wantError(t, got[1].Err, crm.Invalid); e.Code != "unsupported_value" {
		t.Errorf("got %v", e)
	}
	if got[2].Action != crm.Created {
		t.Errorf("got %+v", got[2])
	}
}

// A failed look-up is never "nobody".
func TestPreview_FailsAsAWhole(t *testing.T) {
	silence := exchange{answer: `{}`}
	refused := exchange{status: 429, answer: `{"policyName":"SECONDLY"}`}
	for name, test := range map[string]struct {
		exchanges []exchange
		want      crm.Kind
	}{
		"no schema":         {[]exchange{{answer: `{"results":[]}`}}, crm.Unavailable},
		"scope missing":     {[]exchange{{status: 403, answer: `{"category":"MISSING_SCOPES"}`}}, crm.Unauthorized},
		"keys, refused":     {[]exchange{describeContacts, refused}, crm.RateLimited},
		"keys, silence":     {[]exchange{describeContacts, silence}, crm.Unavailable},
		"addresses":         {[]exchange{describeContacts, found(), refused}, crm.RateLimited},
		"addresses, silent": {[]exchange{describeContacts, found(), silence}, crm.Unavailable},
		"no id property":    {[]exchange{describeContacts, {status: 400, answer: `{"category":"VALIDATION_ERROR"}`}}, crm.Misconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newTestClient(t, test.exchanges...).Preview(t.Context(), crm.Contact, []crm.Record{jonas("k0")})
			wantError(t, err, test.want)
		})
	}
	_, err := newTestClient(t).Preview(t.Context(), crm.Contact, []crm.Record{jonas("k0"), jonas("k0")})
	wantError(t, err, crm.Invalid)
}

// A value beyond HubSpot's limit is shown as it would be stored.
func TestPreview_TellsTheLengthOfWhatIsCut(t *testing.T) {
	whole, long := strings.Repeat("é", maxText), strings.Repeat("é", maxText+9)
	c := newTestClient(t, describeContacts, found())
	p := previewAll(t, c, contact("k0", crm.Fields{"firstname": whole, "lastname": long}))[0]
	want := []crm.Change{
		{Field: "crmsync_id", New: "k0"}, {Field: "firstname", New: whole},
		{Field: "lastname", New: shorten(long), FullLength: maxText + 9},
	}
	if diff := cmp.Diff(want, p.Changes); diff != "" {
		t.Error(diff)
	}
}
