package mapping

import "strings"

// maxWord bounds the work of Nearest: names come from outside.
const maxWord = 128

// Nearest returns the candidate that a person most likely meant by word, or ""
// when none is close. Case does not count.
func Nearest(word string, candidates []string) string {
	if len(word) > maxWord {
		return ""
	}
	word = strings.ToUpper(word)
	best, limit := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		d := distance(word, strings.ToUpper(c))
		if d < limit || d == limit && c < best { // the order of candidates does not matter
			best, limit = c, d
		}
	}
	return best
}

// distance counts the bytes to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}
