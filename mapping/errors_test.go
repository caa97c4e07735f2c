package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

func TestNew_Mistakes(t *testing.T) {
	tests := []struct {
		source     string
		message    string // part of it
		position   [2]int
		suggestion string
	}{
		{`user.emial`, "user has no field emial", [2]int{1, 6}, "email"},
		{`call.analysis[0].scroe`, "Analysis has no field scroe", [2]int{1, 18}, "score"},
		{`map(call.prospects, .nmae)`, "Prospect has no field nmae", [2]int{1, 22}, "name"},
		{`event.messageID`, "event has no field messageID", [2]int{1, 7}, "messageId"},
		{`call.duration`, "call has no field duration", [2]int{1, 6}, "stats.duration"},
		{`call.SCORE`, "call has no field SCORE", [2]int{1, 6}, "analysis[0].score"},
		{`call.email`, "call has no field email", [2]int{1, 6}, "user.email"},
		{`call.averageScore`, "call has no field averageScore", [2]int{1, 6}, "averageScore(call)"},
		{`user.firstname`, "user has no field firstname", [2]int{1, 6}, "firstName(user.name)"},
		{`title`, "unknown name title", [2]int{1, 1}, "call.title"},
		{`email`, "unknown name email", [2]int{1, 1}, "user.email"},
		{`duration`, "a function", [2]int{0, 0}, "call.stats.duration"},
		{`null`, "unknown name null", [2]int{1, 1}, "nil"},
		{`TRUE`, "unknown name TRUE", [2]int{1, 1}, "true"},
		{`call.zzzzzzzzzz`, "call has no field", [2]int{1, 6}, ""},
		{`usr.email`, "unknown name usr", [2]int{1, 1}, "user"},
		{`frstName(user.name)`, "unknown name frstName", [2]int{1, 1}, "firstName"},
		{`onwer(user.email)`, "unknown name onwer", [2]int{1, 1}, "owner"},
		{`lowercase`, "unknown name lowercase", [2]int{1, 1}, ""},
		{`user.name ??` + "\n" + `  usr.email`, "unknown name usr", [2]int{2, 3}, "user"},
		{`qualified`, "unknown name qualified: a text is written in double quotes", [2]int{1, 1}, ""},
		{`Sales Rep`, "a text is written in double quotes", [2]int{1, 7}, ""},
		{`user.role = "Manager" ? 1 : 2`, "a comparison is written ==", [2]int{1, 11}, ""},
		{`now()`, "now is not available", [2]int{1, 1}, ""},
		{`call.createdAt.Local().Format("15")`, "Local is not available", [2]int{1, 16}, ""},
		{`call.createdAt.UnmarshalText(b"2026")`, "UnmarshalText is not available", [2]int{1, 16}, ""},
		{`user.name +`, "unexpected token", [2]int{1, 11}, ""},
		{`"open`, "literal not terminated", [2]int{1, 6}, ""},
		{``, "unexpected token", [2]int{1, 1}, ""},
		{`user.streak > "3"`, "mismatched types number and string", [2]int{1, 13}, ""},
		{`firstName()`, "not enough arguments", [2]int{1, 1}, ""},
		{`firstName(user.name, 1)`, "too many arguments", [2]int{1, 1}, ""},
		{`firstName(3)`, "cannot use int", [2]int{1, 11}, ""},
		{`scorecard(user)`, "cannot use user as argument (type call)", [2]int{1, 11}, ""},
		{`isoDate(user.name)`, "cannot use string as argument (type time)", [2]int{1, 14}, ""},
		{`truncate(user.name)`, "not enough arguments", [2]int{1, 1}, ""},
		{`truncate(user.name, user.streak)`, "cannot use number", [2]int{1, 26}, ""},
		{`owner()`, "not enough arguments", [2]int{1, 1}, ""},
		{`lower(user.emial)`, "user has no field emial", [2]int{1, 12}, "email"},
		{`lower(user.name) + upper(truncate(user.nam, 3))`, "user has no field nam", [2]int{1, 40}, "name"},
		{`join(map(call.analysis, string(.scores)))`, "Analysis has no field scores", [2]int{1, 33}, "score"},
		{`max(user.strek)`, "user has no field strek", [2]int{1, 10}, "streak"},
		{`call.createdAt.Format(usr)`, "unknown name usr", [2]int{1, 23}, "user"},
		{`user.name.x`, "string has no field x", [2]int{1, 11}, ""},
		{`user`, "an object", [2]int{0, 0}, ""},
		{`raw`, "an object", [2]int{0, 0}, ""},
		{`call.analysis`, "a list of objects", [2]int{0, 0}, ""},
		{`call.createdAt - event.timestamp`, "a duration", [2]int{0, 0}, ""},
		{`"` + strings.Repeat("x", maxSource) + `"`, "longer than", [2]int{0, 0}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.source[:min(len(tt.source), 40)], func(t *testing.T) {
			_, err := New(config(map[string]string{"activity.f": tt.source}))
			e, ok := errors.AsType[*ExpressionError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(e.Message, tt.message) || strings.Contains(e.Error(), "mapping.") {
				t.Errorf("message %q, want %q", e.Message, tt.message)
			}
			if got := [2]int{e.Line, e.Column}; got != tt.position {
				t.Errorf("position %v, want %v", got, tt.position)
			}
			if e.Suggestion != tt.suggestion {
				t.Errorf("suggestion %q, want %q", e.Suggestion, tt.suggestion)
			}
			if e.Object != crm.Activity || e.Field != "f" || e.Variable != "CRMSYNC_MAP_ACTIVITY_f" || e.Source != tt.source {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// TestNew_HostileSources fails by a panic or an exhausted stack.
func TestNew_HostileSources(t *testing.T) {
	for _, source := range []string{
		strings.Repeat("(", 16000) + "1" + strings.Repeat(")", 16000),
		strings.Repeat("!", 30000) + "true",
		strings.Repeat("-", 9000) + "1",
		strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"raw" + strings.Repeat(".a", 4000),
		"1" + strings.Repeat("+1", 4000),
		strings.Repeat("map(", 3000) + "[1]" + strings.Repeat(", #)", 3000),
		"\x00", "\xff", "user.\u200bname",
	} {
		m, err := New(config(map[string]string{"company.f": source}))
		if err == nil {
			m.Map(decoded(t, example(t, "org.updated")), nil)
		}
	}
}

func TestNew_Filters(t *testing.T) {
	for source, good := range map[string]bool{
		`user.name`:           false,
		`user.streak`:         false,
		`call.analysis`:       false,
		`nil`:                 false,
		`user.streak > 3`:     true,
		`raw.flag`:            true,
		`not deleted`:         true,
		`user.email contains`: false,
	} {
		_, err := New(config(map[string]string{"filter.user": source}))
		if (err == nil) != good {
			t.Errorf("%s: %v", source, err)
		}
		if e, ok := errors.AsType[*ExpressionError](err); ok && (e.Variable != "CRMSYNC_FILTER_USER" || e.Object != "" || e.Field != "") {
			t.Errorf("%s: got %+v", source, e)
		}
	}
}

func TestNew_ReportsEverything(t *testing.T) {
	_, err := New(config(map[string]string{
		"contact.fristname": "user.nmae",
		"contact.email":     "user.email",
		"company.name":      "org.name +",
		"activity.title":    "call\n  .titel",
		"filter.call":       "call.title",
	}))
	got := err.Error()
	want := `CRMSYNC_MAP_CONTACT_fristname: type user has no field nmae; did you mean "name"? (1:6)
 | user.nmae
 | .....^
CRMSYNC_MAP_ACTIVITY_title: type call has no field titel; did you mean "title"? (2:4)
 |   .titel
 | ...^
CRMSYNC_MAP_COMPANY_name: unexpected token EOF (1:10)
 | org.name +
 | .........^
CRMSYNC_FILTER_CALL: gives a text, but a filter must be true or false
 | call.title`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if errs, ok := errors.AsType[Errors](err); !ok || len(errs) != 4 {
		t.Errorf("%T of %d", err, len(errs))
	}
}

// One variable, or one file, can hold the expressions of many fields.
func TestNew_NamesTheFieldOfACollection(t *testing.T) {
	c := config(nil)
	c.Fields[crm.Contact] = map[string]Expression{
		"first-name": {Source: "user.nmae", Variable: "CRMSYNC_MAP_CONTACT"},
		"self":       {Source: "user", Variable: "CRMSYNC_MAP_FILE"},
	}
	_, err := New(c)
	want := `CRMSYNC_MAP_CONTACT: contact field "first-name": type user has no field nmae; did you mean "name"? (1:6)
 | user.nmae
 | .....^
CRMSYNC_MAP_FILE: contact field "self": gives an object, which no CRM field can hold: choose a member of it
 | user`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
