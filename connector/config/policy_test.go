package config_test

import (
	"strings"
	"testing"

	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

func TestPolicies(t *testing.T) {
	c := loadGood(t, env("POLICY_CONTACT_email", "if_unchanged", "POLICY_CONTACT_firstname", "ALWAYS", "POLICY_ACTIVITY_title", "", "DEFAULT_OWNER", "77"))
	fields := c.Mapping.Fields[crm.Contact]
	if fields["email"].Policy != mapping.IfUnchanged || fields["firstname"].Policy != mapping.Always || c.DefaultOwner != "77" {
		t.Errorf("got %+v, default owner %q", fields, c.DefaultOwner)
	}
	if shown := inForce(c); shown["CRMSYNC_POLICY_CONTACT_email"] != "if_unchanged" || shown["CRMSYNC_DEFAULT_OWNER"] != "77" {
		t.Errorf("in force: %v", shown)
	}
}

func TestPolicies_Mistakes(t *testing.T) {
	for _, tt := range []struct{ name, value, code, says string }{
		{"POLICY_CONTACT_email", "never", config.CodeBadValue, "always, if_empty, if_unchanged, on_create"},
		{"POLICY_CONTACT_email", `"if_empty"`, config.CodeBadValue, "quotes"},
		{"POLICY_CONTACT_emial", "if_empty", config.CodeNoEffect, "CRMSYNC_POLICY_CONTACT_email"},
		{"POLICY_CONTACT_phone", "if_empty", config.CodeNoEffect, "CRMSYNC_MAP_CONTACT_phone"},
		{"POLICY_CONTACTS_email", "if_empty", config.CodeUnknownVariable, "CRMSYNC_POLICY_CONTACT_email"},
		{"POLICY_email", "if_empty", config.CodeUnknownVariable, ""},
	} {
		_, problems := load(t, env(tt.name, tt.value))
		if len(problems) != 1 || problems[0].Variable != "CRMSYNC_"+tt.name || problems[0].Code != tt.code || !strings.Contains(problems[0].Message+problems[0].Remedy, tt.says) {
			t.Errorf("%s=%s: got %v, want %s: %s", tt.name, tt.value, problems, tt.code, tt.says)
		}
	}
}
