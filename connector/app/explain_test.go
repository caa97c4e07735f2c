package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

// explained is what a test looks at of explain --json.
type explained struct {
	SignedBy *struct{ Secret, Of int } `json:"signed_by"`
	Records  []struct {
		Object, Action, URL string
		RemoteID            string `json:"remote_id"`
		RequestID           string `json:"request_id"`
		Kept                []string
	}
	Filters []struct{ Variable, Expression, Verdict string }
	Mapped  []struct {
		Object string
		Fields []explainedField
	}
	Note string
}

type explainedField struct {
	Field, Policy string
	Value         any
	Sent          *string
	FullLength    int `json:"full_length"`
	Kept, Unknown bool
	Owners        []struct {
		Email, ID string
		Default   bool
	}
}

func (v explained) field(object, name string) explainedField {
	for _, m := range v.Mapped {
		for _, f := range m.Fields {
			if m.Object == object && f.Field == name {
				return f
			}
		}
	}
	return explainedField{}
}

func (p *connectorProcess) explain(id string) (v explained) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.mustRun("explain", "--json", id)), &v); err != nil {
		p.t.Fatal(err)
	}
	return v
}

// One command answers what people ask about one event, running or stopped.
func TestEndToEnd_ExplainTellsTheWholeStory(t *testing.T) {
	t.Parallel() // they wait more than they work
	crm, url := newCRM(t)
	crm.SetOwners([]sandbox.Owner{{ID: "77", Email: "lead@sales.example"}})
	p := newConnector(t, url,
		"CRMSYNC_POLICY_CONTACT_jobtitle=if_unchanged", "CRMSYNC_MAP_CONTACT_jobtitle=user.role",
		"CRMSYNC_MAP_ACTIVITY_crmsync_transcript=truncate(transcript(call), 20)",
		"CRMSYNC_FILTER_CALL=durationSeconds(call) > 10", "CRMSYNC_DEFAULT_OWNER=77")
	p.start()
	p.sendDemo("org.updated", "user.created", "call.completed")
	p.settled(20 * time.Second)
	for _, r := range crm.Records("contacts") {
		crm.EditRecord("contacts", r.ID, map[string]string{"jobtitle": "Chief"})
	}
	second := delivery{id: "msg_second", secret: endToEndSecrets[1], family: "svix", body: `{"id":"evt-second","type":"user.updated",` +
		`"timestamp":"2025-12-01T00:00:00","payload":{"user":{"id":"d36a91e4-7f0c-4b25-93ad-1c8e5b7f4062","name":"Lena Okafor","role":"Coach"}}}`}
	if code := p.post(http.DefaultClient, second); code != http.StatusNoContent {
		t.Fatalf("answered %d", code)
	}
	p.settled(20 * time.Second)

	const call, user = "5b0e6c1e-0a83-4b61-9c44-7d1f2a90c3e8", "evt-second"
	v := p.explain(call)
	if v.SignedBy == nil || v.SignedBy.Secret != 1 || v.SignedBy.Of != 2 {
		t.Errorf("signed by %+v", v.SignedBy)
	}
	if len(v.Filters) != 1 || v.Filters[0].Verdict != "true" || v.Filters[0].Variable != "CRMSYNC_FILTER_CALL" {
		t.Errorf("filters %+v", v.Filters)
	}
	for _, r := range v.Records {
		kind := map[string]string{"contact": "0-1", "activity": "0-48"}[r.Object]
		if r.URL != "https://app.hubspot.com/contacts/4711/record/"+kind+"/"+r.RemoteID || r.RequestID == "" {
			t.Errorf("record %+v", r)
		}
	}
	owner := v.field("activity", "hubspot_owner_id")
	if owner.Value != "77" || len(owner.Owners) != 1 || !owner.Owners[0].Default || owner.Owners[0].Email != "jonas.weber@brightsales.example" {
		t.Errorf("owner %+v", owner)
	}
	if at := v.field("activity", "hs_timestamp"); at.Sent == nil || *at.Sent != "2025-11-18T15:34:38.002Z" || at.Value != "2025-11-18T15:34:38.00211794Z" {
		t.Errorf("time %+v", at)
	}
	if text := v.field("activity", "crmsync_transcript"); text.FullLength <= 20 || text.Sent == nil || len(*text.Sent) != 20 {
		t.Errorf("transcript %+v", text)
	}
	v = p.explain(user)
	if v.SignedBy == nil || v.SignedBy.Secret != 2 || !slices.Equal(v.Records[0].Kept, []string{"jobtitle"}) {
		t.Errorf("signed by %+v, records %+v", v.SignedBy, v.Records)
	}
	if title := v.field("contact", "jobtitle"); !title.Kept || title.Policy != "if_unchanged" || title.Value != "Coach" {
		t.Errorf("title %+v", title)
	}
	text := p.mustRun("explain", call) + p.mustRun("explain", user)
	for _, part := range []string{
		"signature ok (secret 1 of 2)", "signature ok (secret 2 of 2)", "durationSeconds(call) > 10 → true, it passes",
		"the default owner: nobody has the address jonas.weber@brightsales.example", `sent as "2025-11-18T15:34:38.002Z"`,
		"cut to 20 of ", "kept: a person's value stayed (if_unchanged)", "jobtitle: a person's value stayed", "https://app.hubspot.com/contacts/4711/record/0-48/",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}

	p.stop()
	v = p.explain(call)
	if owner := v.field("activity", "hubspot_owner_id"); !owner.Unknown || owner.Value != nil || !strings.Contains(v.Note, "owner(…)") {
		t.Errorf("stopped: owner %+v, note %q", owner, v.Note)
	}
	if v.Records[0].URL == "" {
		t.Errorf("stopped: records %+v", v.Records)
	}
}
