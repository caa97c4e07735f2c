package hubspot

import (
	"strings"
	"testing"
)

// schemaOf is one property of a type with options.
func schemaOf(name, kind, fieldType string, options ...string) property {
	p := property{Name: name, Type: kind, FieldType: fieldType}
	for _, o := range options {
		p.Options = append(p.Options, choice{Value: text(o)})
	}
	return p
}

// A value that is wrongly said to change is a lie; one that is wrongly said to
// stay is kept from sight.
func TestStays(t *testing.T) {
	var (
		words  = schemaOf("jobtitle", "string", "text")
		email  = schemaOf("email", "string", "text")
		number = schemaOf("crmsync_score", "number", "number")
		truth  = schemaOf("crmsync_deleted", "bool", "booleancheckbox", "true", "false")
		day    = schemaOf("day", "date", "date")
		moment = schemaOf("hs_timestamp", "datetime", "date")
		choice = schemaOf("hs_call_status", "enumeration", "select", "COMPLETED", "BUSY", "busy")
		tags   = schemaOf("tags", "enumeration", "checkbox", "a", "b", "c")
		stage  = schemaOf("lifecyclestage", "enumeration", "radio", "lead", "customer", "other")
	)
	for _, test := range []struct {
		p          property
		old, value string
		stays      bool
	}{
		{words, "Rep", "Rep", true},
		{words, "Rep", "rep", false},
		{words, "Rep", "Rep ", false}, // HubSpot is not known to trim text
		{words, "5", "5.0", false},    // text that looks like a number
		{words, "true", "TRUE", false},
		{words, "", "", true},
		{words, "Rep", "", false},
		{words, "", "Rep", false},
		{words, "a;b", "b;a", false},
		{email, "jonas@b.example", " Jonas@B.example", true},
		{email, "jonas@b.example", "jona@b.example", false},
		{number, "5", "5.0", true},
		{number, "1200000", "1.2E6", true},
		{number, "0.5", ".50", true},
		{number, "-0", "0", true},
		{number, "9007199254740993", "9007199254740992", false}, // one apart, and one float64
		{number, "", "0", false},
		{number, "5", "6", false},
		{number, "1e999", "1e998", false},
		{number, "1e9999999999", "1e9999999998", false}, // nobody has the memory to compare them
		{truth, "true", "true", true},
		{truth, "", "false", false}, // no answer is not a no
		{day, "2026-11-18", "1794960000000", true},
		{day, "2026-11-18", "2026-11-18T00:00:00.000Z", true},
		{day, "2026-11-18", "2026-11-19", false},
		{moment, "2026-11-18T15:42:11.100Z", "1795016531100", true},
		{moment, "2026-11-18T15:42:11Z", "2026-11-18T15:42:11.000Z", true},
		{moment, "2026-11-18T15:42:11Z", "2026-11-18T16:42:11+01:00", true},
		{moment, "2026-11-18T15:42:11.123Z", "2026-11-18T15:42:11.123456Z", true},
		{moment, "2026-11-18T15:42:11.123Z", "2026-11-18T15:42:11.124Z", false},
		{moment, "yesterday", "Yesterday", false},
		{choice, "BUSY", "busy", false}, // two options
		{tags, "a;b", "b;a", true},
		{tags, "a;b", "b;a;b;", true},
		{tags, "a;b", "a", false},
		{stage, "customer", "lead", true}, // it only moves forward
		{stage, "lead", "customer", false},
		{stage, "customer", "", false}, // unless it is cleared
		{stage, "an old one", "lead", false},
	} {
		if got := test.p.stays(test.old, test.value); got != test.stays {
			t.Errorf("%s %q, sent %q: stays %v, want %v", test.p.Name, test.old, test.value, got, test.stays)
		}
	}
}

func TestForeseen(t *testing.T) {
	readOnly, external := schemaOf("hs_createdate", "datetime", "date"), schemaOf("hubspot_owner_id", "enumeration", "select", "1")
	readOnly.Modification.ReadOnlyValue, external.ExternalOptions = true, true
	schema := map[string]property{
		"hs_createdate": readOnly, "hubspot_owner_id": external,
		"email":   schemaOf("email", "string", "text"),
		"n":       schemaOf("n", "number", "number"),
		"day":     schemaOf("day", "date", "date"),
		"moment":  schemaOf("moment", "datetime", "date"),
		"status":  schemaOf("status", "enumeration", "select", "active", "left"),
		"tags":    schemaOf("tags", "enumeration", "checkbox", "a", "b"),
		"anyone":  schemaOf("anyone", "enumeration", "select"),
		"deleted": schemaOf("deleted", "bool", "booleancheckbox", "true", "false"),
	}
	for name, test := range map[string]struct {
		props       map[string]string
		code, field string // "" for nothing
	}{
		"cleared":           {map[string]string{"n": "", "day": "", "status": "", "email": ""}, "", ""},
		"fine":              {map[string]string{"n": "-1.5", "day": "2026-11-18", "status": "left", "deleted": "true", "tags": "b;a", "email": "a@b.example"}, "", ""},
		"append":            {map[string]string{"tags": ";b"}, "", ""},
		"kept elsewhere":    {map[string]string{"hubspot_owner_id": "77", "anyone": "x"}, "", ""},
		"some form of time": {map[string]string{"moment": "18 Nov 2026"}, "", ""},
		"unknown":           {map[string]string{"fristname": "x"}, "PROPERTY_DOESNT_EXIST", "fristname"},
		"read only":         {map[string]string{"hs_createdate": ""}, "READ_ONLY_VALUE", "hs_createdate"},
		"label":             {map[string]string{"status": "Active"}, "INVALID_OPTION", "status"},
		"label among tags":  {map[string]string{"tags": "a;B"}, "INVALID_OPTION", "tags"},
		"yes":               {map[string]string{"deleted": "yes"}, "INVALID_OPTION", "deleted"},
		"separators":        {map[string]string{"n": "1,200"}, "INVALID_NUMBER", "n"},
		"white space":       {map[string]string{"n": " 5"}, "LEADING_TRAILING_WHITESPACE", "n"},
		"not midnight":      {map[string]string{"day": "2026-11-18T00:00:00+01:00"}, "INVALID_DATE", "day"},
		"no address":        {map[string]string{"email": "no address"}, "INVALID_EMAIL", "email"},
		"two addresses":     {map[string]string{"email": "a@b.example c@d.example"}, "INVALID_EMAIL", "email"},
		"what stops every record counts first": {map[string]string{"email": "x", "unknown": "", "n": "x"},
			"PROPERTY_DOESNT_EXIST", "unknown"},
	} {
		e := foreseen("upsert contacts", schema, test.props)
		switch {
		case e == nil && test.code != "":
			t.Errorf("%s: nothing foreseen, want %s", name, test.code)
		case e != nil && (e.Code != test.code || e.Field != test.field || e.Message == ""):
			t.Errorf("%s: got %v, want %s of %s", name, e, test.code, test.field)
		case e != nil && strings.Contains(e.Error(), "@"):
			t.Errorf("%s: the error shows an address", name)
		}
	}
}
