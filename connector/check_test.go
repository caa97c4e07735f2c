package connector

import (
	"strings"
	"testing"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
)

// checkOf is a Check of one contact field and the name.
func checkOf(t *testing.T, field, source string) Check {
	t.Helper()
	m, err := mapping.New(mapping.Config{Fields: Expressions{crm.Contact: {
		field:   {Source: source, Variable: "CRMSYNC_MAP_CONTACT_" + field},
		"added": {Source: "deleted"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return Check{Mapper: m, IDField: "id", IDVariable: "ID", UserDeleted: DeleteMark}
}

// schemaWith is a schema of contacts in which all is well, and then changed.
func schemaWith(change func(*crm.Schema)) *crm.Schema {
	s := &crm.Schema{Object: crm.Contact, Name: "contacts", Fields: map[string]crm.Field{
		"id":    {Name: "id", Kind: crm.FieldText, Unique: true},
		"f":     {Name: "f", Kind: crm.FieldText, MaxLength: 100},
		"added": {Name: "added", Kind: crm.FieldBool},
	}}
	if change != nil {
		change(s)
	}
	return s
}

func withField(name string, f crm.Field) func(*crm.Schema) {
	return func(s *crm.Schema) { s.Fields[name] = f }
}

// What stops every record pauses the object while the connector runs, in the
// words of check; what may be wrong with some records does not.
func TestCheck_StopsOnlyForWhatNoRecordSurvives(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*crm.Schema)
		want   string // code; "" for none
	}{
		"nothing":             {nil, ""},
		"field gone":          {func(s *crm.Schema) { delete(s.Fields, "f") }, CodeUnknownField},
		"field sealed":        {withField("f", crm.Field{Kind: crm.FieldText, ReadOnly: true}), CodeReadOnlyField},
		"id gone":             {func(s *crm.Schema) { delete(s.Fields, "id") }, CodeIDField},
		"id sealed":           {withField("id", crm.Field{Kind: crm.FieldText, Unique: true, ReadOnly: true}), CodeIDField},
		"id not unique":       {withField("id", crm.Field{Kind: crm.FieldText}), CodeIDField},
		"id of another kind":  {withField("id", crm.Field{Kind: crm.FieldNumber, Unique: true}), CodeIDField},
		"required, not there": {withField("must", crm.Field{Required: true}), CodeRequiredField},
		"one of, not there":   {func(s *crm.Schema) { s.AnyOf = []string{"x", "y"} }, CodeRequiredField},
		"one of, there":       {func(s *crm.Schema) { s.AnyOf = []string{"x", "f"} }, ""},
		"another kind":        {withField("f", crm.Field{Kind: crm.FieldNumber}), ""},
		"too short":           {withField("f", crm.Field{Kind: crm.FieldText, MaxLength: 1}), ""},
	} {
		schema := schemaWith(tt.change)
		check := checkOf(t, "f", "user.name ?? \"\"")
		stopping, codes := "", []string{}
		for _, f := range check.stopping(schema) {
			stopping += f.Code
		}
		for _, f := range check.Object(crm.Contact, schema) {
			codes = append(codes, f.Code)
		}
		if stopping != tt.want || !strings.Contains(strings.Join(codes, " "), tt.want) {
			t.Errorf("%s: stops for %q, found %v, want %q", name, stopping, codes, tt.want)
		}
	}
}

// A field whose expression cannot be read is mapped all the same.
func TestCheck_BrokenExpressionsAreMapped(t *testing.T) {
	check := checkOf(t, "f", "user.name")
	check.Broken = Expressions{crm.Contact: {"must": {Source: "user.", Variable: "M"}, "nam": {Source: "(", Variable: "N"}}}
	found := check.Object(crm.Contact, schemaWith(func(s *crm.Schema) {
		s.Fields["must"], s.Fields["name"] = crm.Field{Required: true}, crm.Field{}
	}))
	if len(found) != 1 || found[0].Variable != "N" || found[0].Code != CodeUnknownField || !strings.Contains(found[0].Remedy, "did you mean name?") {
		t.Errorf("got %+v", found)
	}
}

func TestRefuses(t *testing.T) {
	day := time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)
	multi := crm.Field{Kind: crm.FieldMulti, Options: []string{"a", "b"}}
	for name, tt := range map[string]struct {
		field crm.Field
		value any
		want  string
	}{
		"unknown kind":             {crm.Field{}, []string{"a"}, ""},
		"text to the last":         {crm.Field{Kind: crm.FieldText, MaxLength: 4}, "ab😀", ""},
		"text too long by a half":  {crm.Field{Kind: crm.FieldText, MaxLength: 4}, "abc😀", CodeTooLong},
		"number in a text":         {crm.Field{Kind: crm.FieldText}, 7.5, ""},
		"list in formatted":        {crm.Field{Kind: crm.FieldFormatted}, []string{"a"}, CodeWrongType},
		"number as a text":         {crm.Field{Kind: crm.FieldNumber}, "7.50", ""},
		"number with an exponent":  {crm.Field{Kind: crm.FieldNumber}, "1e3", CodeWrongType},
		"number with commas":       {crm.Field{Kind: crm.FieldNumber}, "1,000", CodeWrongType},
		"bool as a text":           {crm.Field{Kind: crm.FieldBool}, "true", ""},
		"bool as a number":         {crm.Field{Kind: crm.FieldBool}, int64(1), CodeWrongType},
		"day":                      {crm.Field{Kind: crm.FieldDate}, "2026-03-02", ""},
		"midnight":                 {crm.Field{Kind: crm.FieldDate}, day, ""},
		"midnight in milliseconds": {crm.Field{Kind: crm.FieldDate}, day.UnixMilli(), ""},
		"past midnight":            {crm.Field{Kind: crm.FieldDate}, day.Add(time.Second), CodeWrongType},
		"time":                     {crm.Field{Kind: crm.FieldDateTime}, "2026-03-02T10:00:00Z", ""},
		"seconds":                  {crm.Field{Kind: crm.FieldDateTime}, day.Unix(), CodeWrongType},
		"fraction of a time":       {crm.Field{Kind: crm.FieldDateTime}, 1.5, CodeWrongType},
		"address":                  {crm.Field{Kind: crm.FieldEmail}, "a@b.example", ""},
		"address with a name":      {crm.Field{Kind: crm.FieldEmail}, "A <a@b.example>", CodeWrongType},
		"options not known":        {crm.Field{Kind: crm.FieldEnum}, "x", ""},
		"option of another case":   {crm.Field{Kind: crm.FieldEnum, Options: []string{"A"}}, "a", CodeNotAnOption},
		"two for one":              {crm.Field{Kind: crm.FieldEnum, Options: []string{"a", "b"}}, []string{"a", "b"}, CodeWrongType},
		"list of options":          {multi, []string{"b", "a"}, ""},
		"joined options":           {multi, "a;b", ""},
		"one that is not there":    {multi, "a;c", CodeNotAnOption},
		"empty list":               {multi, []string{}, ""},
		"owner":                    {crm.Field{Kind: crm.FieldOwner}, "77", ""},
		"address of an owner":      {crm.Field{Kind: crm.FieldOwner}, "a@b.example", CodeWrongType},
	} {
		got := ""
		if m := refuses(tt.field, tt.value); m != nil {
			got = m.code
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// A secret in the wrong variable is an expression, and findings do not show it.
func TestCheck_QuotesNoConstant(t *testing.T) {
	const secret = "pat-na1-4b1dfeed"
	for _, kind := range []crm.FieldKind{crm.FieldText, crm.FieldNumber, crm.FieldEnum, crm.FieldOwner, crm.FieldEmail, crm.FieldDate} {
		check := checkOf(t, "f", `'"`+secret+`"'`)
		check.Owners = []crm.Owner{}
		for _, source := range []string{`"` + secret + `"`, `'"` + secret + `"'`} {
			check.Mapper = checkOf(t, "f", source).Mapper
			field := crm.Field{Kind: kind, Options: []string{"x"}, MaxLength: 3}
			found := check.Object(crm.Contact, schemaWith(withField("f", field)))
			if len(found) != 1 || strings.Contains(found[0].Message+found[0].Remedy, "feed") {
				t.Errorf("kind %d: got %+v", kind, found)
			}
		}
	}
}
