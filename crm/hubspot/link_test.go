package hubspot

import (
	"fmt"
	"testing"

	"crmsync/crm"
)

func ref(o crm.Object, id string) crm.Ref { return crm.Ref{Object: o, Key: "key-" + id, RemoteID: id} }

func link(from, to string) crm.Link {
	return crm.Link{From: ref(crm.Contact, from), To: ref(crm.Company, to)}
}

const linkPath = "POST /crm/associations/2026-09/contacts/companies/batch/associate/default"

func TestLink_MakesDefaultAssociations(t *testing.T) {
	c := newTestClient(t, exchange{
		want: "POST /crm/associations/2026-09/calls/contacts/batch/associate/default",
		body: `{"inputs":[{"from":{"id":"90112"},"to":{"id":"70311"}},{"from":{"id":"90113"},"to":{"id":"70311"}}]}`,
		answer: `{"status":"COMPLETE","results":[
			{"from":{"id":"70311"},"to":{"id":"90113"},"associationSpec":{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":193}},
			{"from":{"id":"90112"},"to":{"id":"70311"},"associationSpec":{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":194}}]}`,
	})
	errs, err := c.Link(t.Context(), []crm.Link{
		{From: ref(crm.Activity, "90112"), To: ref(crm.Contact, "70311")},
		{From: ref(crm.Activity, "90113"), To: ref(crm.Contact, "70311")},
	})
	if err != nil || len(errs) != 2 || errs[0] != nil || errs[1] != nil {
		t.Errorf("got %v, %v", errs, err)
	}
}

func TestLink_UnderstandsTheLabelledForm(t *testing.T) {
	c := newTestClient(t, exchange{status: 201, answer: `{"results":[{"fromObjectId":1,"toObjectId":2,"labels":[]}]}`})
	if errs, err := c.Link(t.Context(), []crm.Link{link("1", "2")}); err != nil || errs[0] != nil {
		t.Errorf("got %v, %v", errs, err)
	}
}

func TestLink_RemovesByArchiving(t *testing.T) {
	a, b, d := link("1", "2"), link("1", "3"), link("4", "2")
	a.Remove, b.Remove, d.Remove = true, true, true
	c := newTestClient(t, exchange{
		want:   "POST /crm/associations/2026-09/contacts/companies/batch/archive",
		body:   `{"inputs":[{"from":{"id":"1"},"to":[{"id":"2"},{"id":"3"}]},{"from":{"id":"4"},"to":[{"id":"2"}]}]}`,
		status: 204,
	})
	if errs, err := c.Link(t.Context(), []crm.Link{a, b, d}); err != nil || errs[0] != nil || errs[1] != nil || errs[2] != nil {
		t.Errorf("got %v, %v", errs, err)
	}
	c = newTestClient(t, exchange{status: 207, answer: `{"errors":[{"category":"OBJECT_NOT_FOUND","context":{"id":["1"]}}]}`})
	if errs, err := c.Link(t.Context(), []crm.Link{a}); err != nil || errs[0] != nil {
		t.Errorf("a link that is gone already: %v, %v", errs, err)
	}
}

func TestLink_ErrorsAreMatchedByRecordID(t *testing.T) {
	invalid := func(id string) string {
		return `{"status":"error","category":"VALIDATION_ERROR","subCategory":"crm.associations.INVALID_IDENTIFIER","context":{"id":["` + id + `"]},"message":"no such object"}`
	}
	c := newTestClient(t, exchange{want: linkPath, status: 207, answer: `{
		"results":[{"from":{"id":"1"},"to":{"id":"2"}}],
		"errors":[` + invalid("404") + `,` + invalid("9") + `,
		{"category":"VALIDATION_ERROR","subCategory":"crm.associations.LIMIT_EXCEEDED","message":"limit reached","context":{"fromObjectId":["5"],"toObjectId":["2"]}}]}`})
	links := []crm.Link{link("9", "2"), link("1", "2"), link("3", "404"), link("5", "2")}
	errs, err := c.Link(t.Context(), links)
	if err != nil {
		t.Fatal(err)
	}
	if e := wantError(t, errs[0], crm.NotFound); e.Missing == nil || *e.Missing != links[0].From {
		t.Errorf("missing %v, want the contact", e.Missing)
	}
	if errs[1] != nil {
		t.Errorf("the good link: %v", errs[1])
	}
	if e := wantError(t, errs[2], crm.NotFound); e.Missing == nil || *e.Missing != links[2].To {
		t.Errorf("missing %v, want the company", e.Missing)
	}
	if e := wantError(t, errs[3], crm.Invalid); e.Missing != nil || e.Message != "limit reached" {
		t.Errorf("limit: %v", e)
	}
}

func TestLink_SuccessThatLeavesLinksOutIsFailure(t *testing.T) {
	for _, answer := range []string{
		``, `{}`, `{"status":"COMPLETE","results":[]}`, `{"results":[{"from":{"id":"1"},"to":{"id":"2"}}]}`,
		`{"results":[{"from":{"id":"1"},"to":{"id":"2"}}],"errors":[{"category":"VALIDATION_ERROR"}]}`,
	} {
		c := newTestClient(t, exchange{answer: answer})
		_, err := c.Link(t.Context(), []crm.Link{link("1", "2"), link("3", "4")})
		wantError(t, err, crm.Unavailable)
	}
}

func TestLink_RefusalOfARequestIsItsOnlyLinksOrTheCallers(t *testing.T) {
	refused := exchange{want: linkPath, status: 400, answer: `{"category":"VALIDATION_ERROR","subCategory":"crm.associations.INVALID_IDENTIFIER","context":{"id":["3"]}}`}
	errs, err := newTestClient(t, refused).Link(t.Context(), []crm.Link{link("3", "100")})
	if err != nil {
		t.Fatal(err)
	}
	if e := wantError(t, errs[0], crm.NotFound); e.Missing == nil || e.Missing.RemoteID != "3" {
		t.Errorf("missing %v", e.Missing)
	}
	_, err = newTestClient(t, refused).Link(t.Context(), []crm.Link{link("1", "100"), link("3", "100")})
	wantError(t, err, crm.NotFound)
	_, err = newTestClient(t, exchange{status: 401}).Link(t.Context(), []crm.Link{link("1", "2")})
	wantError(t, err, crm.Unauthorized)
}

func TestLink_RefusesWhatCannotBeSent(t *testing.T) {
	mixed := link("3", "4")
	mixed.Remove = true
	many := make([]crm.Link, maxLinks+1)
	for i := range many {
		many[i] = link(fmt.Sprint(i+1), "1")
	}
	for name, links := range map[string][]crm.Link{
		"mixed":     {link("1", "2"), mixed},
		"unknown":   {link("1", "")},
		"too many":  many,
		"no object": {{From: crm.Ref{RemoteID: "1"}, To: crm.Ref{RemoteID: "2"}}},
	} {
		_, err := newTestClient(t).Link(t.Context(), links)
		t.Log(name)
		wantError(t, err, crm.Invalid)
	}
	if errs, err := newTestClient(t).Link(t.Context(), nil); errs != nil || err != nil {
		t.Errorf("no links: %v, %v", errs, err)
	}
}
