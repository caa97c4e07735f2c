package connector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"crmsync/crm"
)

const (
	// scrubLeast is the shortest value that is looked for in messages: shorter
	// ones are in every sentence and give nobody away.
	scrubLeast = 4
	// scrubStart is the shortest beginning of a value that is: a CRM cuts what
	// it quotes.
	scrubStart = 10
	// scrubRun is the length of a piece from the middle of a value, of which
	// every scrubStep-th is looked for: all that is as long as both together is
	// found, and a phrase that a transcript and a message share by chance is not.
	scrubRun  = 16
	scrubStep = 8
)

var emailLike = regexp.MustCompile(`[^\s"'<>()\[\]{},;:=&‹›]+(?:@|%40|\\u0040|&#64;)[^\s"'<>()\[\]{},;:=&‹›]+`)

// scrub takes personal values out of a message from the CRM, before it is kept
// or shown (I8): the values of the records it is about, and whatever looks like
// an e-mail address, become the name of their field. A value is found in upper
// or lower case, escaped for JSON, HTML or a URL, and when only a part of it is
// quoted.
func scrub(message string, records ...crm.Fields) string {
	s := newScrubbing(message)
	for _, v := range personalValues(records) {
		for _, form := range quotedForms(v.text, message) {
			s.hide(form, v.field)
		}
	}
	return emailLike.ReplaceAllString(s.String(), "‹email›")
}

// personalValue is a text that must not be shown.
type personalValue struct{ text, field string }

// personalValues lists what is in the records, long values first: a short one
// may be a part of a long one.
func personalValues(records []crm.Fields) (values []personalValue) {
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
					values = append(values, personalValue{text, field})
				}
			}
		}
	}
	slices.SortFunc(values, func(a, b personalValue) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text), cmp.Compare(a.field, b.field))
	})
	return values
}

// quotedForms returns a text as message may quote it.
func quotedForms(text, message string) []string {
	forms := []string{text}
	if strings.ContainsAny(message, "%+") {
		forms = append(forms, url.QueryEscape(text), url.PathEscape(text))
	}
	if strings.Contains(message, "&") {
		forms = append(forms, html.EscapeString(text))
	}
	if strings.Contains(message, `\`) {
		plain := jsonForm(text, false)
		forms = append(forms, plain, jsonForm(text, true), inASCII(plain))
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

func jsonForm(text string, escapeHTML bool) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escapeHTML)
	_ = encoder.Encode(text) // a string always encodes
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}

// inASCII escapes the rest of a JSON string, as some servers do.
func inASCII(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case high == utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

// scrubbing is a message and which of its bytes are to be hidden.
type scrubbing struct {
	text   string
	folded string
	field  []string        // by byte; "" is shown
	runs   map[string]bool // of scrubRun bytes in folded
}

func newScrubbing(message string) *scrubbing {
	message = strings.ToValidUTF8(message, "\uFFFD")
	s := &scrubbing{text: message, folded: fold(message), field: make([]string, len(message)), runs: map[string]bool{}}
	for i := 0; i+scrubRun <= len(s.folded); i++ {
		s.runs[s.folded[i:i+scrubRun]] = true
	}
	return s
}

// fold returns s in lower case, every letter where it was.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); utf8.RuneLen(l) == utf8.RuneLen(r) {
			return l
		}
		return r
	}, s)
}

// hide marks what the message quotes of a value.
func (s *scrubbing) hide(value, field string) {
	value = fold(strings.ToValidUTF8(value, "\uFFFD"))
	if len(value) <= scrubStart {
		s.mark(value, value, field)
		return
	}
	s.mark(value[:scrubStart], value, field)
	seen := map[string]bool{} // a value may repeat itself
	for at := scrubStep; at+scrubRun <= len(value); at += scrubStep {
		if run := value[at : at+scrubRun]; s.runs[run] && !seen[run] {
			seen[run] = true
			s.mark(run, value, field)
		}
	}
}

// mark hides every place of a piece of a value, and of the value around it.
func (s *scrubbing) mark(piece, value, field string) {
	at := strings.Index(value, piece)
	for from := 0; ; {
		i := strings.Index(s.folded[from:], piece)
		if i < 0 {
			return
		}
		i += from
		start, end := i, i+len(piece)
		for before := at; before > 0 && start > 0 && value[before-1] == s.folded[start-1]; before-- {
			start--
		}
		for after := at + len(piece); after < len(value) && end < len(s.folded) && value[after] == s.folded[end]; after++ {
			end++
		}
		for k := start; k < end; k++ {
			s.field[k] = cmp.Or(s.field[k], field)
		}
		from = end
	}
}

// String returns the message with the names of fields in place of what is hidden.
func (s *scrubbing) String() string {
	var b strings.Builder
	for i, last := 0, ""; i < len(s.text); i++ {
		field := s.field[i]
		switch {
		case field == "":
			b.WriteByte(s.text[i])
		case field != last:
			b.WriteString("‹" + field + "›")
		}
		last = field
	}
	return strings.ToValidUTF8(b.String(), "") // a part may end inside a letter
}
