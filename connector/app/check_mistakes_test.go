package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
)

// customFields are fields that a company made for itself.
func customFields() map[string][]sandbox.Property {
	options := func(values ...string) (list []sandbox.Option) {
		for i, v := range values {
			list = append(list, sandbox.Option{Label: strings.ToUpper(v), Value: v, DisplayOrder: i})
		}
		return list
	}
	sealed := sandbox.Property{Name: "sealed_no", Type: "string", HasUniqueValue: true}
	sealed.ModificationMetadata.ReadOnlyValue = true
	return map[string][]sandbox.Property{
		"contacts": {
			sealed, {Name: "record_no", Type: "string"}, {Name: "phone_no", Type: "string", FieldType: "phonenumber", HasUniqueValue: true},
			{Name: "is_rep", Type: "bool", Options: options("true", "false")},
			{Name: "hired_on", Type: "date"},
			{Name: "last_trained", Type: "datetime"},
			{Name: "training_status", Type: "enumeration", Options: options("active", "inactive", "invited")},
			{Name: "skills", Type: "enumeration", FieldType: "checkbox", Options: options("calls", "demos")},
			{Name: "customer_no", Type: "string", HasUniqueValue: true},
			{Name: "badge", Type: "number"}, {Name: "persona", Type: "enumeration"},
		},
		"calls": {
			{Name: "score_band", Type: "enumeration", Options: options("low", "high")},
			{Name: "topics", Type: "string"}, {Name: "one_line", Type: "string", FieldType: "text"},
			{Name: "trained_at", Type: "datetime"},
			{Name: "trained_on", Type: "date"},
		},
	}
}

// rightMapping uses every kind of field as it is meant to be used.
var rightMapping = []string{
	`CONTACT_is_rep=user.role == "Sales Rep"`,
	`CONTACT_hired_on=isoDate(user.createdAt)`,
	`CONTACT_last_trained=event.timestamp`,
	`CONTACT_training_status=user.status`,
	`CONTACT_skills=["calls", "demos"]`,
	`CONTACT_customer_no=user.customerId`,
	`CONTACT_badge=(user.streak ?? 0) + 1`,
	`CONTACT_lifecyclestage="customer"`,
	`CONTACT_hubspot_owner_id=owner(user.email) ?? "7"`,
	`CONTACT_jobtitle=user.role == nil ? "" : "Rep: " + user.role`,
	`CONTACT_city=raw.payload.user.city`,
	`CONTACT_notes_free=`,
	`ACTIVITY_score_band=(averageScore(call) ?? 0) > 5 ? "high" : "low"`,
	`ACTIVITY_topics=join(call.analysis[0].products, ", ")`,
	`ACTIVITY_trained_at=unixMillis(call.createdAt)`,
	`ACTIVITY_trained_on=isoDate(call.createdAt)`,
	`ACTIVITY_hs_call_body=transcriptHTML(call, 65536) ?? ""`,
	`COMPANY_numberofemployees=250`,
	`COMPANY_description="\"Best\" of all"`,
}

// mistake is one wrong line of an environment, CRMSYNC_MAP_ left out where a
// line begins with an object, and the one finding that it gives.
type mistake struct {
	line, code, severity string
	variable             string // where it is not that of the line
	field                string
	says                 string // part of the message or remedy
}

const e, w = "error", "warning"

var mistakes = []mistake{
	// The field.
	{`CONTACT_fristname=user.name`, "unknown_field", e, "", "fristname", "did you mean firstname?"},
	{`CONTACT_Email=user.email`, "unknown_field", e, "", "Email", "did you mean email?"},
	{`COMPANY_nothing_like_it=org.name`, "unknown_field", e, "", "nothing_like_it", "crmsync setup"},
	{`ACTIVITY_hs_createdate=call.createdAt`, "read_only_field", e, "", "hs_createdate", "leave the field out"},
	// The kind of value.
	{`CONTACT_badge=user.name`, "wrong_type", e, "", "badge", "number"},
	{`CONTACT_badge="seven"`, "wrong_type", e, "", "badge", "number"},
	{`CONTACT_badge=deleted`, "wrong_type", e, "", "badge", "number"},
	{`ACTIVITY_hs_call_duration=call.title`, "wrong_type", e, "", "hs_call_duration", "number"},
	{`CONTACT_is_rep=user.role`, "wrong_type", e, "", "is_rep", "true or false"},
	{`CONTACT_is_rep="yes"`, "wrong_type", e, "", "is_rep", "true or false"},
	{`CONTACT_hired_on=user.createdAt`, "wrong_type", e, "", "hired_on", "isoDate"},
	{`CONTACT_hired_on="last May"`, "wrong_type", e, "", "hired_on", "isoDate"},
	{`CONTACT_last_trained=user.name`, "wrong_type", e, "", "last_trained", "event.timestamp"},
	{`ACTIVITY_trained_at=call.createdAt.Unix()`, "wrong_type", e, "", "trained_at", "unixMillis"},
	{`CONTACT_email=user.name`, "wrong_type", e, "", "email", "user.email"},
	{`CONTACT_hubspot_owner_id=user.email`, "wrong_type", e, "", "hubspot_owner_id", "owner(user.email)"},
	{`ACTIVITY_topics=call.analysis[0].products`, "wrong_type", e, "", "topics", "join"},
	// The value.
	{`ACTIVITY_hs_call_status="Completed"`, "not_an_option", e, "", "hs_call_status", `did you mean "COMPLETED"?`},
	{`ACTIVITY_hs_call_direction=call.title == nil ? "OUTBOUND" : "OUT"`, "not_an_option", e, "", "hs_call_direction", "INBOUND, OUTBOUND"},
	{`ACTIVITY_score_band=averageScore(call)`, "not_an_option", e, "", "score_band", "low, high"},
	{`CONTACT_lifecyclestage=user.status`, "not_an_option", w, "", "lifecyclestage", "give each value one of the list"},
	{`CONTACT_skills=["calls", "singing"]`, "not_an_option", e, "", "skills", "calls, demos"},
	{`CONTACT_customer_no="none"`, "not_unique", e, "", "customer_no", "unique"},
	{`CONTACT_hubspot_owner_id="99"`, "unknown_owner", e, "", "hubspot_owner_id", "owner(user.email)"},
	{`CRMSYNC_DEFAULT_OWNER=99`, "unknown_owner", e, "", "", "active owner"},
	{`ACTIVITY_hs_call_body=scorecardHTML(call) + transcriptHTML(call)`, "too_long", e, "", "hs_call_body", "transcriptHTML(call, 65536)"},
	{`ACTIVITY_topics=toJSON(raw) + transcript(call)`, "too_long", e, "", "topics", "truncate(…, 65536)"},
	{`ACTIVITY_hs_call_duration=durationSeconds(call)`, "wrong_unit", w, "", "hs_call_duration", "durationMillis"},
	// What a record is refused without.
	{`ACTIVITY_hs_timestamp=`, "required_field", e, "", "hs_timestamp", "brings the default back"},
	{`ACTIVITY_hs_timestamp=call.createdAt`, "required_empty", e, "", "hs_timestamp", "?? event.timestamp"},
	{`ACTIVITY_hs_timestamp=call.title == "" ? nil : event.timestamp`, "required_empty", e, "", "hs_timestamp", "nil"},
	{`COMPANY_name=`, "required_field", e, "", "name", "none of name, domain"},
	{`COMPANY_name=org.name`, "required_empty", e, "", "name", "(unknown)"},
	// Quotes.
	{`CONTACT_jobtitle='"SALES"'`, "literal_quotes", w, "", "jobtitle", "take one pair away"},
	{`ACTIVITY_hs_call_status='"COMPLETED"'`, "literal_quotes", e, "", "hs_call_status", "take one pair away"},
	{`CONTACT_jobtitle="user.role"`, "quoted_expression", e, "", "jobtitle", "take the quotes away"},
	{`CONTACT_jobtitle=SALES`, "unquoted_text", e, "", "jobtitle", "double quotes"},
	{`CONTACT_jobtitle=Sales Rep`, "unquoted_text", e, "", "jobtitle", "double quotes"},
	{`CONTACT_jobtitle="Sales Rep`, "missing_quote", e, "", "jobtitle", "where the text ends"},
	{`CONTACT_jobtitle=“Sales Rep”`, "curled_quotes", e, "", "jobtitle", "straight"},
	{`CONTACT_jobtitle=Hello, World!`, "unquoted_text", e, "", "jobtitle", "double quotes"},
	{`CONTACT_website=https://example.com`, "unquoted_text", e, "", "website", "double quotes"},
	{`CONTACT_jobtitle=usr`, "unquoted_text", e, "", "jobtitle", "did you mean user?"},
	{`CONTACT_phone=030-1234-56`, "unquoted_text", e, "", "phone", "double quotes"},
	{`CONTACT_hired_on=2026-01-31`, "unquoted_text", e, "", "hired_on", "calculated"},
	{`CONTACT_jobtitle={{user.role}}`, "placeholder", e, "", "jobtitle", "such as user.name"},
	{`CONTACT_jobtitle=$user.role`, "placeholder", e, "", "jobtitle", "such as user.name"},
	{`CONTACT_jobtitle=user.role # the role`, "comment", e, "", "jobtitle", "line of its own"},
	{`CONTACT_jobtitle=if user.role == "x" then "y"`, "if", e, "", "jobtitle", "condition ?"},
	{`CONTACT_jobtitle="Role: {{ user.role }}"`, "placeholder", e, "", "jobtitle", "texts and variables with +"},
	{"CONTACT_jobtitle=`Role: ${user.role}`", "placeholder", e, "", "jobtitle", "join texts and variables with +"},
	// The expression.
	{`CONTACT_jobtitle=role`, "unquoted_text", e, "", "jobtitle", "did you mean user.role?"},
	{`COMPANY_description=name`, "unquoted_text", e, "", "description", "did you mean org.name?"},
	{`CONTACT_jobtitle=null`, "unquoted_text", e, "", "jobtitle", "did you mean nil?"},
	{`ACTIVITY_hs_call_duration=call.duration`, "expression", e, "", "hs_call_duration", "did you mean stats.duration?"},
	{`CONTACT_jobtitle=user.jobTitle`, "expression", e, "", "jobtitle", "role, status"},
	{`CONTACT_jobtitle=user.role.upper()`, "expression", e, "", "jobtitle", "upper(user.name)"},
	{`CONTACT_jobtitle=user.role | upper`, "expression", e, "", "jobtitle", "parentheses"},
	{`CONTACT_jobtitle=upper(user.role`, "expression", e, "", "jobtitle", "not closed"},
	{`CONTACT_jobtitle=user.role == "x" ? "y"`, "expression", e, "", "jobtitle", "the second is missing"},
	{`CONTACT_jobtitle=user.role = "x" ? "y" : "z"`, "expression", e, "", "jobtitle", `user.role == "Manager"`},
	{`CONTACT_jobtitle=user.role || "none"`, "expression", e, "", "jobtitle", "behind ??"},
	{`CONTACT_jobtitle=user.role + user.streak`, "expression", e, "", "jobtitle", "string(user.streak)"},
	{`CONTACT_jobtitle=concat("Rep: ", user.role)`, "expression", e, "", "jobtitle", "joined with +"},
	{`CONTACT_badge=call.analysis.score`, "expression", e, "", "badge", "call.analysis[0].score"},
	{`ACTIVITY_hs_call_body=call.transcript`, "expression", e, "", "hs_call_body", "transcript(call)"},
	{`CONTACT_jobtitle=usr.role`, "expression", e, "", "jobtitle", "did you mean user?"},
	{`CONTACT_jobtitle=user.role +`, "expression", e, "", "jobtitle", "has to follow"},
	{`ACTIVITY_hs_call_body=transcript`, "expression", e, "", "hs_call_body", "function"},
	{`CONTACT_jobtitle=user.rolle`, "expression", e, "", "jobtitle", "did you mean role?"},
	{`CONTACT_badge=user.streak + 1`, "expression_fails", w, "", "badge", "??"},
	{`CONTACT_badge=int(user.role)`, "expression_fails", e, "", "badge", "leaves the field alone"},
	{`COMPANY_city=user.name`, "never_set", w, "", "city", "org"},
	{`CONTACT_crmsync_deleted=`, "mark_no_effect", w, "CRMSYNC_USER_DELETED", "", "crmsync_deleted=deleted"},
	{`COMPANY_crmsync_deleted=`, "mark_no_effect", w, "CRMSYNC_ORG_DELETED", "", "archive or ignore"},
	{`CONTACT_jobtitle=contact.role`, "expression", e, "", "jobtitle", "did you mean user?"},
	{`CONTACT_jobtitle=user.role == "x" AND true ? "y" : "z"`, "expression", e, "", "jobtitle", "write and, or, not"},
	{`CONTACT_jobtitle="a" & user.role`, "expression", e, "", "jobtitle", "joined with +"},
	{`CONTACT_jobtitle=truncate(user.role)`, "expression", e, "", "jobtitle", "truncate(user.name, 40)"},
	{`CONTACT_jobtitle=firstName(user)`, "expression", e, "", "jobtitle", "firstName(user.name)"},
	{`ACTIVITY_hs_call_duration=durationMilis(call)`, "expression", e, "", "hs_call_duration", "did you mean durationMillis?"},
	// What is chosen from.
	{`CONTACT_training_status={"x": "retired"}[user.role ?? ""] ?? "active"`, "not_an_option", e, "", "training_status", "active, inactive, invited"},
	{`CONTACT_training_status=let s = "retired"; user.role == "x" ? s : "active"`, "not_an_option", e, "", "training_status", "active, inactive, invited"},
	{`CONTACT_badge={"x": "seven"}[user.role ?? ""] ?? 1`, "wrong_type", e, "", "badge", "number"},
	{`CONTACT_skills=[user.role]`, "not_an_option", w, "", "skills", "calls, demos"},
	{`CONTACT_skills="calls, singing"`, "not_an_option", e, "", "skills", `["calls", "demos"]`},
	{`ACTIVITY_hs_call_disposition="Connected"`, "not_an_option", e, "", "hs_call_disposition", `did you mean "f240bbac-87c9-4f6e-bf70-924b57d47db7"?`},
	// HTML and plain text.
	{`ACTIVITY_hs_call_body=transcript(call) ?? ""`, "markup", w, "", "hs_call_body", "transcriptHTML(call, 65536)"},
	{`ACTIVITY_crmsync_transcript=truncate(scorecardHTML(call), 60000) ?? ""`, "markup", w, "", "crmsync_transcript", "scorecard(call)"},
	{`ACTIVITY_hs_call_duration=string(durationSeconds(call) ?? 0)`, "wrong_unit", w, "", "hs_call_duration", "durationMillis"},
	{`ACTIVITY_one_line=scorecard(call) ?? ""`, "markup", w, "", "one_line", "call.analysis[0].summary"},
	{`CONTACT_persona=user.role`, "not_an_option", e, "", "persona", "its list is empty"},
	// Fields of other objects.
	{`CONTACT_hs_call_title=user.name`, "unknown_field", e, "", "hs_call_title", "calls have it: CRMSYNC_MAP_ACTIVITY_hs_call_title"},
	// Filters.
	{`CRMSYNC_FILTER_CALL=true`, "filter", w, "", "", "everything passes"},
	{`CRMSYNC_FILTER_CALL=1 > 2`, "filter", w, "", "", "nothing passes"},
	{`CRMSYNC_FILTER_ORG=call.title == "x"`, "filter", w, "", "", "have a value here are org"},
	{`CRMSYNC_FILTER_USER=1`, "expression", e, "", "", "gives a number"},
	// What has no effect.
	{`CRMSYNC_POLICY_CONTACT_crmsync_deleted=on_create`, "mark_no_effect", w, "CRMSYNC_USER_DELETED", "", "archive or ignore"},
	{`CRMSYNC_POLICY_COMPANY_crmsync_deleted=if_empty`, "mark_no_effect", w, "CRMSYNC_ORG_DELETED", "", "archive or ignore"},
	{`CRMSYNC_POLICY_CONTACT_crmsync_id=on_create`, "no_effect", e, "", "crmsync_id", "remove it"},
	// Quotes and comments of an env file.
	{`CONTACT_jobtitle=""Coach""`, "literal_quotes", e, "", "jobtitle", "outer pair"},
	{`CONTACT_jobtitle="user.role ?? """`, "literal_quotes", e, "", "jobtitle", "outer pair"},
	{`CONTACT_crmsync_deleted="deleted"`, "quoted_expression", e, "", "crmsync_deleted", "take the quotes away"},
	{`CRMSYNC_MAP_CONTACT="{"jobtitle":"user.role"}"`, "bad_value", e, "", "", "quotes around the JSON"},
	{`CRMSYNC_GIVE_UP_AFTER=24h # a day`, "bad_value", e, "", "", "line of its own"},
	{`CRMSYNC_HUBSPOT_TOKEN=pat-1 # ours`, "bad_value", e, "", "", "line of its own"},
	// The id field.
	{`CRMSYNC_HUBSPOT_ID_PROPERTY=crmsnyc_id`, "id_field", e, "", "crmsnyc_id", "did you mean crmsync_id?"},
	{`CRMSYNC_HUBSPOT_ID_PROPERTY=phone_no`, "id_field", e, "", "phone_no", "plain text"},
	{`CRMSYNC_HUBSPOT_ID_PROPERTY=record_no`, "id_field", e, "", "record_no", "not unique"},
	{`CRMSYNC_HUBSPOT_ID_PROPERTY=sealed_no`, "id_field", e, "", "sealed_no", "cannot be written"},
}

// assignment takes a line of mistakes apart.
func assignment(line string) (variable, value string) {
	variable, value, _ = strings.Cut(line, "=")
	if !strings.HasPrefix(variable, "CRMSYNC_") {
		variable = "CRMSYNC_MAP_" + variable
	}
	return variable, value
}

// list runs check and returns its findings.
func list(t *testing.T) (all []finding, text string) {
	t.Helper()
	_, out, errOut := run(t, "check", "--json")
	for line := range strings.Lines(out) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s%s", err, line, errOut)
		}
		all = append(all, f)
	}
	return all, out
}

// Every mistake is found in one run with nothing that is none.
func TestCheck_FindsEachMistakeAndNothingElse(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Custom: customFields()})
	prepare(t)
	for _, m := range mistakes {
		t.Run(m.line, func(t *testing.T) {
			variable, value := assignment(m.line)
			t.Setenv(variable, value)
			found, text := list(t)
			if m.code == "id_field" { // of contacts: the other objects have no such field
				found = slices.DeleteFunc(found, func(f finding) bool { return f.Object != "contact" })
			}
			if m.variable != "" {
				variable = m.variable
			}
			if len(found) != 1 {
				t.Fatalf("got %d findings:\n%s", len(found), text)
			}
			f := found[0]
			if f.Code != m.code || f.Severity != m.severity || f.Variable != variable || f.Field != m.field || f.Remedy == "" ||
				!strings.Contains(f.Message+" "+f.Remedy, m.says) {
				t.Errorf("got %+v", f)
			}
		})
	}
}

// A mapping in which nothing is wrong gives no finding, the preset included.
func TestCheck_RightMapping(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Custom: customFields()})
	prepare(t)
	if found, text := list(t); len(found) > 0 {
		t.Errorf("the preset:\n%s", text)
	}
	for _, line := range rightMapping {
		t.Setenv(assignment(line))
	}
	if found, text := list(t); len(found) > 0 {
		t.Errorf("got\n%s", text)
	}
}

// elsewhereWrong are mistakes in other variables than those of fields: the CRM is asked
// all the same.
var elsewhereWrong = []mistake{
	{line: `CRMSYNC_LISTN_ADDR=:1`, code: "unknown_variable"},
	{line: `CRMSYNC_BATCH_SIZE=many`, code: "bad_value"},
	{line: `CRMSYNC_RATE_LIMIT=100`, code: "bad_value"},
	{line: `CRMSYNC_REQUEST_TIMEOUT=30`, code: "bad_value"},
	{line: `CRMSYNC_DURATION_UNIT=ms`, code: "bad_value"},
	{line: `CRMSYNC_TIME_ZONE=Berlin`, code: "bad_value"},
	{line: `CRMSYNC_POLICY_CONTACT_jobtitle=ifempty`, code: "bad_value"},
	{line: `CRMSYNC_POLICY_CONTACT_jobtitel=if_empty`, code: "no_effect"},
	{line: `CRMSYNC_FILTER_CALL=durationSeconds(call)`, code: "expression"},
	{line: `CRMSYNC_FILTER_USER=user.streak > 3`, code: "expression_fails"},
	{line: `CRMSYNC_SALESFORCE_CLIENT_ID=x`, code: "other_crm"},
}

// All mistakes that do not hide each other are told in one run, whatever kind
// they are of, and nothing beside them.
func TestCheck_AllMistakesInOneRun(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Custom: customFields()})
	prepare(t)
	want, set := map[string]string{}, map[string]bool{}
	for _, m := range slices.Concat(mistakes, elsewhereWrong) {
		variable, value := assignment(m.line)
		// topics is at fault in two ways, a wrong id field on each of the objects,
		// and the JSON and some policies are at odds with other mistakes.
		odd := variable == "CRMSYNC_MAP_ACTIVITY_topics" || variable == "CRMSYNC_MAP_CONTACT" || strings.HasPrefix(variable, "CRMSYNC_POLICY_") && m.variable != ""
		if set[variable] || m.code == "id_field" || odd {
			continue
		}
		set[variable] = true
		t.Setenv(variable, value)
		if m.variable != "" {
			variable = m.variable
		}
		want[variable] = m.code
	}
	if len(want) < 40 {
		t.Fatalf("only %d mistakes", len(want))
	}
	found, text := list(t)
	got := map[string]string{}
	for _, f := range found {
		if _, twice := got[f.Variable]; twice {
			t.Errorf("%s is told twice", f.Variable)
		}
		got[f.Variable] = f.Code
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d findings for %d mistakes:\n%s\nwant %s", len(found), len(want), text, fmt.Sprint(want))
	}
}

// What cannot be read of a mapping hides none of the other mistakes, and is not
// taken for fields that are not mapped.
func TestCheck_MappingThatIsReadInPart(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Custom: customFields()})
	prepare(t)
	t.Setenv("CRMSYNC_MAP_CONTACT", `{"jobtitle": "user.role"`)
	t.Setenv("CRMSYNC_POLICY_CONTACT_jobtitle", "if_empty")
	for _, line := range []string{
		`CONTACT_email=`, `CONTACT_firstname=`, `CONTACT_lastname=`, `CONTACT_crmsync_deleted=`, // may be in the JSON
		`CONTACT_fristname=user.name`, `COMPANY_name=`,
	} {
		t.Setenv(assignment(line))
	}
	var got []string
	found, _ := list(t)
	for _, f := range found {
		got = append(got, f.Variable+" "+f.Code)
	}
	want := []string{
		"CRMSYNC_MAP_CONTACT bad_value",
		"CRMSYNC_MAP_CONTACT_fristname unknown_field",
		"CRMSYNC_MAP_COMPANY_name required_field",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Nothing is wrong with the recipes of the README but that their fields have to
// be made.
func TestCheck_Cookbook(t *testing.T) {
	useHubSpotWith(t, sandbox.Options{Custom: customFields()})
	prepare(t)
	for _, r := range readCookbook(t).recipes {
		t.Run(r.title, func(t *testing.T) {
			for line := range strings.Lines(r.env) {
				t.Setenv(assignment(strings.TrimSuffix(line, "\n")))
			}
			found, _ := list(t)
			for _, f := range found {
				if f.Code != "unknown_field" {
					t.Errorf("got %+v", f)
				}
			}
			if _, out, _ := run(t, "check", "--offline"); out != "Everything is fine.\n" { // also where the field hides it above
				t.Errorf("offline:\n%s", out)
			}
		})
	}
}

// The README shows what a person reads.
func TestCheck_ReadsAsTheREADMESays(t *testing.T) {
	useHubSpot(t)
	prepare(t)
	for _, line := range []string{
		`CONTACT_fristname=user.name`, `CONTACT_jobtitle=Sales Rep`, `CONTACT_lifecyclestage="Customer"`,
		`CONTACT_hubspot_owner_id=user.email`, `ACTIVITY_hs_call_duration=durationSeconds(call)`,
	} {
		t.Setenv(assignment(line))
	}
	_, out, _ := run(t, "check")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```\n$ crmsync check\n"+out+"```\n") {
		t.Errorf("README.md does not show\n%s", out)
	}
}
