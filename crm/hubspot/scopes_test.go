package hubspot

import (
	"strings"
	"testing"

	"crmsync/crm"
)

// The token is asked about once; whatever HubSpot answers to that decides nothing
// but what is known of scopes for writing.
func TestAskWrite(t *testing.T) {
	const readOnly = `{"hubId":1,"scopes":["crm.objects.contacts.read","crm.objects.companies.read"]}`
	for name, test := range map[string]struct {
		status int
		answer string
		want   string // in the error for companies; empty is no error
	}{
		"lacking":                {200, readOnly, "missing scope: crm.objects.companies.write"},
		"granted":                {200, `{"scopes":["crm.objects.contacts.write","crm.objects.companies.write"]}`, ""},
		"older scopes":           {200, `{"scopes":["contacts","crm.objects.owners.read"]}`, ""},
		"scopes of another kind": {200, `{"scopes":["oauth","tickets"]}`, ""},
		"none":                   {200, `{"scopes":[]}`, ""},
		"not told":               {404, `{"status":"error","category":"OBJECT_NOT_FOUND"}`, ""},
		"not for this key":       {403, `{"status":"error","category":"MISSING_SCOPES"}`, ""},
		"a page":                 {200, `<html>`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, exchange{
				want: "POST " + tokenInfoPath, body: `{"tokenKey":"` + testToken + `"}`, status: test.status, answer: test.answer,
			})
			for range 2 {
				err := c.AskWrite(t.Context(), crm.Company)
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
			}
		})
	}
}
