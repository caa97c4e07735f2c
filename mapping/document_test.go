package mapping

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestScorecard(t *testing.T) {
	body := edited(t, "call.completed", change{"payload.call.analysis", []any{
		map[string]any{"analysisType": "general", "score": 7.4, "summary": "Good\nopening.", "actionItems": []string{"Send <it>"}, "products": []string{}},
		map[string]any{"score": 5},
		map[string]any{"summary": " "},
	}})
	ev := decoded(t, body)
	want := "general: score 7.4\nGood\nopening.\n\nAction items:\n- Send <it>\n\nAnalysis: score 5\n\nAnalysis"
	if got, _ := evaluate(t, ev, "scorecard(call)"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want = "<p><strong>general:</strong> score 7.4</p><p>Good<br>opening.</p><p><strong>Action items:</strong></p><ul><li>Send &lt;it&gt;</li></ul>" +
		"<p><strong>Analysis:</strong> score 5</p><p><strong>Analysis</strong></p>"
	if got, _ := evaluate(t, ev, "scorecardHTML(call)"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	ev = decoded(t, edited(t, "call.completed", change{"payload.call.analysis", []any{}}))
	for _, source := range []string{"scorecard(call)", "scorecardHTML(call)"} {
		if got, _ := evaluate(t, ev, source); got != "" {
			t.Errorf("%s without analyses: got %q, want an empty text", source, got)
		}
	}
}

func TestTranscript(t *testing.T) {
	turn := func(name, text any) map[string]any {
		return map[string]any{"speakerName": name, "prospectText": text}
	}
	ev := decoded(t, edited(t, "call.completed", change{"payload.call.transcript", []any{
		turn("Jonas Weber", "Hi & welcome"), turn("Marta Lindqvist", "Hello"), turn("Moderator", "One"), turn(nil, "Two"),
		turn("Jonas Weber", " "), turn("Jonas Weber", nil), turn("Jonas Weber", "Bye\u0000"),
	}}))
	want := "[Rep] Jonas Weber: Hi & welcome\n[AI prospect] Marta Lindqvist: Hello\nModerator: One\nTwo\n[Rep] Jonas Weber: Bye"
	if got, _ := evaluate(t, ev, "transcript(call)"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want = "<p><strong>[Rep] Jonas Weber:</strong> Hi &amp; welcome</p><p>(cut by 75 characters)</p>"
	if got, _ := evaluate(t, ev, "transcriptHTML(call, 100)"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

var (
	htmlTag  = regexp.MustCompile(`</?(p|strong|ul|li|br)>`)
	htmlNote = regexp.MustCompile(`<p>\(cut by (\d+) characters\)</p>$`)
)

// TestHTML_Limit checks for any document and limit: the limit holds, tags are
// balanced, entities whole, and what is missing is counted.
func TestHTML_Limit(t *testing.T) {
	texts := rapid.StringOfN(rapid.SampledFrom([]rune("ab <>&\"'ä👍\n;#")), 0, 30, -1)
	rapid.Check(t, func(rt *rapid.T) {
		var d document
		for range rapid.IntRange(0, 6).Draw(rt, "blocks") {
			d = append(d, block{
				label: texts.Draw(rt, "label"),
				text:  texts.Draw(rt, "text"),
				items: rapid.SliceOfN(texts, 0, 3).Draw(rt, "items"),
			})
		}
		full := visible(t, d.html(1<<30))
		limit := rapid.IntRange(0, 600).Draw(rt, "limit")
		out := d.html(limit)
		if n := utf8.RuneCountInString(out); n > limit {
			rt.Fatalf("%d characters, want at most %d", n, limit)
		}
		if out == "" {
			return
		}
		note := htmlNote.FindStringSubmatch(out)
		kept := visible(t, htmlNote.ReplaceAllString(out, ""))
		if !strings.HasPrefix(full, kept) {
			rt.Fatalf("%q is not the start of %q", kept, full)
		}
		missing := utf8.RuneCountInString(full) - utf8.RuneCountInString(kept)
		if note == nil && missing != 0 || note != nil && note[1] != strconv.Itoa(missing) {
			rt.Fatalf("note %q, but %d characters are missing", note, missing)
		}
	})
}

// visible returns the text of HTML and fails when a tag or entity is broken.
func visible(t *testing.T, s string) string {
	t.Helper()
	var open []string
	for _, m := range htmlTag.FindAllStringSubmatch(s, -1) {
		switch {
		case m[1] == "br":
		case strings.HasPrefix(m[0], "</"):
			if len(open) == 0 || open[len(open)-1] != m[1] {
				t.Fatalf("unbalanced: %s", s)
			}
			open = open[:len(open)-1]
		default:
			open = append(open, m[1])
		}
	}
	text := htmlTag.ReplaceAllStringFunc(s, func(tag string) string {
		if tag == "<br>" {
			return "\n"
		}
		return ""
	})
	if len(open) > 0 || strings.ContainsAny(text, `<>"'`) {
		t.Fatalf("broken: %s", s)
	}
	plain := html.UnescapeString(text)
	if strings.Count(text, "&") != strings.Count(plain, "&")+strings.Count(plain, "<")+strings.Count(plain, ">")+strings.Count(plain, `"`)+strings.Count(plain, "'") {
		t.Fatalf("broken entity: %s", s)
	}
	return plain
}
