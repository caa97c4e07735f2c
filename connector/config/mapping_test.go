package config_test

import (
	"maps"
	"strings"
	"testing"

	"crmsync/connector/config"
	"crmsync/crm"
)

func contactFields(t *testing.T, env map[string]string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for field, e := range loadGood(t, env).Mapping.Fields[crm.Contact] {
		out[field] = e.Source + " by " + e.Variable
	}
	return out
}

func TestMapping_LayersReplaceFieldByField(t *testing.T) {
	file := `{"contact": {"firstname": "file", "age": "file", "email": ""}}`
	tests := []struct {
		name string
		env  map[string]string
		want map[string]string
	}{
		{"preset", nil, map[string]string{
			"email":     `user.email ?? "" by CRMSYNC_MAP_CONTACT_email`,
			"firstname": `firstName(user.name) ?? "" by CRMSYNC_MAP_CONTACT_firstname`,
		}},
		{"file", env("MAP_FILE", writeFile(t, file)), map[string]string{
			"firstname": "file by CRMSYNC_MAP_FILE", "age": "file by CRMSYNC_MAP_FILE",
		}},
		{"JSON over file", env("MAP_FILE", writeFile(t, file), "MAP_CONTACT", `{"age":"json"}`), map[string]string{
			"firstname": "file by CRMSYNC_MAP_FILE", "age": "json by CRMSYNC_MAP_CONTACT",
		}},
		{"JSON names what a variable cannot", env("MAP_CONTACT", `{"Job Title":"json","email":"","firstname":""}`), map[string]string{
			"Job Title": "json by CRMSYNC_MAP_CONTACT",
		}},
		{"variables over file", env("MAP_FILE", writeFile(t, file), "MAP_CONTACT_age", "var", "MAP_CONTACT_Age", "a=b"), map[string]string{
			"firstname": "file by CRMSYNC_MAP_FILE", "age": "var by CRMSYNC_MAP_CONTACT_age", "Age": "a=b by CRMSYNC_MAP_CONTACT_Age",
		}},
		{"empty removes", env("MAP_CONTACT_email", "", "MAP_CONTACT_absent", ""), map[string]string{
			"firstname": `firstName(user.name) ?? "" by CRMSYNC_MAP_CONTACT_firstname`,
		}},
		{"constant in quotes", env("MAP_CONTACT_email", "", "MAP_CONTACT_firstname", `"Jo"`), map[string]string{
			"firstname": `"Jo" by CRMSYNC_MAP_CONTACT_firstname`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := contactFields(t, tt.env); !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMapping_OffSwitchesAnObjectOff(t *testing.T) {
	c := loadGood(t, env("MAP_CONTACT", "off", "MAP_CONTACT_email", "", "MAP_FILE", writeFile(t, `{"contact":{"x":"1"}}`)))
	if _, on := c.Mapping.Fields[crm.Contact]; on {
		t.Error("contacts are on")
	}
	if len(c.Mapping.Fields[crm.Activity]) != 1 {
		t.Error("activities are off")
	}
}

func TestMapping_IsShownInForce(t *testing.T) {
	c := loadGood(t, env("MAP_CONTACT_email", "user.id", "MAP_ACTIVITY", `{"title":"call.id"}`, "MAP_FILE", writeFile(t, `{"company":{"name":"org.name"}}`)))
	want := map[string]config.InForce{
		"CRMSYNC_MAP_CONTACT_email":     {Value: "user.id", Source: config.FromEnvironment},
		"CRMSYNC_MAP_CONTACT_firstname": {Value: `firstName(user.name) ?? ""`, Source: config.FromPreset},
		"CRMSYNC_MAP_ACTIVITY_title":    {Value: "call.id", Source: config.FromEnvironment},
		"CRMSYNC_MAP_COMPANY_name":      {Value: "org.name", Source: config.FromFile},
		"CRMSYNC_LISTEN_ADDR":           {Value: ":8080", Source: config.FromDefault},
		"CRMSYNC_CRM":                   {Value: "hubspot", Source: config.FromEnvironment},
		"CRMSYNC_HUBSPOT_TOKEN":         {Value: "set", Source: config.FromEnvironment},
		"CRMSYNC_ADMIN_TOKEN":           {Value: "not set", Source: config.FromDefault},
	}
	for _, s := range c.Redacted() {
		if w, ok := want[s.Variable]; ok {
			w.Variable, w.Object, w.Field = s.Variable, s.Object, s.Field
			if s != w || fieldVariable(s) != (s.Object != "") {
				t.Errorf("got %+v, want %+v", s, w)
			}
			delete(want, s.Variable)
		}
	}
	if len(want) > 0 {
		t.Errorf("not shown: %v", want)
	}
}

// fieldVariable says whether a setting is the expression that it says it is.
func fieldVariable(s config.InForce) bool {
	return s.Field != "" && s.Variable == "CRMSYNC_MAP_"+strings.ToUpper(string(s.Object))+"_"+s.Field
}

func TestMapping_FieldOfOurIdsIsNotMapped(t *testing.T) {
	for _, tt := range []struct {
		name     string
		env      map[string]string
		variable string
	}{
		{"variable", env("MAP_CONTACT_crmsync_id", "user.id"), "MAP_CONTACT_crmsync_id"},
		{"JSON, in another case", env("MAP_COMPANY", `{"Crmsync_ID":"org.id"}`), "MAP_COMPANY"},
		{"file", env("MAP_FILE", writeFile(t, `{"activity":{"crmsync_id":"call.id"}}`)), "MAP_FILE"},
		{"field of the preset", env("HUBSPOT_ID_FIELD", "firstname"), "HUBSPOT_ID_FIELD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := load(t, tt.env)
			if len(problems) != 1 || problems[0].Variable != "CRMSYNC_"+tt.variable || problems[0].Code != config.CodeConflict ||
				!strings.Contains(problems[0].Message, "CRMSYNC_HUBSPOT_ID_FIELD names, which crmsync writes itself") &&
					problems[0].Message != "names a field that the mapping writes" {
				t.Errorf("got %v", problems)
			}
		})
	}
	loadGood(t, env("MAP_CONTACT_crmsync_id", ""))
	loadGood(t, env("MAP_CONTACT_crmsync_id", "user.id", "HUBSPOT_ID_FIELD", "other_id"))
}
