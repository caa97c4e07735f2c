package hubspot

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

func body(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

func TestOptions_TagsAgreeWithTheDefaults(t *testing.T) {
	tags := map[string]string{}
	for f := range reflect.TypeFor[Options]().Fields() {
		tags[f.Name] = f.Tag.Get("default")
		if f.Tag.Get("name") == "" || f.Tag.Get("help") == "" {
			t.Errorf("%s has no name or help", f.Name)
		}
	}
	d := Options{}.withDefaults()
	want := map[string]string{"Token": "", "ClientID": "", "ClientSecret": "", "RefreshToken": "", "BaseURL": d.BaseURL, "APIVersion": d.APIVersion, "IDProperty": d.IDProperty}
	if diff := cmp.Diff(want, tags); diff != "" {
		t.Error(diff)
	}
}

func TestOptions_ValidateNamesEverythingAndShowsNothing(t *testing.T) {
	good, app := Options{Token: testToken}, Options{ClientID: "marked-1", ClientSecret: "marked-2", RefreshToken: "marked-3"}
	for name, test := range map[string]struct {
		change func(*Options)
		want   string // names of the options at fault
	}{
		"fine":                         {func(*Options) {}, ""},
		"no token":                     {func(o *Options) { o.Token = "" }, "TOKEN"},
		"an OAuth app":                 {func(o *Options) { *o = app }, ""},
		"a token and an OAuth app":     {func(o *Options) { *o = app; o.Token = "marked" }, "TOKEN"},
		"a token and a part of an app": {func(o *Options) { o.RefreshToken = "marked" }, "TOKEN"},
		"no client id":                 {func(o *Options) { *o = app; o.ClientID = "" }, "CLIENT_ID"},
		"no client secret":             {func(o *Options) { *o = app; o.ClientSecret = "" }, "CLIENT_SECRET"},
		"no refresh token":             {func(o *Options) { *o = app; o.RefreshToken = "" }, "REFRESH_TOKEN"},
		"only a client id":             {func(o *Options) { *o = Options{ClientID: "marked"} }, "CLIENT_SECRET REFRESH_TOKEN"},
		"only a client secret":         {func(o *Options) { *o = Options{ClientSecret: "marked"} }, "CLIENT_ID REFRESH_TOKEN"},
		"only a refresh token":         {func(o *Options) { *o = Options{RefreshToken: "marked"} }, "CLIENT_ID CLIENT_SECRET"},
		"an app with blanks": {func(o *Options) {
			*o = Options{ClientID: " marked", ClientSecret: "\tmarked", RefreshToken: "märked marked"}
		},
			"CLIENT_ID CLIENT_SECRET REFRESH_TOKEN"},
		"token with a newline":  {func(o *Options) { o.Token = "marked\n" }, "TOKEN"},
		"base URL without host": {func(o *Options) { o.BaseURL = "https:///marked" }, "BASE_URL"},
		"version that is none":  {func(o *Options) { o.APIVersion = "marked" }, "API_VERSION"},
		"month that is none":    {func(o *Options) { o.APIVersion = "2026-13" }, "API_VERSION"},
		"legacy version":        {func(o *Options) { o.APIVersion = "v3" }, ""},
		"id property's label":   {func(o *Options) { o.IDProperty = "Marked ID" }, "ID_PROPERTY"},
		"HubSpot's own id":      {func(o *Options) { o.IDProperty = "hs_object_id" }, "ID_PROPERTY"},
		"e-mail as id":          {func(o *Options) { o.IDProperty = "email" }, "ID_PROPERTY"},
		"everything at once": {func(o *Options) { *o = Options{BaseURL: "marked", APIVersion: "marked", IDProperty: "-marked"} },
			"TOKEN BASE_URL API_VERSION ID_PROPERTY"},
	} {
		o := good
		test.change(&o)
		var names []string
		for _, p := range o.Validate() {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: at fault %q, want %q", name, got, test.want)
		}
		_, err := New(o, crm.Common{})
		if (err == nil) != (test.want == "") || err != nil && strings.Contains(err.Error(), "arked") {
			t.Errorf("%s: New: %v", name, err)
		}
	}
}

func TestProperties(t *testing.T) {
	for size, want := range map[int]int{0: 100, 25: 25, 1000: 100} {
		c, err := New(Options{Token: testToken, IDProperty: "my_id"}, crm.Common{BatchSize: size})
		if err != nil {
			t.Fatal(err)
		}
		p := c.Properties()
		if p.MaxBatch != want || !p.NativeUpsert || p.IDField != "my_id" || p.Name != "hubspot" || p.ConsoleURL == "" || p.MaxLinks < 1000 {
			t.Errorf("batch size %d: %+v", size, p)
		}
	}
}

func TestPing_ReadsOneContact(t *testing.T) {
	c := newTestClient(t, exchange{want: "GET /crm/objects/2026-09/contacts?limit=1", answer: `{"results":[]}`})
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for _, answer := range []string{``, `{}`, `<html>Welcome</html>`} {
		wantError(t, newTestClient(t, exchange{answer: answer}).Ping(t.Context()), crm.Unavailable)
	}
}

func TestOwners_PagesAndLeavesQueuesOut(t *testing.T) {
	c := newTestClient(t,
		exchange{want: "GET /crm/owners/2026-09?archived=false&limit=100", answer: `{"results":[
			{"id":"41629779","email":"a@b.example","type":"PERSON","userId":9586504,"archived":false},
			{"id":"5","email":"queue@b.example","type":"QUEUE"}],"paging":{"next":{"after":"NTI1"}}}`},
		exchange{want: "GET /crm/owners/2026-09?after=NTI1&archived=false&limit=100", answer: `{"results":[{"id":6,"email":"c@b.example"}]}`},
	)
	got, err := c.Owners(t.Context())
	want := []crm.Owner{{ID: "41629779", Email: "a@b.example", Active: true}, {ID: "6", Email: "c@b.example", Active: true}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// A table with holes would say "no owner" of somebody who has one.
func TestOwners_FailAsAWhole(t *testing.T) {
	page := `{"results":[{"id":"1"}],"paging":{"next":{"after":"x"}}}`
	for name, last := range map[string]exchange{
		"second page refused":   {status: 403, answer: `{"category":"MISSING_SCOPES"}`},
		"cursor that stays put": {answer: page},
		"no list":               {answer: `{}`},
		"nothing":               {answer: ``},
	} {
		c := newTestClient(t, exchange{answer: page}, last)
		if owners, err := c.Owners(t.Context()); err == nil || owners != nil {
			t.Errorf("%s: %v, %v", name, owners, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	c := newTestClient(t, exchange{want: "GET /crm/properties/2026-09/calls", answer: `{"results":[
		{"name":"crmsync_id","label":"ID","type":"string","fieldType":"text","hasUniqueValue":true},
		{"name":"hs_call_status","label":"Status","type":"enumeration","options":[{"label":"Done","value":"COMPLETED"},{"label":"Busy","value":"BUSY"}]},
		{"name":"hs_createdate","type":"datetime","modificationMetadata":{"readOnlyValue":true}},
		{"name":"hs_sum","type":"number","calculated":true},
		{"name":"hs_body","type":"string","fieldType":"html"},
		{"name":"hs_timestamp","type":"datetime"},
		{"name":"coach","type":"enumeration","externalOptions":true,"referencedObjectType":"OWNER","options":[{"value":"stale"}]},
		{"name":"old","type":"string","archived":true}]}`})
	got, err := c.Describe(t.Context(), crm.Activity)
	want := crm.Schema{Object: crm.Activity, Name: "calls", Fields: map[string]crm.Field{
		"crmsync_id":     {Name: "crmsync_id", Label: "ID", Type: "string", Kind: crm.FieldText, OneLine: true, Unique: true, MaxLength: 65536},
		"hs_call_status": {Name: "hs_call_status", Label: "Status", Type: "enumeration", Kind: crm.FieldEnum, Options: []string{"COMPLETED", "BUSY"}, Labels: []string{"Done", "Busy"}},
		"hs_createdate":  {Name: "hs_createdate", Type: "datetime", Kind: crm.FieldDateTime, ReadOnly: true},
		"hs_sum":         {Name: "hs_sum", Type: "number", Kind: crm.FieldNumber, ReadOnly: true},
		"hs_body":        {Name: "hs_body", Type: "string", Kind: crm.FieldFormatted, HTML: true, MaxLength: 65536},
		"hs_timestamp":   {Name: "hs_timestamp", Type: "datetime", Kind: crm.FieldDateTime, Required: true},
		"coach":          {Name: "coach", Type: "enumeration", Kind: crm.FieldOwner},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = newTestClient(t, exchange{answer: `{"results":[]}`}).Describe(t.Context(), crm.Activity)
	wantError(t, err, crm.Unavailable)
	_, err = newTestClient(t).Describe(t.Context(), "deal")
	wantError(t, err, crm.Misconfigured)
}

func TestDescribe_SaysWhatANewRecordNeeds(t *testing.T) {
	for o, want := range map[crm.Object][]string{crm.Contact: {"email", "firstname", "lastname"}, crm.Company: {"name", "domain"}, crm.Activity: nil} {
		got, err := newTestClient(t, exchange{answer: `{"results":[{"name":"hs_timestamp"}]}`}).Describe(t.Context(), o)
		if diff := cmp.Diff(want, got.AnyOf); diff != "" || err != nil || got.Fields["hs_timestamp"].Required != (o == crm.Activity) {
			t.Errorf("%s: %v, %+v\n%s", o, err, got, diff)
		}
	}
}

func TestProperty_Kind(t *testing.T) {
	for want, p := range map[crm.FieldKind]property{
		crm.FieldUnknown:   {Type: "object_coordinates"},
		crm.FieldText:      {Type: "string", FieldType: "textarea"},
		crm.FieldFormatted: {Type: "string", FieldType: "phonenumber"},
		crm.FieldEmail:     {Name: "email", Type: "string", FieldType: "text"},
		crm.FieldBool:      {Type: "bool", FieldType: "booleancheckbox"},
		crm.FieldDate:      {Type: "date", FieldType: "date"},
		crm.FieldEnum:      {Type: "enumeration", FieldType: "radio"},
		crm.FieldMulti:     {Type: "enumeration", FieldType: "checkbox"},
		crm.FieldOwner:     {Name: "hubspot_owner_id", Type: "enumeration", FieldType: "select"},
	} {
		if got := p.kind(); got != want {
			t.Errorf("%+v: got %d, want %d", p, got, want)
		}
	}
}

// An empty batch tells whether the scopes are there, and nothing is written.
func TestCheckWrite(t *testing.T) {
	const path = "POST /crm/objects/2026-09/contacts/batch/upsert"
	for name, answer := range map[string]exchange{
		"taken":   {want: path, body: `{"inputs":[]}`, answer: `{"status":"COMPLETE","results":[]}`},
		"refused": {want: path, status: 400, answer: `{"category":"VALIDATION_ERROR","message":"no inputs"}`},
	} {
		if err := newTestClient(t, answer).CheckWrite(t.Context(), crm.Contact); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	scope := `{"category":"MISSING_SCOPES","context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}`
	err := newTestClient(t, exchange{want: path, status: 403, answer: scope}).CheckWrite(t.Context(), crm.Contact)
	wantError(t, err, crm.Unauthorized)
	if !strings.Contains(err.Error(), "crm.objects.contacts.write") {
		t.Errorf("the scope is not named: %v", err)
	}
	wantError(t, newTestClient(t).CheckWrite(t.Context(), "deal"), crm.Misconfigured)
}

func TestArchive(t *testing.T) {
	const path = "POST /crm/objects/2026-09/contacts/batch/archive"
	refs := []crm.Ref{ref(crm.Contact, "1"), {Object: crm.Contact, Key: "unknown"}, ref(crm.Contact, "2"), ref(crm.Contact, "1")}
	both := `{"inputs":[{"id":"1"},{"id":"2"}]}`
	notFound := `{"category":"OBJECT_NOT_FOUND","context":{"ids":["2"]}}`
	for name, test := range map[string]struct {
		exchanges []exchange
		want      map[int]crm.Kind
	}{
		"done":         {[]exchange{{want: path, body: both, status: 204}}, nil},
		"gone already": {[]exchange{{want: path, status: 207, answer: `{"errors":[` + notFound + `]}`}}, nil},
		"one refused": {[]exchange{{want: path, status: 207, answer: `{"errors":[{"category":"VALIDATION_ERROR","context":{"id":["2"]}}]}`}},
			map[int]crm.Kind{2: crm.Invalid}},
	} {
		t.Run(name, func(t *testing.T) {
			errs, err := newTestClient(t, test.exchanges...).Archive(t.Context(), crm.Contact, refs)
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, errs[1], crm.Invalid) // without an id there is nothing to archive
			for _, i := range []int{0, 2, 3} {
				if kind, refused := test.want[i]; refused {
					wantError(t, errs[i], kind)
				} else if errs[i] != nil {
					t.Errorf("ref %d: %v", i, errs[i])
				}
			}
		})
	}
	gone := exchange{want: path, status: 404, answer: notFound}
	if errs, err := newTestClient(t, gone).Archive(t.Context(), crm.Contact, refs[:1]); err != nil || errs[0] != nil {
		t.Errorf("one that is gone already, refused: %v, %v", errs, err)
	}
	_, err := newTestClient(t, gone).Archive(t.Context(), crm.Contact, refs)
	wantError(t, err, crm.NotFound)
	_, err = newTestClient(t, exchange{status: 401}).Archive(t.Context(), crm.Contact, refs)
	wantError(t, err, crm.Unauthorized)
}

func TestShorten(t *testing.T) {
	for name, test := range map[string]struct {
		in, note string
		keep     bool
	}{
		"at the limit":              {in: strings.Repeat("a", maxText), keep: true},
		"more bytes than allowed":   {in: strings.Repeat("é", maxText), keep: true},
		"one more":                  {in: strings.Repeat("a", maxText+1), note: "… (cut by 49 characters)"},
		"two units per character":   {in: strings.Repeat("😀", maxText/2+1), note: "… (cut by 25 characters)"},
		"bytes that are no text":    {in: strings.Repeat("\xff", maxText+1), note: "… (cut by 49 characters)"},
		"a cut inside a character":  {in: strings.Repeat("a", maxText-49) + "😀😀" + strings.Repeat("b", 100), note: "… (cut by 102 characters)"},
		"shorter than it looks now": {in: "short", keep: true},
	} {
		got := shorten(test.in)
		if test.keep && got != test.in || !strings.HasSuffix(got, test.note) {
			t.Errorf("%s: ends with %q", name, got[max(0, len(got)-30):])
		}
		if n := len([]rune(got)); n > maxText {
			t.Errorf("%s: %d characters", name, n)
		}
	}
}
