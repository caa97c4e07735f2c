package mapping

import (
	"testing"

	"crmsync/crm"
)

func TestMapper_KnowsWhichFieldsLookUpAnOwner(t *testing.T) {
	m := mapper(t, map[string]string{
		"activity.hs_owner": "owner(call.user.email)", "activity.title": "call.title",
		"activity.first": `[call.user.email] | map(owner(#)) | first()`, "activity.all": `$env.owner(call.user.email)`,
		"contact.owner": `"owner(user.email)"`, "company.owner": "owner(org.name)",
	}, crm.Company)
	for o, want := range map[crm.Object]bool{crm.Activity: true, crm.Contact: false, crm.Company: false, "deal": false} {
		if got := m.UsesOwner(o); got != want {
			t.Errorf("%s: got %t", o, got)
		}
	}
	for _, tt := range []struct {
		object crm.Object
		field  string
		want   bool
	}{
		{crm.Activity, "hs_owner", true},
		{crm.Activity, "first", true},
		{crm.Activity, "all", true},
		{crm.Activity, "title", false},
		{crm.Activity, "unmapped", false},
		{crm.Contact, "owner", false}, // a text
		{crm.Company, "owner", false}, // off
		{"deal", "owner", false},
	} {
		if got := m.OwnerField(tt.object, tt.field); got != tt.want {
			t.Errorf("%s of %s: got %t", tt.field, tt.object, got)
		}
	}
}
