package transport

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxMessage = 4 << 10 // bytes of a CRM's message that are kept
	minSecret  = 4       // shorter texts would blank out ordinary words
)

// urlQuery finds the query of a URL: names, addresses, ids.
var urlQuery = regexp.MustCompile(`(https?://[^\s"'<>?]*)\?[^\s"'<>]*`)

// emailLike is deliberately greedy: a message may lose a word, never leak an
// address, however it is quoted or escaped.
var emailLike = regexp.MustCompile(`[^\s"'<>(),;:\[\]{}=?&/\\]*(?:@|%40|\\u0040)[^\s"'<>(),;:\[\]{}?&/\\]*`)

type scrubber struct{ secrets []string }

func newScrubber(secrets []string) scrubber {
	kept := slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < minSecret })
	// The longest first: one secret may be a part of another.
	slices.SortFunc(kept, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return scrubber{secrets: kept}
}

func (s scrubber) scrub(text string) string {
	text = urlQuery.ReplaceAllString(text, "$1")
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "‹secret›")
	}
	text = emailLike.ReplaceAllString(text, "‹email›")
	return cut(text, maxMessage)
}

// cut shortens s to at most n bytes on a rune boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
