package transport

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxMessage = 4 << 10 // bytes of a CRM's message that are kept
	minSecret  = 4       // shorter texts would blank out ordinary words
	maxIssued  = 16      // secrets issued while we run that are remembered: hours of them
)

// urlQuery finds the query of a URL: names, addresses, ids.
var urlQuery = regexp.MustCompile(`(https?://[^\s"'<>?]*)\?[^\s"'<>]*`)

// emailLike is deliberately greedy: a message may lose a word, never leak an
// address, however it is quoted or escaped.
var emailLike = regexp.MustCompile(`[^\s"'<>(),;:\[\]{}=?&/\\]*(?:@|%40|\\u0040)[^\s"'<>(),;:\[\]{}?&/\\]*`)

// scrubber knows what must not be shown. It is safe for concurrent use.
type scrubber struct {
	mu     sync.RWMutex
	fixed  []string // known from the start
	issued []string // since then, the latest last
	hidden []string // both as they may appear, the longest first
}

func newScrubber(secrets []string) *scrubber {
	s := &scrubber{fixed: secrets}
	s.hide()
	return s
}

// hide adds secrets to those that are not shown.
func (s *scrubber) hide(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		s.issued = slices.DeleteFunc(s.issued, func(known string) bool { return known == secret })
		s.issued = append(s.issued, secret)
	}
	s.issued = s.issued[max(0, len(s.issued)-maxIssued):]
	s.hidden = nil
	for _, secret := range slices.Concat(s.fixed, s.issued) {
		if len(secret) >= minSecret {
			s.hidden = append(s.hidden, secret, url.QueryEscape(secret)) // an answer may quote a form
		}
	}
	// One secret may be a part of another.
	slices.SortFunc(s.hidden, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	s.hidden = slices.Compact(s.hidden)
}

func (s *scrubber) scrub(text string) string {
	s.mu.RLock()
	hidden := s.hidden
	s.mu.RUnlock()
	text = urlQuery.ReplaceAllString(text, "$1")
	for _, secret := range hidden {
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
