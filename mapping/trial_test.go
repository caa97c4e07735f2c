package mapping

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

// trial compiles one expression of an object and tries it.
func trial(t *testing.T, o crm.Object, source string) Trial {
	t.Helper()
	m, err := New(Config{Fields: map[crm.Object]map[string]Expression{o: {"f": {Source: source, Variable: "V"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return m.Trials(o)["f"]
}

func TestTrials_ConstantsThatMayBeTheResult(t *testing.T) {
	for source, want := range map[string][]any{
		`"a"`:                               {"a"},
		`user.role == "x" ? "a" : ("b")`:    {"a", "b"},
		`user.role ?? (user.status ?? "a")`: {"a"},
		`let x = "no"; x == "n" ? 1 : -2.5`: {int64(1), -2.5},
		`-3`:                                {int64(-3)},
		`true`:                              {true},
		`["a", "b"]`:                        {[]string{"a", "b"}},
		`lower("a")`:                        nil,
		`user.name + "a"`:                   nil,
		`["a", user.name]`:                  nil,
	} {
		if diff := cmp.Diff(want, trial(t, crm.Contact, source).Constants); diff != "" {
			t.Errorf("%s:\n%s", source, diff)
		}
	}
	for source, want := range map[string]bool{"user.role == 'x' ? nil : 1": true, "user.name": false, "user.role == nil ? 1 : 2": false} {
		if got := trial(t, crm.Contact, source).Nil; got != want {
			t.Errorf("%s: nil: %v", source, got)
		}
	}
}

func TestTrials_ExpressionInQuotes(t *testing.T) {
	for source, want := range map[string]bool{
		`"user.name"`: true, `"owner(user.email)"`: true, `'upper("x")'`: true,
		`"deleted"`: true, `"user"`: false, `"SALES"`: false, `"user.nmae"`: false, `user.name`: false, `"hs.x"`: false,
	} {
		if got := trial(t, crm.Contact, source).Quoted; got != want {
			t.Errorf("%s: got %v", source, got)
		}
	}
}

func TestTrials_Outcomes(t *testing.T) {
	got := trial(t, crm.Contact, "user.streak + 1").Outcomes
	if len(got) != 4 || got[0].Value != 5.0 || got[2].Value != nil || got[2].Error == "" || !got[2].Sparse || got[3].Value != 5.0 {
		t.Errorf("got %+v", got)
	}
	if got := trial(t, crm.Activity, "owner(user.email)"); !got.Owner || got.Raw || got.Outcomes[0].Value != "1" || got.Outcomes[1].Value != nil {
		t.Errorf("got %+v", got)
	}
	for source, want := range map[string]bool{"raw.x": true, "call.title": false} {
		if got := trial(t, crm.Activity, source).Raw; got != want {
			t.Errorf("%s: reads raw: %v", source, got)
		}
	}
	if got := trial(t, crm.Company, "org.name").Outcomes[0]; got.Value == nil || got.Sparse || got.Name == "" {
		t.Errorf("got %+v", got)
	}
}

// What is typical fits where it is meant to be, or no default could be right.
func TestSamples_OfACallAreOfItsLength(t *testing.T) {
	plain, _ := trial(t, crm.Activity, "transcript(call)").Outcomes[0].Value.(string)
	html, _ := trial(t, crm.Activity, "transcriptHTML(call)").Outcomes[0].Value.(string)
	if n := utf8.RuneCountInString(plain); n < 50_000 || n > 65_000 {
		t.Errorf("the transcript has %d characters", n)
	}
	if n := utf8.RuneCountInString(html); n < 66_000 {
		t.Errorf("the transcript in HTML has %d characters", n)
	}
}

// Every member that an expression can name has a value in some sample.
func TestSamples_AreComplete(t *testing.T) {
	for o, typ := range map[crm.Object]reflect.Type{
		crm.Activity: reflect.TypeFor[Call](), crm.Contact: reflect.TypeFor[User](), crm.Company: reflect.TypeFor[Org](),
	} {
		of := strings.ToLower(typ.Name())
		for _, name := range members(typ) {
			source := of + "." + name + " != nil"
			if got := trial(t, o, source).Outcomes[0].Value; got != true {
				t.Errorf("%s.%s has no value", of, name)
			}
		}
	}
}

func TestMapper_Marks(t *testing.T) {
	for source, want := range map[string]bool{
		"deleted": true, `deleted ? "gone" : user.status`: true, "event.type": true, "user.status": false, `"x"`: false,
	} {
		m, err := New(Config{Fields: map[crm.Object]map[string]Expression{crm.Contact: {"a": {Source: "user.name"}, "f": {Source: source}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Marks(crm.Contact); got != want {
			t.Errorf("%s: got %v", source, got)
		}
	}
}

func TestMapper_OwnerLookups(t *testing.T) {
	m, err := New(Config{
		Fields: map[crm.Object]map[string]Expression{
			crm.Contact:  {"a": {Source: "user.name", Variable: "A"}},
			crm.Activity: {"o": {Source: "owner(user.email)", Variable: "O"}},
		},
		Filters: map[Kind]Expression{KindUser: {Source: "owner(user.email) != nil", Variable: "F"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []OwnerLookup{{crm.Activity, "o", "O"}, {crm.Contact, "", "F"}}
	if diff := cmp.Diff(want, m.OwnerLookups()); diff != "" {
		t.Error(diff)
	}
	if !m.UsesOwner(crm.Contact) || !m.UsesOwner(crm.Activity) || m.UsesOwner(crm.Company) {
		t.Error("the objects that depend on owners are others")
	}
}
