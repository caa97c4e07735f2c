package hubspot

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"crmsync/crm"
)

// lifecycleProperty only moves forward unless it is cleared first.
// https://knowledge.hubspot.com/records/use-lifecycle-stages
const lifecycleProperty = "lifecyclestage"

// stored is value as HubSpot shows it once it holds it. What is not known to
// be changed on the way stays as it was sent.
func (p property) stored(value string) string {
	switch {
	case p.Name == emailProperty:
		return folded(value)
	case p.Type == "date":
		if t, ok := parseTime(value); ok {
			return t.Format(time.DateOnly)
		}
	case p.Type == "datetime":
		if t, ok := parseTime(value); ok {
			return strings.Replace(t.Format(timeFormat), ".000Z", "Z", 1) // a whole second has no fraction
		}
	}
	return value
}

// stays reports whether HubSpot would keep old when it is sent value. Text is
// compared to the letter: a difference that is shown and does not last is
// better than one that is kept from sight.
func (p property) stays(old, value string) bool {
	if old == "" || value == "" {
		return old == value
	}
	if p.stored(old) == p.stored(value) {
		return true
	}
	switch {
	case p.Name == lifecycleProperty:
		return p.position(value) < p.position(old)
	case p.Type == "number":
		a, isNumber := parseNumber(old)
		b, areNumbers := parseNumber(value)
		return isNumber && areNumbers && a.Cmp(b) == 0
	case p.Type == "bool":
		return strings.EqualFold(old, value)
	case p.FieldType == "checkbox":
		return slices.Equal(choices(old), choices(value))
	}
	return false
}

// position is the place of an option among all, -1 of an unknown one.
func (p property) position(value string) int {
	for i, o := range p.Options {
		if string(o.Value) == value {
			return i
		}
	}
	return -1
}

// refuses returns the code and the reason for which HubSpot would not take a
// value that is not empty, "" when reading cannot tell. The reason does not
// quote the value.
func (p property) refuses(value string) (code, reason string) {
	if p.Type != "string" && value != strings.TrimSpace(value) {
		// https://developers.hubspot.com/changelog/breaking-change-enhanced-validations-for-non-string-properties-in-hubspots-crmobject-apis
		return "LEADING_TRAILING_WHITESPACE", "the value begins or ends with white space"
	}
	switch p.Type {
	case "number":
		if _, ok := parseNumber(value); !ok {
			return "INVALID_NUMBER", "the value is not a number"
		}
	case "bool", "enumeration":
		if !p.allows(value) {
			return "INVALID_OPTION", "the value is not one of the property's options"
		}
	case "date":
		if t, ok := parseTime(value); ok && !t.Equal(t.Truncate(24*time.Hour)) {
			return "INVALID_DATE", "the value is not midnight UTC"
		}
	}
	if p.Name == emailProperty && (!strings.Contains(value, "@") || strings.ContainsAny(strings.TrimSpace(value), " \t\n")) {
		return "INVALID_EMAIL", "the value is not an e-mail address"
	}
	return "", ""
}

// allows reports whether value consists of options. Those that are kept
// elsewhere, such as owners, are not known here.
func (p property) allows(value string) bool {
	if p.ExternalOptions || len(p.Options) == 0 {
		return true
	}
	chosen := []string{value}
	if p.FieldType == "checkbox" {
		chosen = choices(value)
	}
	return !slices.ContainsFunc(chosen, func(one string) bool { return p.position(one) < 0 })
}

// choices are the options that a checkbox property holds. Their order says
// nothing.
func choices(value string) []string {
	chosen := slices.DeleteFunc(strings.Split(value, ";"), func(one string) bool { return one == "" })
	slices.Sort(chosen)
	return slices.Compact(chosen)
}

// plainNumber bounds what parseNumber makes of a value: an exponent without
// limit would take all memory.
var plainNumber = regexp.MustCompile(`^[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})([eE][+-]?\d{1,3})?$`)

func parseNumber(value string) (*big.Rat, bool) {
	if !plainNumber.MatchString(value) {
		return nil, false
	}
	return new(big.Rat).SetString(value)
}

// parseTime reads milliseconds since 1970, ISO 8601 or a date, as HubSpot does.
// It keeps milliseconds.
func parseTime(value string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}

// foreseen is the error that an upsert of props would meet as far as the schema
// tells, nil when it tells none. What stops every record counts before what is wrong with
// this one.
func foreseen(op string, schema map[string]property, props map[string]string) *crm.Error {
	var worst *crm.Error
	for name, value := range props {
		e := &crm.Error{Kind: crm.Misconfigured, Op: op, Field: name}
		switch p, known := schema[name]; {
		case !known:
			e.Code, e.Message = "PROPERTY_DOESNT_EXIST", "there is no such property"
		case p.readOnly():
			e.Code, e.Message = "READ_ONLY_VALUE", "HubSpot sets the property itself"
		case value != "":
			e.Kind = crm.Invalid
			e.Code, e.Message = p.refuses(value)
		}
		if e.Code != "" && (worst == nil || rank(e.Kind) < rank(worst.Kind) || e.Kind == worst.Kind && name < worst.Field) {
			worst = e
		}
	}
	return worst
}
