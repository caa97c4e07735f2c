package sandbox

import (
	"cmp"
	"strings"
	"time"
)

// objectNames maps what may stand for an object in a path to its name.
var objectNames = map[string]string{
	"contacts": "contacts", "0-1": "contacts",
	"companies": "companies", "0-2": "companies",
	"calls": "calls", "0-48": "calls",
}

// standardTables returns the objects of a new account.
func standardTables(now time.Time) map[string]*table {
	contacts := newTable("contacts", "0-1", "CONTACT", "contacts")
	contacts.natural = "email"
	contacts.shown = []string{"firstname", "lastname", "email", "createdate", "lastmodifieddate"}
	contacts.required = []string{"email", "firstname", "lastname"}
	contacts.defineStandard(now,
		"email", "firstname", "lastname", "phone:phonenumber", "mobilephone:phonenumber", "jobtitle", "company", "website",
		"address", "city", "state", "zip", "country", "industry", "salutation", "twitterhandle", "message:textarea",
		"hs_language", "hs_additional_emails!", "hubspot_owner_id", "notes_last_contacted@!", "num_notes#!",
		"lifecyclestage="+strings.Join(lifecycle(), "|"),
		"hs_lead_status=NEW|OPEN|IN_PROGRESS|OPEN_DEAL|UNQUALIFIED|ATTEMPTED_TO_CONTACT|CONNECTED|BAD_TIMING",
		"createdate@!", "lastmodifieddate@!", "hs_object_id#!", "hs_email_domain!")

	companies := newTable("companies", "0-2", "COMPANY", "companies")
	companies.shown = []string{"name", "domain", "createdate", "hs_lastmodifieddate"}
	companies.required = []string{"name", "domain"}
	companies.defineStandard(now,
		"name", "domain", "phone:phonenumber", "website", "description:textarea", "address", "city", "state", "zip", "country",
		"about_us:textarea", "numberofemployees#", "annualrevenue#", "founded_year", "timezone", "hubspot_owner_id",
		"industry=COMPUTER_SOFTWARE|FINANCIAL_SERVICES|HEALTH_CARE|RETAIL|TELECOMMUNICATIONS|INSURANCE",
		"type=PROSPECT|PARTNER|RESELLER|VENDOR|OTHER", "lifecyclestage="+strings.Join(lifecycle(), "|"),
		"createdate@!", "hs_lastmodifieddate@!", "hs_object_id#!")

	calls := newTable("calls", "0-48", "CALL", "contacts")
	calls.shown = []string{"hs_createdate", "hs_lastmodifieddate"}
	calls.required = []string{"hs_timestamp"}
	calls.defineStandard(now,
		"hs_timestamp@", "hs_call_title", "hs_call_body:html", "hs_call_duration#", "hs_call_direction=INBOUND|OUTBOUND",
		"hs_call_status=BUSY|CALLING_CRM_USER|CANCELED|COMPLETED|CONNECTING|FAILED|IN_PROGRESS|MISSED|NO_ANSWER|QUEUED|RINGING",
		"hs_call_disposition="+strings.Join(dispositions(), "|"), "hs_activity_type=Practice call|Discovery call",
		"hs_call_recording_url", "hs_call_source=INTEGRATIONS_PLATFORM", "hs_call_from_number", "hs_call_to_number",
		"hs_call_callee_object_id#", "hs_call_callee_object_type", "hubspot_owner_id", "hs_attachment_ids",
		"hs_createdate@!", "hs_lastmodifieddate@!", "hs_object_id#!")
	return map[string]*table{"contacts": contacts, "companies": companies, "calls": calls}
}

// dispositions lists the outcomes that every account has, each with its label.
// https://developers.hubspot.com/docs/api-reference/crm-calls-v3/guide
func dispositions() []string {
	return []string{
		"9d9162e7-6cf3-4944-bf63-4dff82258764;Busy", "f240bbac-87c9-4f6e-bf70-924b57d47db7;Connected",
		"a4c4c377-d246-4b32-a13b-75a56a4cd0ff;Left live message", "b2cf5968-551e-4856-9783-52b3da59a7d0;Left voicemail",
		"73a0d17f-1163-4015-bdd5-ec830791da20;No answer", "17b47fee-58de-441e-a44c-c6300d46f273;Wrong number",
	}
}

func newTable(name, typeID, singular, scope string) *table {
	group := strings.ToLower(singular) + "information"
	return &table{
		name: name, typeID: typeID, singular: singular, scope: scope,
		properties: map[string]*Property{},
		groups:     map[string]Group{group: {Name: group, Label: singular + " information"}},
		records:    map[string]*record{},
		unique:     map[string]map[string]string{},
		merged:     map[string]string{},
	}
}

// defineStandard adds properties that every account has. Each is a name
// followed by marks: # number, @ datetime, =a|b enumeration (a;A with a label), :x text edited as
// x, and a last ! for one that the API does not write.
func (t *table) defineStandard(now time.Time, specs ...string) {
	for _, spec := range specs {
		p := Property{HubSpotDefined: true, Type: "string", GroupName: strings.ToLower(t.singular) + "information"}
		spec, p.ModificationMetadata.ReadOnlyValue = strings.CutSuffix(spec, "!")
		name, options, isEnumeration := strings.Cut(spec, "=")
		p.Name, p.FieldType, _ = strings.Cut(name, ":")
		switch {
		case isEnumeration:
			p.Type = "enumeration"
			for i, value := range strings.Split(options, "|") {
				value, label, _ := strings.Cut(value, ";")
				p.Options = append(p.Options, Option{Label: cmp.Or(label, value), Value: value, DisplayOrder: i})
			}
		case strings.HasSuffix(p.Name, "#"):
			p.Name, p.Type = strings.TrimSuffix(p.Name, "#"), "number"
		case strings.HasSuffix(p.Name, "@"):
			p.Name, p.Type = strings.TrimSuffix(p.Name, "@"), "datetime"
		}
		if p.Name == "hubspot_owner_id" {
			p.Type, p.FieldType, p.ExternalOptions = "enumeration", "select", true
		}
		p.Label = strings.ReplaceAll(p.Name, "_", " ")
		t.define(p, now)
	}
}
