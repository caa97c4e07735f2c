package sandbox

import (
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// maxText is the most that a text property holds, in characters.
// https://knowledge.hubspot.com/properties/property-field-types-in-hubspot
const maxText = 65536

// checkValues says what is wrong with each value on its own.
func (s *Server) checkValues(t *table, values map[string]string) []detail {
	var wrong []detail
	for name, value := range values {
		p, ok := t.properties[name]
		switch {
		case !ok:
			wrong = append(wrong, propertyError(name, "PROPERTY_DOESNT_EXIST", "Property %q does not exist", name))
		case p.ModificationMetadata.ReadOnlyValue:
			wrong = append(wrong, propertyError(name, "READ_ONLY_VALUE", "%q is a read only property; its value cannot be set.", name))
		case value == "":
			// clears
		case name == "hubspot_owner_id":
			if !s.canOwn(value) {
				wrong = append(wrong, propertyError(name, "INVALID_OWNER_ID", "Owner %s does not exist or is not active", value))
			}
		default:
			if code, message := p.check(value); code != "" {
				wrong = append(wrong, propertyError(name, code, "%s", message))
			}
		}
	}
	return wrong
}

// check returns the code and message of what is wrong with a value that is not
// empty, or "" when it is fine.
func (p *Property) check(value string) (code, message string) {
	switch p.Type {
	case "number":
		if !isNumber(value) {
			return "INVALID_NUMBER", value + " was not a valid number."
		}
	case "bool":
		if value != "true" && value != "false" {
			return "INVALID_OPTION", value + " was not one of the allowed options: [true, false]"
		}
	case "enumeration":
		return p.checkOptions(value)
	case "date":
		if at, ok := parseTime(value); !ok || !at.Equal(at.Truncate(24*time.Hour)) {
			return "INVALID_DATE", value + " is at the wrong time of day, or not a date; it has to be midnight UTC."
		}
	case "datetime":
		if _, ok := parseTime(value); !ok {
			return "INVALID_DATE", value + " was not a valid long."
		}
	default:
		return p.checkText(value)
	}
	return "", ""
}

func (p *Property) checkText(value string) (code, message string) {
	// HubSpot counts as Java does.
	if len(value) > maxText && len(utf16.Encode([]rune(value))) > maxText {
		return "PROPERTY_VALUE_TOO_LONG", "The value is longer than 65536 characters."
	}
	if p.Name == "email" && !isEmail(value) {
		return "INVALID_EMAIL", "Email address " + value + " is invalid"
	}
	return "", ""
}

func (p *Property) checkOptions(value string) (code, message string) {
	chosen := []string{value}
	if p.FieldType == "checkbox" {
		chosen = strings.Split(value, ";")
	}
	for _, one := range chosen {
		if !slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == one }) {
			var allowed []string
			for _, o := range p.Options {
				allowed = append(allowed, o.Value)
			}
			return "INVALID_OPTION", one + " was not one of the allowed options: [" + strings.Join(allowed, ", ") + "]"
		}
	}
	return "", ""
}

// isNumber accepts digits with one dot and a sign: no exponent, no separators.
func isNumber(value string) bool {
	if strings.Trim(value, "+-.0123456789") != "" {
		return false
	}
	_, err := strconv.ParseFloat(value, 64)
	return err == nil
}

// parseTime reads milliseconds since 1970 or ISO 8601.
func parseTime(value string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, value); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

func isEmail(value string) bool {
	address, err := mail.ParseAddress(value)
	if err != nil || address.Address != value {
		return false
	}
	_, domain, _ := strings.Cut(value, "@")
	return strings.Contains(domain, ".")
}

// checkRequired says what a record with these values lacks. before is nil for a
// new one.
func (t *table) checkRequired(before *record, values map[string]string) *apiError {
	if before != nil || len(t.required) == 0 {
		return nil
	}
	for _, name := range t.required {
		if values[name] != "" {
			return nil
		}
	}
	e := invalid("Error creating %s. Some required properties were not set.", t.singular)
	return e.with("properties", t.required...)
}

// checkRules applies the rules of the account's admin. They bind the API since
// 2026-09.
// https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement
func (t *table) checkRules(before *record, after map[string]string) []detail {
	var wrong []detail
	for _, r := range t.rules {
		switch {
		case after[r.property] != "":
		case r.conditional && after[r.when] == r.is:
			wrong = append(wrong, propertyError(r.property, "MISSING_CONDITIONAL_REQUIRED_PROPERTY",
				"%s is required because of a conditional property rule based on [%s]", r.property, r.when))
		case !r.conditional && before == nil:
			wrong = append(wrong, propertyError(r.property, "MISSING_REQUIRED_PROPERTY",
				"A value for %s must be provided", r.property))
		}
	}
	return wrong
}

// checkUnique says whether another record holds one of the values.
func (s *Server) checkUnique(t *table, id string, values map[string]string) *apiError {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if value == "" || !t.isUnique(name) {
			continue
		}
		holder, taken := t.holder(name, value)
		if !taken || holder == id {
			continue
		}
		if name == t.natural {
			return s.alreadyExists(holder)
		}
		return invalidValues(s.opts.PackedErrors, []detail{propertyError(name, "CONFLICTING_UNIQUE_VALUE",
			"Cannot set property %s. Another %s already has that value.", name, t.singular)})
	}
	return nil
}

// alreadyExists is the refusal of an address that another contact has.
func (s *Server) alreadyExists(holder string) *apiError {
	if s.opts.HideExistingID {
		return newError(http.StatusConflict, "CONFLICT", "Contact already exists.")
	}
	return newError(http.StatusConflict, "CONFLICT", "Contact already exists. Existing ID: "+holder).with("existingId", holder)
}
