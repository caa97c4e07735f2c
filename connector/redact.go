package connector

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"crmsync/crm"
)

// scrubLeast is the shortest value that is looked for in messages: shorter
// ones are in every sentence and give nobody away.
const scrubLeast = 4

var emailLike = regexp.MustCompile(`[^\s"'<>()\[\]{},;:=‹›]+@[^\s"'<>()\[\]{},;:=‹›]+`)

// scrub takes personal values out of a message from the CRM, before it is kept
// or shown (I8): the values of the records it is about, and whatever looks like
// an e-mail address, become the name of their field.
func scrub(message string, records ...crm.Fields) string {
	type value struct{ text, field string }
	var values []value
	for _, fields := range records {
		for field, v := range fields {
			var texts []string
			switch v := v.(type) {
			case bool: // gives nobody away, and stands in many messages
			case []string:
				texts = v
			default:
				texts = []string{fmt.Sprint(v)}
			}
			for _, text := range texts {
				if len(text) >= scrubLeast {
					values = append(values, value{text, field})
				}
			}
		}
	}
	// Long values first: a short one may be a part of a long one.
	slices.SortFunc(values, func(a, b value) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text), cmp.Compare(a.field, b.field))
	})
	for _, v := range values {
		message = replaceFold(message, v.text, "‹"+v.field+"›")
	}
	return emailLike.ReplaceAllString(message, "‹email›")
}

// replaceFold replaces old in s wherever it stands, in upper or lower case: a
// CRM may normalise a value before it quotes it.
func replaceFold(s, old, by string) string {
	lower, find := strings.ToLower(s), strings.ToLower(old)
	if len(lower) != len(s) || len(find) != len(old) {
		return strings.ReplaceAll(s, old, by) // folding moved the bytes
	}
	var b strings.Builder
	for {
		i := strings.Index(lower, find)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		b.WriteString(by)
		s, lower = s[i+len(find):], lower[i+len(find):]
	}
}
