package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
)

// TestStrict_Upsert has one refusal per row.
func TestStrict_Upsert(t *testing.T) {
	longText := strings.Repeat("x", 65537)
	many := make([]string, 101)
	for i := range many {
		many[i] = input(fmt.Sprint(i), fmt.Sprint("t", i), `"firstname":"x"`)
	}
	tests := []struct {
		name, object, body string
		words              []string
	}{
		{"body is not JSON", "contacts", `{"inputs":`, []string{"Invalid input JSON on line 1"}},
		{"body has more than one value", "contacts", inputs(input("a", "t", `"firstname":"x"`)) + `{}`, []string{"Invalid input JSON"}},
		{"body is an array", "contacts", `[]`, []string{"Invalid input JSON", "Array value"}},
		{"inputs missing", "contacts", `{}`, []string{"Some required fields were not set: [inputs]"}},
		{"inputs null", "contacts", `{"inputs":null}`, []string{"[inputs]"}},
		{"no inputs", "contacts", `{"inputs":[]}`, []string{"no inputs"}},
		{"unknown member", "contacts", `{"inputs":[],"colour":1}`, []string{"Unrecognized field", "colour"}},
		{"member in the wrong case", "contacts", `{"Inputs":[]}`, []string{"Unrecognized field", "Inputs"}},
		{"associations in an upsert", "contacts", `{"inputs":[{"idProperty":"crmsync_id","id":"a","properties":{"firstname":"x"},"associations":[]}]}`, []string{"Unrecognized field", "associations"}},
		{"id missing", "contacts", `{"inputs":[{"idProperty":"crmsync_id","properties":{}}]}`, []string{"not set: [id]"}},
		{"id empty", "contacts", inputs(input("", "t", `"firstname":"x"`)), []string{"id of an input is empty"}},
		{"id is a number", "contacts", `{"inputs":[{"idProperty":"crmsync_id","id":7,"properties":{}}]}`, []string{"Invalid input JSON", "Number value"}},
		{"properties missing", "contacts", `{"inputs":[{"idProperty":"crmsync_id","id":"a"}]}`, []string{"not set: [properties]"}},
		{"value is a number", "calls", inputs(input("a", "t", `"hs_call_duration":1200`)), []string{"Invalid input JSON", "Number value"}},
		{"value is a bool", "contacts", inputs(input("a", "t", `"firstname":true`)), []string{"Invalid input JSON", "Boolean value"}},
		{"value is null", "contacts", inputs(input("a", "t", `"firstname":null`)), []string{"Invalid input JSON", "Null value"}},
		{"value is a list", "contacts", inputs(input("a", "t", `"firstname":["x"]`)), []string{"Invalid input JSON", "Array value"}},
		{"same id twice", "contacts", inputs(input("a", "t1", `"firstname":"x"`), input("A", "t2", `"firstname":"y"`)), []string{"Duplicate IDs found in batch input", `"ids":["a"]`}},
		{"101 inputs", "contacts", inputs(many...), []string{"101 inputs, the maximum is 100"}},
		{"id property missing", "contacts", `{"inputs":[{"id":"a","properties":{"firstname":"x"}}]}`, []string{"non-unique"}},
		{"id property hs_object_id", "contacts", `{"inputs":[{"idProperty":"hs_object_id","id":"1","properties":{}}]}`, []string{"Unable to perform update/upsert by non-unique"}},
		{"id property domain", "companies", `{"inputs":[{"idProperty":"domain","id":"example.com","properties":{}}]}`, []string{"non-unique"}},
		{"id property not unique", "contacts", `{"inputs":[{"idProperty":"phone","id":"1","properties":{}}]}`, []string{"non-unique"}},
		{"id property unknown", "contacts", `{"inputs":[{"idProperty":"nope","id":"1","properties":{}}]}`, []string{"PROPERTY_DOESNT_EXIST", "nope"}},
		{"unknown object", "deals", inputs(input("a", "t", `"x":"y"`)), []string{"Unable to infer object type"}},
		{"unknown property", "contacts", inputs(input("a", "", `"fristname":"x"`)), []string{"PROPERTY_DOESNT_EXIST", `"propertyName":["fristname"]`, "Property values were not valid: [{"}},
		{"read-only property", "contacts", inputs(input("a", "", `"firstname":"x","hs_object_id":"5"`)), []string{"READ_ONLY_VALUE"}},
		{"option label for value", "calls", inputs(input("a", "", `"hs_timestamp":"1","hs_call_status":"Completed"`)), []string{"INVALID_OPTION"}},
		{"number with separators", "calls", inputs(input("a", "", `"hs_timestamp":"1","hs_call_duration":"1,200"`)), []string{"INVALID_NUMBER"}},
		{"number with exponent", "calls", inputs(input("a", "", `"hs_timestamp":"1","hs_call_duration":"1e3"`)), []string{"INVALID_NUMBER"}},
		{"bool in capitals", "contacts", inputs(input("a", "", `"firstname":"x","flag":"True"`)), []string{"INVALID_OPTION"}},
		{"date not at midnight", "contacts", inputs(input("a", "", `"firstname":"x","day":"2026-11-18T10:00:00Z"`)), []string{"INVALID_DATE"}},
		{"date in words", "contacts", inputs(input("a", "", `"firstname":"x","day":"18 November"`)), []string{"INVALID_DATE"}},
		{"time in words", "calls", inputs(input("a", "", `"hs_timestamp":"yesterday"`)), []string{"INVALID_DATE"}},
		{"time is missing", "calls", inputs(input("a", "", `"hs_call_title":"x"`)), []string{"required properties were not set", `"properties":["hs_timestamp"]`}},
		{"contact without a name", "contacts", inputs(input("a", "", `"phone":"1"`)), []string{"Error creating CONTACT"}},
		{"company without a name", "companies", inputs(input("a", "", `"city":"x"`)), []string{"Error creating COMPANY"}},
		{"address without a dot", "contacts", inputs(input("a", "", `"email":"ann@localhost"`)), []string{"INVALID_EMAIL"}},
		{"address with a name", "contacts", inputs(input("a", "", `"email":"Ann <ann@example.com>"`)), []string{"INVALID_EMAIL"}},
		{"text too long", "contacts", inputs(input("a", "", `"firstname":"`+longText+`"`)), []string{"PROPERTY_VALUE_TOO_LONG"}},
		{"owner unknown", "contacts", inputs(input("a", "", `"firstname":"x","hubspot_owner_id":"9"`)), []string{"INVALID_OWNER_ID"}},
		{"owner deactivated", "contacts", inputs(input("a", "", `"firstname":"x","hubspot_owner_id":"2"`)), []string{"INVALID_OWNER_ID"}},
		{"owner by user id", "contacts", inputs(input("a", "", `"firstname":"x","hubspot_owner_id":"77"`)), []string{"INVALID_OWNER_ID"}},
	}
	custom := keyed()
	custom["contacts"] = append(custom["contacts"], sandbox.Property{Name: "flag", Type: "bool"}, sandbox.Property{Name: "day", Type: "date"})
	a := open(t, sandbox.Options{Custom: custom, Owners: []sandbox.Owner{{ID: "1", UserID: 77}, {ID: "2", Archived: true}}})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := a.objects(test.object, "upsert", test.body)
			got.expect(t, 400, test.words...)
			got.expect(t, 400, `"status":"error"`, `"correlationId":"`+got.header.Get("X-HubSpot-Correlation-Id"))
		})
	}
	if a.Writes() != 0 {
		t.Errorf("refused requests had %d effects", a.Writes())
	}
}

func TestUpsert_AcceptsEveryFormat(t *testing.T) {
	custom := keyed()
	custom["calls"] = append(custom["calls"], sandbox.Property{Name: "flag", Type: "bool"}, sandbox.Property{Name: "day", Type: "date"},
		sandbox.Property{Name: "tags", Type: "enumeration", FieldType: "checkbox", Options: []sandbox.Option{{Value: "a"}, {Value: "b"}}})
	a := open(t, sandbox.Options{Custom: custom, Owners: []sandbox.Owner{{ID: "1"}}})
	a.objects("0-48", "upsert", inputs(
		input("a", "t1", `"hs_timestamp":"1795000000000","hs_call_duration":"-1.5","flag":"true","day":"2026-11-18","tags":"a;b","hubspot_owner_id":"1"`),
		input("b", "t2", `"hs_timestamp":"2026-11-18T15:42:11.100Z","hs_call_body":"`+strings.Repeat("x", 65536)+`","day":"1795046400000","flag":""`),
	)).expect(t, 200, `"results"`)
	records := a.Records("calls")
	if len(records) != 2 {
		t.Fatalf("got %d records, want 2", len(records))
	}
	for i, want := range []string{"2026-11-18T11:06:40Z", "2026-11-18T15:42:11.100Z"} { // answered in one form
		if got := records[i].Properties; got["hs_timestamp"] != want || got["day"] != []string{"2026-11-18", "2026-11-19"}[i] {
			t.Errorf("record %d: got %v, want the time %s", i, got["hs_timestamp"], want)
		}
	}
}

func TestPackedErrors_NameThePropertyInTheMessageOnly(t *testing.T) {
	a := open(t, sandbox.Options{PackedErrors: true})
	got := a.objects("contacts", "upsert", inputs(input("a", "", `"fristname":"x"`)))
	got.expect(t, 400, "PROPERTY_DOESNT_EXIST")
	if got.errors() != nil {
		t.Errorf("the errors are listed too: %s", got.text)
	}
}

func TestConflict_OnEmail(t *testing.T) {
	a := open(t, sandbox.Options{})
	holder := a.AddRecord("contacts", map[string]string{"email": "ann@example.com"})
	body := inputs(input("u1", "t1", `"email":"ANN@example.com"`))
	a.objects("contacts", "upsert", body).expect(t, 200, "CONFLICT", "Existing ID: "+holder, `"existingId":["`+holder+`"]`)
	a.objects("contacts", "upsert", strings.ReplaceAll(body, `"t1"`, `""`)).expect(t, 409, "CONFLICT")

	hidden := open(t, sandbox.Options{HideExistingID: true})
	holder = hidden.AddRecord("contacts", map[string]string{"email": "ann@example.com"})
	got := hidden.objects("contacts", "upsert", body)
	got.expect(t, 200, "CONFLICT")
	if strings.Contains(got.text, holder) {
		t.Errorf("the holder is named: %s", got.text)
	}
}

func TestConflict_OnFurtherAddressAndUniqueProperty(t *testing.T) {
	custom := keyed()
	custom["contacts"] = append(custom["contacts"], sandbox.Property{Name: "badge", HasUniqueValue: true})
	a := open(t, sandbox.Options{Custom: custom})
	a.AddRecord("contacts", map[string]string{"hs_additional_emails": "x@example.com;ann@example.com", "badge": "7"})
	a.objects("contacts", "upsert", inputs(input("u1", "", `"email":"ann@example.com"`))).expect(t, 409, "CONFLICT")
	a.objects("contacts", "upsert", inputs(input("u1", "", `"firstname":"x","badge":"7"`))).
		expect(t, 400, "CONFLICTING_UNIQUE_VALUE", `"propertyName":["badge"]`)
}

func TestArchived_RecordsFreeTheirValues(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.objects("contacts", "upsert", inputs(input("u1", "t", `"email":"ann@example.com"`))).expect(t, 200)
	id := a.Records("contacts")[0].ID
	archive := `{"inputs":[{"id":"` + id + `"},{"id":"404"}]}`
	a.objects("contacts", "archive", archive).expect(t, 204)
	writes := a.Writes()
	a.objects("contacts", "archive", archive).expect(t, 204)
	if a.Writes() != writes {
		t.Error("archiving twice counts twice")
	}
	read := `{"inputs":[{"id":"` + id + `"}],"properties":["email"],"propertiesWithHistory":[]}`
	a.objects("contacts", "read", read).expect(t, 200, "OBJECT_NOT_FOUND", `"results":[]`)
	a.must("POST", "/crm/objects/2026-09/contacts/batch/read?archived=true", read).expect(t, 200, "ann@example.com", `"archived":true`, `"archivedAt"`)
	a.objects("contacts", "upsert", inputs(input("u1", "t", `"email":"ann@example.com"`))).expect(t, 200, `"new":true`)
}

func TestErase_KeepsTheAddressOut(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.objects("contacts", "upsert", inputs(input("u1", "t", `"email":"ann@example.com"`))).expect(t, 200)
	a.Erase("Ann@example.com")
	if n := len(a.Records("contacts")); n != 0 {
		t.Fatalf("got %d records after the erasure", n)
	}
	a.objects("contacts", "upsert", inputs(input("u2", "t", `"email":"ann@example.com"`))).expect(t, 200, "blacklist", `"numErrors":1`)
}

func TestMerge_OldIDWorksInSingleRequestsOnly(t *testing.T) {
	a := open(t, sandbox.Options{})
	kept := a.AddRecord("contacts", map[string]string{"email": "ann@example.com"})
	gone := a.AddRecord("contacts", map[string]string{"email": "a.lee@example.com"})
	a.MergeRecord("contacts", gone, kept)
	a.must("PATCH", "/crm/objects/2026-09/contacts/"+gone, `{"properties":{"firstname":"Ann"}}`).expect(t, 200, `"id":"`+kept+`"`)
	a.objects("contacts", "update", `{"inputs":[{"id":"`+gone+`","objectWriteTraceId":"t","properties":{"firstname":"x"}}]}`).
		expect(t, 200, "OBJECT_NOT_FOUND", `"objectWriteTraceId":["t"]`)
	a.objects("contacts", "upsert", inputs(input("u", "", `"email":"a.lee@example.com"`))).expect(t, 409, kept)
}

func TestUpdate_TakesRecordIDsOnly(t *testing.T) {
	a := open(t, sandbox.Options{})
	id := a.AddRecord("contacts", map[string]string{"firstname": "Ann"})
	a.objects("contacts", "update", `{"inputs":[{"id":"`+id+`","idProperty":"email","properties":{}}]}`).expect(t, 400, "idProperty")
	// One error names all missing records, and none of them fails the batch.
	a.objects("contacts", "update", `{"inputs":[{"id":"`+id+`","properties":{"firstname":"Bea"}},{"id":"8","properties":{}},{"id":"9","properties":{}}]}`).
		expect(t, 200, `"numErrors":1`, `"ids":["8","9"]`, "Bea")
	a.objects("contacts", "update", `{"inputs":[{"id":"8","properties":{}},{"id":"8","properties":{}}]}`).expect(t, 400, "Duplicate IDs")
}

func TestRead_ByUniqueProperty(t *testing.T) {
	a := open(t, sandbox.Options{})
	id := a.AddRecord("contacts", map[string]string{"email": "ann@example.com", "firstname": "Ann"})
	read := func(idProperty string) string {
		return `{"inputs":[{"id":"ANN@example.com"},{"id":"bob@example.com"}],"properties":["firstname","crmsync_id"],"propertiesWithHistory":[],"idProperty":"` + idProperty + `"}`
	}
	a.objects("contacts", "read", read("email")).expect(t, 200, `"id":"`+id+`"`, `"firstname":"Ann"`, `"crmsync_id":null`, `"ids":["bob@example.com"]`)
	a.objects("contacts", "read", read("firstname")).expect(t, 400, "not a unique property")
	a.objects("contacts", "read", `{"inputs":[{"id":"1"}],"properties":[]}`).expect(t, 400, "not set: [propertiesWithHistory]")
	a.version = "v3"
	a.objects("contacts", "read", read("email")).expect(t, 207, "OBJECT_NOT_FOUND")
}

func TestRules_OfTheAdminBindSince202609(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.RequireProperty("contacts", "jobtitle")
	a.RequirePropertyWhen("contacts", "state", "country", "US")
	a.objects("contacts", "upsert", inputs(input("u", "", `"firstname":"x"`))).expect(t, 400, `"code":"MISSING_REQUIRED_PROPERTY"`, "jobtitle")
	a.objects("contacts", "upsert", inputs(input("u", "t", `"firstname":"x","jobtitle":"x","country":"US"`))).
		expect(t, 200, `"code":"MISSING_CONDITIONAL_REQUIRED_PROPERTY"`, `"propertyName":["state"]`, `"numErrors":1`)
	a.version = "v3"
	a.objects("contacts", "upsert", inputs(input("u", "", `"firstname":"x","country":"US"`))).expect(t, 200)
	a.version = "2026-09"
	a.DropRules("contacts")
	a.objects("contacts", "upsert", inputs(input("v", "", `"firstname":"x"`))).expect(t, 200)
}

func TestLifecycleStage_OnlyMovesForward(t *testing.T) {
	a := open(t, sandbox.Options{})
	stage := func(value string) string {
		a.objects("contacts", "upsert", inputs(input("u", "", `"firstname":"x","lifecyclestage":"`+value+`"`))).expect(t, 200)
		return a.Records("contacts")[0].Properties["lifecyclestage"]
	}
	for _, step := range [][2]string{{"customer", "customer"}, {"lead", "customer"}, {"", ""}, {"lead", "lead"}} {
		if got := stage(step[0]); got != step[1] {
			t.Errorf("after %q the stage is %q, want %q", step[0], got, step[1])
		}
	}
}

func TestCreate_WithInlineAssociations(t *testing.T) {
	a := open(t, sandbox.Options{})
	contact := a.AddRecord("contacts", map[string]string{"firstname": "Ann"})
	call := func(to string) string {
		return `{"inputs":[{"objectWriteTraceId":"t","properties":{"hs_timestamp":"1"},"associations":[{"to":{"id":"` + to + `"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":194}]}]}]}`
	}
	a.objects("calls", "create", call(contact)).expect(t, 201)
	a.objects("calls", "create", call("404")).expect(t, 201, "INVALID_IDENTIFIER", `"results":[]`)
	writes := a.Writes()
	untraced := strings.ReplaceAll(strings.TrimSuffix(call(contact), "]}"), `"objectWriteTraceId":"t",`, "")
	a.objects("calls", "create", untraced+`,{"properties":{}}]}`).expect(t, 400, "hs_timestamp")
	if a.Writes() != writes {
		t.Errorf("a refused batch counts as %d writes", a.Writes()-writes)
	}
	if got := len(a.Associations("calls", "contacts")); got != 1 || len(a.Records("calls")) != 1 {
		t.Errorf("got %d links and %d calls, want one each", got, len(a.Records("calls")))
	}
}

func TestSingleRequests(t *testing.T) {
	a := open(t, sandbox.Options{})
	path := "/crm/objects/2026-09/contacts"
	created := a.must("POST", path, `{"properties":{"email":"ann@example.com"}}`)
	created.expect(t, 201)
	id := fmt.Sprint(created.body["id"])
	a.must("POST", path, `{"properties":{"email":"ann@example.com"}}`).expect(t, 409, "Existing ID: "+id)
	a.must("GET", path+"/"+id+"?properties=email,jobtitle", "").expect(t, 200, "ann@example.com", `"jobtitle":null`)
	a.must("GET", path+"/ann@example.com?idProperty=email", "").expect(t, 200, id)
	a.must("PATCH", path+"/"+id, `{"properties":{"nonsense":"x"}}`).expect(t, 400, "PROPERTY_DOESNT_EXIST")
	a.must("DELETE", path+"/"+id, "").expect(t, 204)
	a.must("GET", path+"/"+id, "").expect(t, 404, "OBJECT_NOT_FOUND")
	a.must("PATCH", path+"/"+id, `{"properties":{}}`).expect(t, 404)
}

func TestList_Pages(t *testing.T) {
	a := open(t, sandbox.Options{})
	var want []string
	for i := range 25 {
		want = append(want, a.AddRecord("contacts", map[string]string{"firstname": fmt.Sprint(i)}))
	}
	var got []string
	after := "0"
	for range 5 {
		page := a.must("GET", "/crm/objects/2026-09/contacts?limit=10&after="+after, "")
		page.expect(t, 200)
		for _, r := range page.results() {
			got = append(got, fmt.Sprint(r["id"]))
		}
		paging, _ := page.body["paging"].(map[string]any)
		next, _ := paging["next"].(map[string]any)
		if next == nil {
			break
		}
		after = fmt.Sprint(next["after"])
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	a.must("GET", "/crm/objects/2026-09/contacts?limit=101", "").expect(t, 400, "between 1 and 100")
}
