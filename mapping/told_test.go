package mapping

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmsync/crm"
)

// Who is made the owner, and why, is part of what a mapping gives.
func TestMap_TellsHowAnOwnerWasFound(t *testing.T) {
	ev := decoded(t, example(t, "call.completed"))
	m := mapper(t, map[string]string{
		"activity.owner": "owner(user.email)", "activity.nobody": "owner(nil)", "activity.title": "call.title", "filter.call": `owner("Lead@b.example") != nil`,
	}, crm.Contact)
	const email = "jonas.weber@brightsales.example"
	at := func(field string) Lookup { return Lookup{Lane: Lane{crm.Activity, ev.Key}, Field: field} }
	for name, tt := range map[string]struct {
		owners                Owners
		filter, owner, nobody Lookup // without place
	}{
		"by address": {
			Owners{email: "77", "lead@b.example": "1"},
			Lookup{Email: "lead@b.example", ID: "1"}, Lookup{Email: email, ID: "77"}, Lookup{},
		},
		"by default": {
			Owners{"": "9", "lead@b.example": "9"},
			Lookup{Email: "lead@b.example", ID: "9"}, Lookup{Email: email, ID: "9", Default: true}, Lookup{ID: "9", Default: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for field, l := range map[string]*Lookup{"owner": &tt.owner, "nobody": &tt.nobody} {
				l.Lane, l.Field = at(field).Lane, field
			}
			want := []Lookup{tt.filter, tt.nobody, tt.owner} // fields by name
			if diff := cmp.Diff(want, m.Map(ev, tt.owners).Lookups); diff != "" {
				t.Errorf("lookups: -want +got\n%s", diff)
			}
		})
	}
	if got := m.Map(ev, nil); len(got.Lookups) > 0 {
		t.Errorf("without a table: %+v", got.Lookups)
	}
}

func TestMap_TellsWhatFiltersSaid(t *testing.T) {
	ev := decoded(t, example(t, "call.completed"))
	for source, want := range map[string]Verdict{
		"true":                  {Passes: true},
		`call.title == "other"`: {},
		`raw.x + 1 > 2`:         {Passes: true, Error: "a value is missing, or not of the kind that is needed here (1:7)"},
	} {
		m := mapper(t, map[string]string{"activity.title": "call.title", "filter.call": source, "filter.org": "false"})
		want.Kind, want.Source = KindCall, source
		got := m.Map(ev, nil).Verdicts
		ignored := cmpopts.IgnoreFields(Expression{}, "Variable")
		if diff := cmp.Diff([]Verdict{want}, got, ignored); diff != "" {
			t.Errorf("%s: -want +got\n%s", source, diff)
		}
	}
}
