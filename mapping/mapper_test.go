package mapping

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmsync/crm"
)

var basic = map[string]string{
	"activity.title": "call.title",
	"contact.email":  "user.email",
	"contact.gone":   "deleted",
	"company.name":   "org.name",
}

// with returns basic and more sources.
func with(pairs ...string) map[string]string {
	sources := map[string]string{}
	for k, v := range basic {
		sources[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		sources[pairs[i]] = pairs[i+1]
	}
	return sources
}

func target(o crm.Object, key string) Target { return Target{Lane: Lane{o, key}} }

func onlyKnown(o crm.Object, key string) Target { return Target{Lane{o, key}, true} }

func TestMap_Records(t *testing.T) {
	activity := Record{
		Lane: Lane{crm.Activity, callID}, Verb: Completed,
		Fields:  crm.Fields{"title": "Discovery call with Marta Lindqvist"},
		Targets: []Target{target(crm.Contact, repID), target(crm.Company, orgID)},
	}
	snapshot := Record{
		Lane: Lane{crm.Contact, repID}, Verb: Completed, Snapshot: true,
		Fields:  crm.Fields{"email": "jonas.weber@brightsales.example", "gone": false},
		Targets: []Target{target(crm.Company, orgID)},
	}
	contact := func(v Verb) Record {
		return Record{
			Lane: Lane{crm.Contact, lenaID}, Verb: v,
			Fields:  crm.Fields{"email": "lena.okafor@brightsales.example", "gone": v == Deleted},
			Targets: []Target{target(crm.Company, orgID)},
		}
	}
	company := func(v Verb) Record {
		return Record{Lane: Lane{crm.Company, orgID}, Verb: v, Fields: crm.Fields{"name": "BrightSales GmbH"}}
	}
	m := mapper(t, basic)
	for file, want := range map[string][]Record{
		"call.completed": {activity, snapshot},
		"user.created":   {contact(Created)},
		"user.updated":   {contact(Updated)},
		"user.deleted":   {contact(Deleted)},
		"org.updated":    {company(Updated)},
		"org.deleted":    {company(Deleted)},
	} {
		if diff := cmp.Diff(Mapped{Records: want}, m.Map(decoded(t, example(t, file)), nil)); diff != "" {
			t.Errorf("%s:\n%s", file, diff)
		}
	}
}

func TestMap_TargetsOfCalls(t *testing.T) {
	tests := []struct {
		name    string
		changes []change
		sources map[string]string
		off     []crm.Object
		targets []Target
		records int
	}{
		{"user without id is linked by userId", []change{{"payload.call.user.id", absent{}}}, basic, nil,
			[]Target{target(crm.Contact, repID), target(crm.Company, orgID)}, 1},
		{"userId alone", []change{{"payload.call.user", absent{}}}, basic, nil,
			[]Target{target(crm.Contact, repID), target(crm.Company, orgID)}, 1},
		{"userId beside the call", []change{{"payload.call.user", absent{}}, {"payload.call.userId", absent{}}, {"payload.userId", "u2"}}, basic, nil,
			[]Target{target(crm.Contact, "u2"), target(crm.Company, orgID)}, 1},
		{"no user at all", []change{{"payload.call.user", absent{}}, {"payload.call.userId", absent{}}}, basic, nil,
			[]Target{target(crm.Company, orgID)}, 1},
		{"organisation of the user", []change{{"payload.call.orgId", absent{}}, {"payload.call.user.orgId", "o2"}}, basic, nil,
			[]Target{target(crm.Contact, repID), target(crm.Company, "o2")}, 2},
		{"organisation of the call first", []change{{"payload.call.orgId", "o1"}, {"payload.call.user.orgId", "o2"}}, basic, nil,
			[]Target{target(crm.Contact, repID), target(crm.Company, "o1")}, 2},
		{"organisation nowhere", []change{{"payload.call.orgId", ""}, {"payload.call.user.orgId", nil}}, basic, nil,
			[]Target{target(crm.Contact, repID)}, 2},
		{"companies off", nil, basic, []crm.Object{crm.Company}, []Target{target(crm.Contact, repID)}, 2},
		{"contacts off", nil, basic, []crm.Object{crm.Contact}, []Target{target(crm.Company, orgID)}, 1},
		{"user filtered", nil, with("filter.user", `user.role == "Admin"`), nil,
			[]Target{onlyKnown(crm.Contact, repID), target(crm.Company, orgID)}, 1},
		{"user passes", nil, with("filter.user", `user.role == "Sales Rep"`), nil,
			[]Target{target(crm.Contact, repID), target(crm.Company, orgID)}, 2},
		{"organisation filter does not concern calls", nil, with("filter.org", "false"), nil,
			[]Target{target(crm.Contact, repID), target(crm.Company, orgID)}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := decoded(t, edited(t, "call.completed", tt.changes...))
			out := mapper(t, tt.sources, tt.off...).Map(ev, nil)
			if len(out.Records) != tt.records || out.Skip != "" || len(out.Withheld) != 0 {
				t.Fatalf("got %+v, want %d records", out, tt.records)
			}
			if diff := cmp.Diff(tt.targets, out.Records[0].Targets); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMap_SkipsAndFilters(t *testing.T) {
	tests := []struct {
		name     string
		file     string
		sources  map[string]string
		off      []crm.Object
		skip     string
		filtered bool
		withheld int
	}{
		{"call, activities off", "call.completed", basic, []crm.Object{crm.Activity}, "object_off", false, 0},
		{"user, contacts off", "user.updated", basic, []crm.Object{crm.Contact}, "object_off", false, 0},
		{"org, companies off", "org.updated", basic, []crm.Object{crm.Company}, "object_off", false, 0},
		{"off comes before filtered", "org.updated", with("filter.org", "false"), []crm.Object{crm.Company}, "object_off", false, 0},
		{"call filtered", "call.completed", with("filter.call", "call.stats.duration > 1000"), nil, "filtered", false, 0},
		{"call passes", "call.completed", with("filter.call", "call.stats.duration > 10"), nil, "", false, 0},
		{"user filtered", "user.updated", with("filter.user", `user.status != "active"`), nil, "filtered", false, 0},
		{"user passes", "user.created", with("filter.user", `user.status != "active"`), nil, "", false, 0},
		{"org filtered", "org.updated", with("filter.org", `org.name contains "Acme"`), nil, "filtered", false, 0},
		{"deleted user filtered", "user.deleted", with("filter.user", "false"), nil, "", true, 0},
		{"deleted org filtered", "org.deleted", with("filter.org", "false"), nil, "", true, 0},
		{"deletion seen by the filter", "user.deleted", with("filter.user", "deleted"), nil, "", false, 0},
		{"other filters do not count", "user.updated", with("filter.org", "false", "filter.call", "false"), nil, "", false, 0},
		{"filter fails", "org.updated", with("filter.org", "raw.x + 1 > 2"), nil, "", false, 1},
		{"filter gives nil", "org.updated", with("filter.org", "raw.x"), nil, "", false, 1},
		{"filter gives a text", "org.updated", with("filter.org", "raw.type"), nil, "", false, 1},
		{"absent member is not equal", "org.updated", with("filter.org", `user.role == "Admin"`), nil, "filtered", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := mapper(t, tt.sources, tt.off...).Map(decoded(t, example(t, tt.file)), nil)
			if out.Skip != tt.skip || (len(out.Records) == 0) != (tt.skip != "") {
				t.Fatalf("got %+v, want skip %q", out, tt.skip)
			}
			if len(out.Records) > 0 && out.Records[0].Filtered != tt.filtered {
				t.Errorf("filtered %t, want %t", out.Records[0].Filtered, tt.filtered)
			}
			if len(out.Withheld) != tt.withheld {
				t.Errorf("withheld %+v, want %d", out.Withheld, tt.withheld)
			}
			for _, w := range out.Withheld {
				if w.Variable != "CRMSYNC_FILTER_ORG" || w.Error == "" {
					t.Errorf("withheld %+v", w)
				}
			}
		})
	}
}

func TestMap_FailingFieldIsWithheldAlone(t *testing.T) {
	m := mapper(t, with("contact.sum", "user.streak + 1"))
	ev := decoded(t, edited(t, "user.updated", change{"payload.user.streak", nil}))
	out := m.Map(ev, nil)
	want := []Withheld{{crm.Contact, "sum", "CRMSYNC_MAP_CONTACT_sum", "a value is missing, or not of the kind that is needed here (1:13)"}}
	if diff := cmp.Diff(want, out.Withheld); diff != "" {
		t.Error(diff)
	}
	if want := (crm.Fields{"email": "lena.okafor@brightsales.example", "gone": false}); !cmp.Equal(out.Records[0].Fields, want) {
		t.Errorf("fields %v, want %v", out.Records[0].Fields, want)
	}
}

func TestMap_Owners(t *testing.T) {
	ev := decoded(t, example(t, "call.completed"))
	m := mapper(t, with("activity.owner", "owner(user.email)", "contact.owner", `owner(upper(user.email)) ?? "none"`))
	tests := []struct {
		name   string
		owners Owners
		want   []any // of activity and contact
		misses []string
	}{
		{"found, whatever the case", Owners{"jonas.weber@brightsales.example": "77"}, []any{"77", "77"}, nil},
		{"missed once", Owners{}, []any{nil, "none"}, []string{"jonas.weber@brightsales.example"}},
		{"a CRM without owners", nil, []any{nil, "none"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := m.Map(ev, tt.owners)
			got := []any{out.Records[0].Fields["owner"], out.Records[1].Fields["owner"]}
			if !cmp.Equal(got, tt.want) || !cmp.Equal(out.OwnerMisses, tt.misses) {
				t.Errorf("got %v, misses %v, want %v, %v", got, out.OwnerMisses, tt.want, tt.misses)
			}
		})
	}
}

func TestMapper_NeedsOwners(t *testing.T) {
	for source, want := range map[string][]string{ // events that need the table
		"activity.o owner(user.email)":        {"call.completed"},
		"contact.o owner(user.email)":         {"call.completed", "user.updated"},
		"contact.o $env.owner(user.email)":    {"call.completed", "user.updated"},
		"company.o owner(raw.x)":              {"org.updated"},
		"filter.user owner(user.email) != ''": {"call.completed", "user.updated"},
		"filter.call owner(user.email) != ''": {"call.completed"},
		"contact.o user.email":                nil,
	} {
		name, expression, _ := strings.Cut(source, " ")
		m := mapper(t, with(name, strings.ReplaceAll(expression, "''", `""`)))
		var got []string
		for _, file := range []string{"call.completed", "user.updated", "org.updated"} {
			if m.NeedsOwners(decoded(t, example(t, file))) {
				got = append(got, file)
			}
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%s: needed by %v, want %v", source, got, want)
		}
	}
}

func TestMapper_Describes(t *testing.T) {
	m := mapper(t, with("contact.a", "1"), crm.Activity)
	if got, want := m.Fields(crm.Contact), []string{"a", "email", "gone"}; !cmp.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	if !m.Off(crm.Activity) || m.Off(crm.Contact) || m.Fields(crm.Activity) != nil || m.Expressions(crm.Activity) != nil {
		t.Error("only activities are off, and have no fields")
	}
	if got := m.Variable(crm.Contact, "email"); got != "CRMSYNC_MAP_CONTACT_email" {
		t.Errorf("variable %q", got)
	}
	if got := m.Variable(crm.Activity, "title"); got != "" {
		t.Errorf("variable of an object that is off: %q", got)
	}
	if got := m.Expressions(crm.Contact)["a"].Source; got != "1" {
		t.Errorf("expression %q", got)
	}
}

func TestMap_DurationUnit(t *testing.T) {
	// The transcript spans 425 s.
	for _, tt := range []struct {
		duration float64
		warning  string
	}{
		{431.5, ""}, {700, ""}, {3, ""}, {100, ""},
		{431500, "milliseconds"}, {7.2, "minutes"},
	} {
		ev := decoded(t, edited(t, "call.completed", change{"payload.call.stats.duration", tt.duration}))
		got := strings.Join(mapper(t, basic).Map(ev, nil).Warnings, "")
		if !strings.Contains(got, tt.warning) || (got == "") != (tt.warning == "") {
			t.Errorf("%v: warning %q, want %q", tt.duration, got, tt.warning)
		}
	}
	ev := decoded(t, edited(t, "call.completed", change{"payload.call.transcript", []any{}}, change{"payload.call.stats.duration", 1e9}))
	if got := mapper(t, basic).Map(ev, nil).Warnings; got != nil {
		t.Errorf("without a transcript: %q", got)
	}
}

func TestMap_ConcurrentUse(t *testing.T) {
	m := mapper(t, everyFeature)
	ev := decoded(t, example(t, "call.completed"))
	want := m.Map(ev, Owners{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got := m.Map(ev, Owners{}); !cmp.Equal(got, want) {
					t.Error(cmp.Diff(want, got))
				}
			}
		})
	}
	wg.Wait()
}

// TestMap_AnyMissingMembers removes, nulls or spoils any members of a call: the
// event is mapped or ends for its key or time, and nothing quotes a value.
func TestMap_AnyMissingMembers(t *testing.T) {
	m := mapper(t, everyFeature)
	original := example(t, "call.completed")
	rapid.Check(t, func(rt *rapid.T) {
		var tree any
		if err := json.Unmarshal(original, &tree); err != nil {
			rt.Fatal(err)
		}
		body, err := json.Marshal(spoil(rt, tree, "body"))
		if err != nil {
			rt.Fatal(err)
		}
		checkAgreement(t, body)
		ev, err := Decode(Delivery{MessageID: "msg_1", Body: body, ReceivedAt: received})
		if err != nil {
			if _, ok := errors.AsType[*EndedError](err); !ok {
				rt.Fatalf("%T", err)
			}
			return
		}
		out := m.Map(ev, Owners{})
		said := append(ev.Warnings, out.Warnings...)
		for _, w := range out.Withheld {
			said = append(said, w.Error)
			if w.Field != "number" && w.Field != "sum" && w.Field != "role" && w.Variable != "CRMSYNC_FILTER_CALL" {
				rt.Errorf("withheld %+v", w)
			}
		}
		checkSilence(t, body, strings.Join(said, "\n"))
		for _, r := range out.Records {
			checkValues(t, r)
		}
	})
}

// spoil returns v with some members gone or of another type.
func spoil(rt *rapid.T, v any, path string) any {
	if rapid.IntRange(0, 15).Draw(rt, path) == 0 && path != "body" {
		return rapid.SampledFrom([]any{nil, "unguessable text 4711", 7.25, true, []any{}, map[string]any{}}).Draw(rt, path+"=")
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sortedNames(v) {
			if rapid.IntRange(0, 15).Draw(rt, path+"."+name+" gone") == 0 {
				delete(v, name)
			} else {
				v[name] = spoil(rt, v[name], path+"."+name)
			}
		}
	case []any:
		for i := range v {
			v[i] = spoil(rt, v[i], path+"["+strconv.Itoa(i)+"]")
		}
	}
	return v
}
