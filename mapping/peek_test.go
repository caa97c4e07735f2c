package mapping

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

func TestPeek(t *testing.T) {
	at := time.Date(2026, 11, 18, 15, 42, 9, 318204511, time.UTC)
	activity, contact := Lane{crm.Activity, "c"}, Lane{crm.Contact, "u"}
	tests := []struct {
		name string
		body string
		want Envelope
	}{
		{"call", `{"id":"e","type":"call.completed","timestamp":"2026-11-18T15:42:09.318204511","payload":{"call":{"id":"c","user":{"id":"u"}}}}`,
			Envelope{"e", "call.completed", at, "c", []Lane{activity, contact}}},
		{"payload first, user beside the call", `{"payload":{"user":{"id":"u"},"call":{"id":"c"}},"type":"call.completed","id":"e"}`,
			Envelope{ID: "e", Type: "call.completed", Key: "c", Lanes: []Lane{activity, contact}}},
		{"user without id", `{"type":"call.completed","payload":{"call":{"id":"c","user":{},"userId":"u"}}}`,
			Envelope{Type: "call.completed", Key: "c", Lanes: []Lane{activity}}},
		{"the type decides", `{"type":"user.updated","payload":{"user":{"id":"u"},"call":{"id":"c"},"org":{"id":"o"}}}`,
			Envelope{Type: "user.updated", Key: "u", Lanes: []Lane{contact}}},
		{"org in capitals", `{"type":"ORG.UPDATED","payload":{"org":{"id":"o"}}}`,
			Envelope{Type: "ORG.UPDATED", Key: "o", Lanes: []Lane{{crm.Company, "o"}}}},
		{"unknown type", `{"id":"e","type":"team.created","payload":{"user":{"id":"u"}}}`,
			Envelope{ID: "e", Type: "team.created"}},
		{"member names are case-sensitive", `{"type":"user.updated","TYPE":"x","payload":{"user":{"id":"u","Id":"x"}}}`,
			Envelope{Type: "user.updated", Key: "u", Lanes: []Lane{contact}}},
		{"the last of equal names wins", `{"type":"user.updated","payload":{"user":{"id":"x"}},"payload":{"user":{"id":7,"id":"u"}}}`,
			Envelope{Type: "user.updated", Key: "u", Lanes: []Lane{contact}}},
		{"the last payload replaces the first", `{"type":"user.updated","payload":{"user":{"id":"u"}},"payload":null}`,
			Envelope{Type: "user.updated"}},
		{"escapes", `{"\u0074ype":"user\u002eupdated","payload":{"user":{"na\"me":"}\\\"","id":"\u0075"}}}`,
			Envelope{Type: "user.updated", Key: "u", Lanes: []Lane{contact}}},
		{"bad id", `{"id":"a b","type":"x"}`, Envelope{Type: "x"}},
		{"bad members", `{"id":1,"type":[],"timestamp":{},"payload":"x"}`, Envelope{}},
		{"bad key", `{"type":"user.updated","payload":{"user":{"id":"` + strings.Repeat("k", 129) + `"}}}`, Envelope{Type: "user.updated"}},
		{"cut short", `{"id":"e","type":"user.updated","payload":{"user":{"id":"u"}`, Envelope{}},
		{"nested as deep as may be", `{"type":"user.updated","payload":{"user":{"id":"u"}},"x":` + nested(maxDepth-1) + `}`,
			Envelope{Type: "user.updated", Key: "u", Lanes: []Lane{contact}}},
		{"nested too deep", `{"type":"user.updated","payload":{"user":{"id":"u"}},"x":` + nested(maxDepth) + `}`, Envelope{}},
		{"array", `[{"id":"e"}]`, Envelope{}},
		{"empty", ``, Envelope{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Peek([]byte(tt.body))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// nested returns n empty arrays in each other.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// The scanner takes what encoding/json takes.
func TestScanner_grammar(t *testing.T) {
	for _, text := range []string{
		`{}`, ` { } `, `[]`, `[1,[2,{"a":[]}]]`, `0`, `-0`, `10`, `1.5`, `-1.5e+10`, `1E-2`, `true`, `false`, `null`, `""`, `"\\\u00e4\n"`, `"\ud800"`, "\"\xff\"", "[1\n,\t2\r]",
		``, ` `, `{`, `[`, `"`, `"\`, `"\u12"`, `"\u12x4"`, `"\u+123"`, `"\x"`, "\"\x01\"", "\"\n\"", `{]`, `[}`, `[,]`, `[1,]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a" 1}`,
		`{a:1}`, `{1:1}`, `01`, `-`, `+1`, `.5`, `1.`, `1e`, `1e+`, `- 1`, `tru`, `truer`, `nul`, `NaN`, `1 2`, `{}{}`, "{}\x00", "\x00", "\xef\xbb\xbf{}", `[` + "\f" + `]`,
		nested(maxDepth), nested(maxDepth + 1), strings.Repeat("[", maxDepth), strings.Repeat("[", maxDepth+1) + "tru",
		`{"payload":` + nested(maxDepth-1) + `}`, `{"payload":` + nested(maxDepth) + `}`, `{"payload":{"call":{"id"`, `{"payload":{"call":{"id":"x`, `{"id"x`, `{"id":"\`,
	} {
		checkGrammar(t, []byte(text))
	}
}

func checkGrammar(t *testing.T, text []byte) {
	t.Helper()
	want := json.Valid(text) && !tooDeep(text)
	s := scanner{b: text}
	if s.parts(); s.ended() != want {
		t.Errorf("%q: taken %t, want %t", text, !want, want)
	}
	s = scanner{b: text}
	tree := s.tree()
	if s.ended() != want {
		t.Errorf("%q: built %t, want %t", text, !want, want)
	}
	if !want {
		return
	}
	var decoded any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&decoded); err != nil || !reflect.DeepEqual(tree, decoded) {
		t.Errorf("%q: built %#v, want %#v, %v", text, tree, decoded, err)
	}
}

// tooDeep counts brackets outside of strings, before anything is built.
func tooDeep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// checkAgreement fails when Peek and Decode read different things from a body.
func checkAgreement(t *testing.T, body []byte) {
	t.Helper()
	checkGrammar(t, body)
	tree, bad := parseBody(body)
	if bad != "" {
		if lanes := Peek(body).Lanes; lanes != nil {
			t.Errorf("Peek finds %v in %q, of which Decode says that %s", lanes, body, bad)
		}
		return
	}
	if diff := cmp.Diff(partsOf(tree).envelope(), Peek(body)); diff != "" {
		t.Errorf("Peek differs from Decode about %q:\n%s", body, diff)
	}
}
