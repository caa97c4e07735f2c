package hubspot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"crmsync/crm"
)

// maxText is HubSpot's limit for text, in characters; counted here in UTF-16
// units, the stricter of the possible readings.
// https://knowledge.hubspot.com/contacts/property-field-types-in-hubspot
const maxText = 65_536

// timeFormat is ISO 8601 in UTC with the milliseconds that HubSpot keeps.
const timeFormat = "2006-01-02T15:04:05.000Z"

// properties turns fields into what HubSpot reads: every value is a string.
func properties(fields crm.Fields) (map[string]string, *crm.Error) {
	props := make(map[string]string, len(fields)+1)
	for name, value := range fields {
		s, ok := format(value)
		if !ok {
			return nil, &crm.Error{
				Kind: crm.Invalid, Code: "unsupported_value", Field: name,
				Message: fmt.Sprintf("a value of type %T cannot be written", value),
			}
		}
		props[name] = shorten(s)
	}
	return props, nil
}

// Render implements crm.Renderer.
func (*Client) Render(_ crm.Object, field string, value any) (sent string, fullLength int, err error) {
	props, invalid := properties(crm.Fields{field: value})
	if invalid != nil {
		return "", 0, invalid
	}
	return props[field], cutLength(value), nil
}

// format renders one value of crm.Fields.
func format(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case time.Time:
		return v.UTC().Format(timeFormat), true
	case []string:
		return strings.Join(v, ";"), true
	}
	return "", false
}

// shorten cuts s to HubSpot's limit between two characters and says at the end
// how much is missing.
func shorten(s string) string {
	if len(s) <= maxText {
		return s // no more bytes than characters allowed
	}
	const room = 48 // for the note
	units, total, kept, end := 0, 0, 0, 0
	for i, r := range s {
		total++
		if units += max(1, utf16.RuneLen(r)); units <= maxText-room {
			kept, end = total, i+len(string(r))
		}
	}
	if units <= maxText {
		return s
	}
	return s[:end] + fmt.Sprintf("… (cut by %d characters)", total-kept)
}

// cutLength is the length in characters of a field's value that is cut, 0 of
// one that is sent whole.
func cutLength(value any) int {
	if s, _ := format(value); shorten(s) != s {
		return utf8.RuneCountInString(s)
	}
	return 0
}
