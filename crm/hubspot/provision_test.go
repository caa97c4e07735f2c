package hubspot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

// steps renders steps as "field action", one line each.
func steps(ss []crm.Step) string {
	var b strings.Builder
	for _, s := range ss {
		fmt.Fprintf(&b, "%s %s %s\n", s.Object, s.Field, s.Action)
	}
	return b.String()
}

const (
	callProperties = "POST /crm/properties/2026-09/calls"
	listCalls      = "GET /crm/properties/2026-09/calls"
)

var callFields = crm.Provision{Fields: map[crm.Object][]string{
	crm.Activity: {"hs_timestamp", "crmsync_score", "crmsync_deleted", "scoer", "crmsync_id"},
}}

const standardOnly = `{"results":[{"name":"hs_timestamp","type":"datetime"}]}`

func TestProvision_CreatesWhatIsMissing(t *testing.T) {
	c := newTestClient(t,
		exchange{want: listCalls, answer: standardOnly},
		exchange{want: callProperties + "/groups", body: `{"name":"crmsync","label":"crmsync"}`, status: 201, answer: `{"name":"crmsync"}`},
		exchange{want: callProperties,
			body: `{"groupName":"crmsync","name":"crmsync_deleted","label":"Deleted in training","type":"bool","fieldType":"booleancheckbox",
				"hasUniqueValue":false,"formField":false,"options":[{"label":"Yes","value":"true","displayOrder":0,"hidden":false},{"label":"No","value":"false","displayOrder":1,"hidden":false}]}`,
			status: 201, answer: `{"name":"crmsync_deleted","type":"bool"}`},
		exchange{want: callProperties,
			body: `{"groupName":"crmsync","name":"crmsync_id","label":"crmsync ID","description":"Written by crmsync: the id of the call, user or organisation that this record stands for.",
				"type":"string","fieldType":"text","hasUniqueValue":true,"formField":false}`,
			status: 201, answer: `{"name":"crmsync_id","type":"string","hasUniqueValue":true}`},
		exchange{want: callProperties, status: 201, answer: `{"name":"crmsync_score","type":"number"}`},
	)
	got, err := c.Provision(t.Context(), callFields)
	want := "activity crmsync_deleted created\nactivity crmsync_id created\nactivity crmsync_score created\nactivity scoer manual\n"
	if diff := cmp.Diff(want, steps(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

const complete = `{"results":[{"name":"hs_timestamp","type":"datetime"},{"name":"crmsync_score","type":"number"},{"name":"scoer","type":"string"},
	{"name":"crmsync_deleted","type":"bool"},{"name":"crmsync_id","type":"string","hasUniqueValue":true}]}`

func TestProvision_SecondRunWritesNothing(t *testing.T) {
	got, err := newTestClient(t, exchange{want: listCalls, answer: complete}).Provision(t.Context(), callFields)
	want := "activity crmsync_deleted exists\nactivity crmsync_id exists\nactivity crmsync_score exists\n"
	if diff := cmp.Diff(want, steps(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestProvision_DryRunWritesNothing(t *testing.T) {
	dry := callFields
	dry.DryRun = true
	got, err := newTestClient(t, exchange{want: listCalls, answer: standardOnly}).Provision(t.Context(), dry)
	want := "activity crmsync_deleted create\nactivity crmsync_id create\nactivity crmsync_score create\nactivity scoer manual\n"
	if diff := cmp.Diff(want, steps(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestProvision_EveryMappedObjectNeedsTheID(t *testing.T) {
	list := func(path string) exchange { return exchange{want: "GET " + path, answer: standardOnly} }
	c := newTestClient(t, list("/crm/properties/2026-09/companies"), list("/crm/properties/2026-09/contacts"))
	got, err := c.Provision(t.Context(), crm.Provision{DryRun: true, Fields: map[crm.Object][]string{crm.Contact: nil, crm.Company: nil}})
	if want := "company crmsync_id create\ncontact crmsync_id create\n"; steps(got) != want || err != nil {
		t.Errorf("got %q, %v", steps(got), err)
	}
}

func TestProvision_WhatOnlyAPersonCanMend(t *testing.T) {
	for name, test := range map[string]struct{ existing, note string }{
		"id without unique values": {`{"name":"crmsync_id","type":"string","hasUniqueValue":false}`, "unique"},
		"id of another type":       {`{"name":"crmsync_id","type":"number","hasUniqueValue":true}`, "type number instead of string"},
	} {
		c := newTestClient(t, exchange{answer: `{"results":[` + test.existing + `]}`})
		got, err := c.Provision(t.Context(), crm.Provision{Fields: map[crm.Object][]string{crm.Activity: nil}})
		if err != nil || len(got) != 1 || got[0].Action != crm.StepManual || !strings.Contains(got[0].Note, test.note) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestProvision_PropertyThatSomebodyElseMadeJustNow(t *testing.T) {
	taken := exchange{want: callProperties, status: 409, answer: `{"category":"OBJECT_ALREADY_EXISTS","subCategory":"Properties.PROPERTY_WITH_NAME_EXISTS"}`}
	for unique, want := range map[bool]string{true: crm.StepExists, false: crm.StepManual} {
		c := newTestClient(t,
			exchange{want: listCalls, answer: standardOnly},
			exchange{want: callProperties + "/groups", status: 409, answer: `{"category":"OBJECT_ALREADY_EXISTS"}`},
			taken,
			exchange{want: listCalls + "/crmsync_id", answer: fmt.Sprintf(`{"name":"crmsync_id","type":"string","hasUniqueValue":%v}`, unique)},
		)
		got, err := c.Provision(t.Context(), crm.Provision{Fields: map[crm.Object][]string{crm.Activity: nil}})
		if err != nil || len(got) != 1 || got[0].Action != want {
			t.Errorf("unique %v: %+v, %v", unique, got, err)
		}
	}
}

// HubSpot answers a create under an archived name with the old definition.
func TestProvision_CreatedWithoutUniqueValues(t *testing.T) {
	c := newTestClient(t,
		exchange{answer: standardOnly}, exchange{status: 201},
		exchange{status: 201, answer: `{"name":"crmsync_id","type":"string","hasUniqueValue":false}`})
	got, err := c.Provision(t.Context(), crm.Provision{Fields: map[crm.Object][]string{crm.Activity: nil}})
	if err != nil || len(got) != 1 || got[0].Action != crm.StepManual {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestProvision_MissingScopesAreAnError(t *testing.T) {
	c := newTestClient(t,
		exchange{answer: standardOnly},
		exchange{status: 403, answer: `{"category":"MISSING_SCOPES","context":{"requiredGranularScopes":["crm.schemas.contacts.write"]}}`})
	_, err := c.Provision(t.Context(), crm.Provision{Fields: map[crm.Object][]string{crm.Activity: nil}})
	if e := wantError(t, err, crm.Unauthorized); !strings.Contains(e.Message, "crm.schemas.contacts.write") {
		t.Errorf("got %v", e)
	}
}
