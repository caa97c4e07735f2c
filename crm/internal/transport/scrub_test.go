package transport

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestScrub(t *testing.T) {
	s := newScrubber([]string{token, "", "ab", token + "-long"})
	for text, want := range map[string]string{
		"Contact already exists. Existing ID: 58817":  "Contact already exists. Existing ID: 58817",
		`Email address jonas@x.example is invalid`:    `Email address ‹email› is invalid`,
		`{"email":"jonas.weber+a@x.example"}`:         `{"email":"‹email›"}`,
		"jonas%40x.example":                           "‹email›",
		`jonas\u0040x.example`:                        `‹email›`,
		"bearer " + token + " expired":                "bearer ‹secret› expired",
		"bearer " + token + "-long expired":           "bearer ‹secret› expired",
		"two: a@b.example,c@d.example":                "two: ‹email›,‹email›",
		"ab stays: too short to be a secret":          "ab stays: too short to be a secret",
		"Existing ID 1, see https://x/?email=a@b.com": "Existing ID 1, see https://x/",
	} {
		if got := s.scrub(text); got != want {
			t.Errorf("scrub(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestScrub_LeavesNothingAndStaysShort(t *testing.T) {
	s := newScrubber([]string{token})
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.SliceOf(rapid.OneOf(
			rapid.String(), rapid.Just(token), rapid.Just("a.b@c.example"), rapid.Just("%40"), rapid.Just(strings.Repeat("é", 1000)),
		)).Draw(rt, "parts")
		text := strings.ToValidUTF8(strings.Join(parts, ""), "")
		got := s.scrub(text)
		if strings.ContainsAny(got, "@") || strings.Contains(got, "%40") || strings.Contains(got, token) {
			rt.Fatalf("scrub(%q) = %q", text, got)
		}
		if len(got) > maxMessage || !utf8.ValidString(got) {
			rt.Fatalf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	})
}
