package connector

import (
	"strings"
	"testing"

	"crmsync/crm"
)

func TestScrub(t *testing.T) {
	fields := crm.Fields{
		"email": "Jonas.Weber@sales.example", "name": "Jonas Weber", "lastname": "Weber", "role": "rep",
		"deleted": false, "tags": []string{"Night shift", "x"}, "score": 12345.5,
	}
	for _, tt := range []struct{ name, message, want string }{
		{"a value", `Property "name" was "Jonas Weber"`, `Property "name" was "‹name›"`},
		{"in another case", "JONAS WEBER is taken", "‹name› is taken"},
		{"the longest first", "Jonas Weber, Weber", "‹name›, ‹lastname›"},
		{"a list's member", "night SHIFT is no option", "‹tags› is no option"},
		{"a number", "12345.5 is too large", "‹score› is too large"},
		{"short values stay", "rep is no option", "rep is no option"},
		{"booleans stay", `"isValid":false`, `"isValid":false`},
		{"an address that is not mapped", "held by <mia@x.example>, ok", "held by <‹email›>, ok"},
		{"a letter whose case changes its length", "İstanbul Jonas Weber", "İstanbul ‹name›"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := scrub(tt.message, fields); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("Jonas Weber is taken", "Jonas Weber")
	f.Add("İ", "İİ")
	f.Fuzz(func(t *testing.T, message, value string) {
		got := scrub(message, crm.Fields{"f": value})
		if len(value) >= scrubLeast && strings.Contains(got, value) && !strings.Contains("‹f›‹email›", value) &&
			!strings.ContainsAny(value, "‹›@") && !strings.Contains(value, "email") {
			t.Errorf("%q is left in %q", value, got)
		}
	})
}
