package connector

import (
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"crmsync/crm"
)

// mismatch is why a field would not take a value, to be read as "the field
// <takes>, but the expression gives <got>".
type mismatch struct {
	code   string
	takes  string
	got    string
	remedy string
}

// earliest is before anything that a call, a user or an organisation can have
// happened: a time before is a number that was counted in another unit.
var earliest = time.Date(1990, time.January, 1, 0, 0, 0, 0, time.UTC)

// refuses says why a field would not take a value that is not empty, nil when
// it takes it or nothing is known.
func refuses(f crm.Field, v any) *mismatch {
	text := wireTexts(v)
	switch f.Kind {
	case crm.FieldText, crm.FieldFormatted:
		return refusesText(f, v)
	case crm.FieldEmail:
		if a, err := mail.ParseAddress(text[0]); err != nil || a.Address != text[0] || len(text) > 1 {
			return wrongType("takes an e-mail address", v, "write user.email")
		}
	case crm.FieldNumber:
		if !isNumber(v) {
			return wrongType("takes a number", v, "give a number, such as averageScore(call) or user.streak; int(…) and float(…) read one from a text")
		}
	case crm.FieldBool:
		if text[0] != "true" && text[0] != "false" {
			return wrongType("takes true or false", v, `write a condition, such as deleted or user.status == "active"`)
		}
	case crm.FieldDate, crm.FieldDateTime:
		return refusesTime(f, v)
	case crm.FieldEnum, crm.FieldMulti:
		return refusesOption(f, v)
	case crm.FieldOwner:
		if !isOwnerID(v) {
			return wrongType("takes the id of an owner", v, "write owner(user.email), which finds it")
		}
	}
	return nil
}

func wrongType(takes string, v any, remedy string) *mismatch {
	return &mismatch{CodeWrongType, takes, nameOf(v), remedy}
}

// nameOf says what a value is without showing it.
func nameOf(v any) string {
	switch v.(type) {
	case string:
		return "a text that is none"
	case bool:
		return "true or false"
	case time.Time:
		return "a time"
	case []string:
		return "a list"
	}
	return "a number"
}

// wireTexts shows a value as the texts that a CRM would be sent, one at least.
func wireTexts(v any) []string {
	switch v := v.(type) {
	case []string:
		if len(v) > 0 {
			return v
		}
		return []string{""}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	}
	return []string{fmt.Sprint(v)}
}

func refusesText(f crm.Field, v any) *mismatch {
	if _, isList := v.([]string); isList {
		return wrongType("takes a text", v, `make a text of the list: join(…, ", ")`)
	}
	n := len(utf16.Encode([]rune(wireTexts(v)[0])))
	if f.MaxLength == 0 || n <= f.MaxLength {
		return nil
	}
	limit := strconv.Itoa(f.MaxLength)
	return &mismatch{
		CodeTooLong, "holds " + limit + " characters", strconv.Itoa(n) + ", of which the last would be cut off",
		"give it a limit: transcriptHTML(call, " + limit + "), scorecardHTML(call, " + limit + ") or truncate(…, " + limit + ")",
	}
}

// isNumber reports whether a number is written as CRMs read it: no exponent, no
// separators.
func isNumber(v any) bool {
	switch v := v.(type) {
	case int64, float64:
		return true
	case string:
		_, err := strconv.ParseFloat(v, 64)
		return err == nil && strings.Trim(v, "+-.0123456789") == ""
	}
	return false
}

// isOwnerID reports whether a value may be an id: those are no addresses and
// no names.
func isOwnerID(v any) bool {
	text, isText := v.(string)
	_, isInt := v.(int64)
	return isInt || isText && !strings.ContainsAny(text, "@ ")
}

func refusesTime(f crm.Field, v any) *mismatch {
	takes, remedy := "takes a time", "give a time, such as call.createdAt or event.timestamp"
	if f.Kind == crm.FieldDate {
		takes, remedy = "takes a day", "write isoDate(…), such as isoDate(call.createdAt)"
	}
	at, ok := timeOf(v)
	switch {
	case !ok:
		return wrongType(takes, v, remedy)
	case at.Before(earliest):
		return &mismatch{CodeWrongType, takes + " or milliseconds", "a number that stands for a time before 1990, such as seconds", remedy + ", or unixMillis(…) of it"}
	case f.Kind == crm.FieldDate && !at.Equal(at.Truncate(24*time.Hour)):
		return &mismatch{CodeWrongType, takes, "a time of the day as well", remedy}
	}
	return nil
}

// timeOf reads a time, milliseconds since 1970, or a text with either.
func timeOf(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC(), true
	case int64:
		return time.UnixMilli(v).UTC(), true
	case string:
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC(), true
			}
		}
		ms, err := strconv.ParseInt(v, 10, 64)
		return time.UnixMilli(ms).UTC(), err == nil
	}
	return time.Time{}, false
}

func refusesOption(f crm.Field, v any) *mismatch {
	chosen := wireTexts(v)
	if f.Options == nil {
		return nil // they are not known
	}
	if f.Kind == crm.FieldEnum && len(chosen) > 1 {
		return wrongType("takes one value of its list", v, "choose one, such as the first: …[0]")
	}
	if f.Kind == crm.FieldMulti {
		chosen = strings.Split(strings.Join(chosen, ";"), ";")
	}
	for _, one := range chosen {
		if one != "" && !slices.Contains(f.Options, one) {
			return &mismatch{code: CodeNotAnOption, takes: "takes values of its list", got: "none of them"}
		}
	}
	return nil
}
