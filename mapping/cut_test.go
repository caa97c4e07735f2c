package mapping

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmsync/crm"
)

func TestCut(t *testing.T) {
	body := edited(t, "call.completed", change{"payload.call.title", "Größe 😀 und mehr"},
		change{"payload.call.analysis", []any{map[string]any{"summary": "R&D", "products": []string{"abcdef", "gh"}}}})
	ev := decoded(t, body)
	whole := "<p><strong>Analysis</strong></p><p>R&amp;D</p><p><strong>Products:</strong></p><ul><li>abcdef</li><li>gh</li></ul>"
	for source, want := range map[string]int{ // 0: nothing is cut
		`truncate(call.title, 8)`:                         16,
		`call.title | truncate(8)`:                        16,
		`truncate(call.title, 0)`:                         16,
		`truncate(call.title, 16)`:                        0,
		`upper(truncate(call.title, 15)) + "!"`:           17,
		`"x" + (truncate(call.title, 3) ?? "")`:           17,
		`scorecardHTML(call, 60)`:                         utf8.RuneCountInString(whole),
		`scorecardHTML(call, 0)`:                          utf8.RuneCountInString(whole),
		`scorecardHTML(call, 1000)`:                       0,
		`scorecardHTML(call)`:                             0,
		`map(call.analysis[0].products, truncate(#, 3))`:  8,
		`len(truncate(call.title, 3))`:                    0, // a number
		`truncate(call.title, 3) == "Grö" ? "" : "other"`: 5,
		`truncate(raw.nothing, 3)`:                        0,
		`truncate(call.title, -1)`:                        0, // fails, and is withheld
		`call.title`:                                      0,
	} {
		got := mapper(t, map[string]string{"activity.f": source}).Cut(ev, nil)
		wanted := map[Lane]map[string]int{}
		if want > 0 {
			wanted[Lane{crm.Activity, callID}] = map[string]int{"f": want}
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s:\n%s", source, diff)
		}
	}
}

func TestCut_IsByRecord(t *testing.T) {
	m := mapper(t, with("activity.short", "truncate(user.name, 3)", "contact.short", "truncate(user.name, 5)", "contact.long", "truncate(user.name, 500)",
		"contact.owner", "truncate(owner(user.email), 2)"))
	got := m.Cut(decoded(t, example(t, "call.completed")), Owners{"jonas.weber@brightsales.example": "7788"})
	want := map[Lane]map[string]int{
		{crm.Activity, callID}: {"short": len("Jonas Weber")},
		{crm.Contact, repID}:   {"short": len("Jonas Weber"), "owner": 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := m.Cut(decoded(t, example(t, "org.updated")), nil); len(got) != 0 {
		t.Errorf("of a company nothing is cut: %v", got)
	}
	filtered := mapper(t, with("activity.short", "truncate(call.title, 3)", "filter.call", "false"))
	if got := filtered.Cut(decoded(t, example(t, "call.completed")), nil); len(got) != 0 {
		t.Errorf("of an event that is not written nothing is cut: %v", got)
	}
}

// TestCut_IsWhatATextHasMore cuts a text anywhere.
func TestCut_IsWhatATextHasMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name, most := rapid.StringN(0, 20, -1).Draw(rt, "name"), rapid.IntRange(0, 25).Draw(rt, "most")
		m := mapper(t, map[string]string{"contact.f": fmt.Sprintf("truncate(user.name, %d)", most)})
		ev := decoded(t, edited(t, "user.updated", change{"payload.user.name", name}))
		mapped := m.Map(ev, nil).Records[0].Fields["f"].(string)
		got, isCut := m.Cut(ev, nil)[Lane{crm.Contact, lenaID}]["f"]
		if isCut != (mapped != clean(name)) || isCut && got != utf8.RuneCountInString(clean(name)) {
			rt.Fatalf("%q in at most %d characters: cut of %d, %v", name, most, got, isCut)
		}
	})
}
