package mapping

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "ab", 0}, {"ab", "ba", 1}, {"abc", "ac", 1}, {"kitten", "sitting", 3}, {"hubpsot", "hubspot", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-d]{0,6}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance = %d", d)
		}
	})
}

func TestNearest_DoesNotDependOnTheOrder(t *testing.T) {
	for _, candidates := range [][]string{{"calls", "calla"}, {"calla", "calls"}} {
		if got := Nearest("callx", candidates); got != "calla" {
			t.Errorf("got %s of %v", got, candidates)
		}
	}
}

func TestNearest_BoundsItsWork(t *testing.T) {
	if got := Nearest(strings.Repeat("A", maxWord+1), []string{strings.Repeat("A", maxWord)}); got != "" {
		t.Errorf("got %q for a word that is too long", got)
	}
}
