package connector

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
)

// subject is one mapped field under Check.
type subject struct {
	Check
	object crm.Object
	name   string
	trial  mapping.Trial
	schema *crm.Schema // nil when it is not known
	field  crm.Field   // zero when it is not known
}

// judge returns the first thing that is wrong, the gravest first: what follows
// is often its consequence.
func (s subject) judge() []Finding {
	for _, look := range []func() *Finding{
		s.existence, s.quotes, s.need, s.constants, s.outcomes, s.unit, s.markup, s.failures, s.effect,
	} {
		if f := look(); f != nil {
			return []Finding{*f}
		}
	}
	return nil
}

func (s subject) finding(severity, code, message, remedy string) *Finding {
	return &Finding{
		Severity: severity, Variable: s.trial.Variable, Object: string(s.object), Field: s.name,
		Code: code, Message: message, Remedy: remedy,
	}
}

// where names the field in a message.
func (s subject) where() string {
	if s.schema == nil {
		return "field " + s.name
	}
	return "field " + s.name + " of " + s.schema.Name
}

// existence looks whether the CRM has the field and lets it be written.
func (s subject) existence() *Finding {
	if s.schema == nil {
		return nil
	}
	field, ok := s.schema.Fields[s.name]
	switch {
	case !ok:
		remedy := remedySetup
		if near := mapping.Nearest(s.name, s.writable()); near != "" {
			remedy = "did you mean " + near + "? Otherwise " + remedy
		} else if other := s.elsewhere(); other != nil {
			remedy = other.Name + " have it: " + mapVariable(other.Object, s.name) + ". Otherwise " + remedy
		}
		return s.finding(SeverityError, CodeUnknownField, s.schema.Name+" have no field "+s.name, remedy)
	case field.ReadOnly:
		return s.finding(SeverityError, CodeReadOnlyField, s.where()+" cannot be written", remedyLeaveOut)
	}
	return nil
}

// elsewhere returns the other object that has such a field, nil for none.
func (s subject) elsewhere() *crm.Schema {
	for _, object := range crm.Objects() {
		if other := s.Schemas[object]; other != nil && object != s.object {
			if field, ok := other.Fields[s.name]; ok && !field.ReadOnly {
				return other
			}
		}
	}
	return nil
}

// writable returns the fields that a mapping may name.
func (s subject) writable() []string {
	var names []string
	for name, field := range s.schema.Fields {
		if name != s.IDField && !field.ReadOnly {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// dashed is a date or a number as people write it.
var dashed = regexp.MustCompile(`^\+?\d+([-/]\d+)+$`)

// placeholder is how other tools write a variable inside a text.
var placeholder = regexp.MustCompile(`(\{|\$)\s*(user|call|org|event|raw)\b`)

// quotes looks for quotation marks that do not do what was meant.
func (s subject) quotes() *Finding {
	if s.trial.Quoted {
		return s.finding(SeverityError, CodeQuoted,
			"all of the expression is in quotes: its words would be written, and not what they stand for",
			"take the quotes away")
	}
	if dashed.MatchString(s.trial.Source) {
		return s.finding(SeverityError, CodeUnquoted,
			"the expression is calculated: without quotes, what is between the numbers means minus or divided by",
			RemedyQuotes)
	}
	if slices.ContainsFunc(s.trial.Texts, placeholder.MatchString) {
		return s.finding(SeverityError, CodePlaceholder,
			"a variable inside a text stands for nothing here: its name would be written",
			`join texts and variables with +, such as "Call of " + user.name`)
	}
	for _, v := range s.trial.Constants {
		text, ok := v.(string)
		if !ok || !inQuotes(text) {
			continue
		}
		severity := SeverityError
		if s.field.Kind == crm.FieldText || s.field.Kind == crm.FieldFormatted || s.field.Kind == crm.FieldUnknown {
			severity = SeverityWarning // it can be written, quotes and all
		}
		return s.finding(severity, CodeLiteralQuotes,
			"the text is in quotes twice: the inner ones would be written to "+s.where(),
			`take one pair away, so that the value of the variable reads "…" with nothing around it`)
	}
	return nil
}

// inQuotes reports whether a text begins and ends with quotation marks.
func inQuotes(text string) bool {
	const opening, closing = `"'“„‘«`, `"'”“’»`
	text = strings.TrimSpace(text)
	runes := []rune(text)
	return len(runes) > 1 && strings.ContainsRune(opening, runes[0]) && strings.ContainsRune(closing, runes[len(runes)-1])
}

// need looks whether a record could lack the field that it is refused without.
func (s subject) need() *Finding {
	if !s.field.Required {
		return s.needOfAny()
	}
	remedy := "say what to write then, behind ??, such as … ?? event.timestamp"
	if s.field.Kind != crm.FieldDateTime {
		remedy = `say what to write then, behind ??, such as … ?? "unknown"`
	}
	refused := ", and the CRM refuses " + s.schema.Name + " without it"
	for _, o := range s.trial.Outcomes {
		if isEmpty(o) {
			return s.finding(SeverityError, CodeRequiredEmpty, s.where()+" would be empty for "+o.Name+refused, remedy)
		}
	}
	if s.trial.Nil {
		return s.finding(SeverityError, CodeRequiredEmpty, "the expression may give nil for "+s.where()+refused, remedy)
	}
	return nil
}

// needOfAny looks whether a new record could lack all of the fields of which it
// needs one. It is said of the first of them that is mapped.
func (s subject) needOfAny() *Finding {
	if s.schema == nil || s.Unread[s.object] {
		return nil
	}
	mapped := slices.DeleteFunc(slices.Clone(s.schema.AnyOf), func(name string) bool { return !s.mapped(s.object, name) })
	if len(mapped) == 0 || mapped[0] != s.name {
		return nil
	}
	trials := s.Mapper.Trials(s.object)
	for i, o := range s.trial.Outcomes {
		lacks := func(name string) bool { return i < len(trials[name].Outcomes) && isEmpty(trials[name].Outcomes[i]) }
		if !slices.ContainsFunc(mapped, func(name string) bool { return !lacks(name) }) {
			return s.finding(SeverityError, CodeRequiredEmpty,
				fmt.Sprintf("for %s nothing is written to %s, and the CRM refuses new %s that have none of them",
					o.Name, strings.Join(s.schema.AnyOf, ", "), s.schema.Name),
				`say what to write then, behind ??, such as … ?? "(unknown)"`)
		}
	}
	return nil
}

func isEmpty(o mapping.Outcome) bool { return o.Value == nil || o.Value == "" }

// constants looks at the values that are written out in the expression.
func (s subject) constants() *Finding {
	for _, v := range s.trial.Constants {
		if v == "" {
			continue // clears the field
		}
		if s.field.Unique {
			return s.finding(SeverityError, CodeNotUnique,
				"the same value would be written to many records, and the CRM keeps the values of "+s.where()+" unique",
				"write what differs, such as an id, or map another field")
		}
		if f := s.strangeOwner(v); f != nil {
			return f
		}
		if r := refuses(s.field, v); r != nil {
			return s.finding(SeverityError, r.code, fmt.Sprintf("%s %s, but what is written out in the expression is %s", s.where(), r.takes, r.got), s.remedy(r, v))
		}
	}
	return nil
}

// strangeOwner looks whether a constant in an owner field is an owner's id.
func (s subject) strangeOwner(v any) *Finding {
	if s.field.Kind != crm.FieldOwner || s.Owners == nil {
		return nil
	}
	id := wireTexts(v)[0]
	if slices.ContainsFunc(s.Owners, func(o crm.Owner) bool { return o.Active && o.ID == id }) {
		return nil
	}
	return s.finding(SeverityError, CodeUnknownOwner,
		s.where()+" takes the id of an active owner, but what is written out in the expression is another",
		"write owner(user.email), or the id of an owner who is a person")
}

// outcomes looks at the values that the samples give.
func (s subject) outcomes() *Finding {
	for _, o := range s.trial.Outcomes {
		if s.isConstant(o.Value) {
			continue
		}
		if f := s.outcome(o); f != nil {
			return f
		}
	}
	return nil
}

// outcome looks at the value that one sample gives.
func (s subject) outcome(o mapping.Outcome) *Finding {
	if isEmpty(o) || s.trial.Owner && s.field.Kind == crm.FieldOwner {
		return nil
	}
	r := refuses(s.field, o.Value)
	if r == nil {
		return nil
	}
	if r.code == CodeNotAnOption && isWords(o.Value) && !s.isConstant(o.Value) && len(s.field.Options) > 0 { // real events may say what the list holds
		return s.finding(SeverityWarning, r.code,
			s.where()+" takes values of its list, and what events say need not be among them: "+o.Name+" that is made up gives another",
			`give each value one of the list, such as {"Sales Rep": "…"}[user.role ?? ""] ?? "…": `+s.optionList())
	}
	return s.finding(SeverityError, r.code,
		fmt.Sprintf("%s %s, but for %s the expression gives %s", s.where(), r.takes, o.Name, r.got), s.remedy(r, nil))
}

// isWords reports whether a value is a text or a list of texts.
func isWords(v any) bool {
	switch v.(type) {
	case string, []string:
		return true
	}
	return false
}

// ordinary says why the CRM would refuse the value of the ordinary event, the
// first sample.
func (s subject) ordinary() *Finding {
	o := s.trial.Outcomes[0]
	if s.field.Required && isEmpty(o) {
		return s.finding(SeverityError, CodeRequiredEmpty, s.where()+" would be empty for "+o.Name, "")
	}
	f := s.outcome(o)
	if f == nil || f.Severity != SeverityError || f.Code == CodeTooLong { // that is cut, not refused
		return nil
	}
	return f
}

// unitNames are the units in which CRMs count the length of a call.
var unitNames = map[time.Duration]string{time.Millisecond: "milliseconds", time.Second: "seconds", time.Minute: "minutes"}

// unit looks whether the length of a call is given in the unit of the field.
func (s subject) unit() *Finding {
	if s.field.Unit == 0 || s.object != crm.Activity || len(s.trial.Outcomes) == 0 {
		return nil
	}
	length := s.Mapper.SampleDuration()
	value := s.trial.Outcomes[0].Value
	n, err := strconv.ParseFloat(wireTexts(value)[0], 64)
	if err != nil || !isNumber(value) {
		return nil
	}
	if ratio := n * float64(s.field.Unit) / float64(length); ratio > 0.5 && ratio < 2 {
		return nil
	}
	return s.finding(SeverityWarning, CodeWrongUnit,
		fmt.Sprintf("%s takes %s, but for %s the expression gives %g", s.where(), unitNames[s.field.Unit], s.trial.Outcomes[0].Name, n),
		"write durationMillis(call) for milliseconds, durationSeconds(call) for seconds")
}

func (s subject) isConstant(v any) bool {
	return slices.ContainsFunc(s.trial.Constants, func(c any) bool { return reflect.DeepEqual(c, v) })
}

// failures looks for expressions that fail at run time, which withholds the
// field.
func (s subject) failures() *Finding {
	for _, o := range s.trial.Outcomes {
		if o.Error != "" && !s.trial.Raw {
			severity := SeverityWarning
			if !o.Sparse {
				severity = SeverityError
			}
			return s.finding(severity, CodeFails,
				"the expression fails for "+o.Name+", and leaves the field alone: "+o.Error,
				remedyFailure(s.trial.Source, o))
		}
	}
	return nil
}

// What tells HTML from plain text.
var (
	tag      = regexp.MustCompile(`<[a-zA-Z]+[ />]`)
	lastTags = regexp.MustCompile(`</(p|strong|em|b|i|ul|ol|li|h[1-6]|div|span)>`)
)

// markup looks for plain text where the CRM reads HTML, and the reverse.
func (s subject) markup() *Finding {
	if len(s.trial.Outcomes) == 0 {
		return nil
	}
	text, _ := s.trial.Outcomes[0].Value.(string)
	switch {
	case s.field.HTML && strings.Contains(text, "\n") && !tag.MatchString(text):
		return s.finding(SeverityWarning, CodeMarkup, s.where()+" is read as HTML, but the expression gives plain text: its lines would run into each other",
			"write scorecardHTML(call, 65536) or transcriptHTML(call, 65536)")
	case !s.field.HTML && s.field.Kind == crm.FieldText && lastTags.MatchString(text):
		return s.finding(SeverityWarning, CodeMarkup, s.where()+" is plain text, but the expression gives HTML: its tags would show",
			"write scorecard(call) or transcript(call)")
	case s.field.OneLine && strings.Contains(text, "\n"):
		return s.finding(SeverityWarning, CodeMarkup, s.where()+" is shown on one line, but the expression gives several",
			"map a field for longer text, or give one part: call.analysis[0].summary")
	}
	return nil
}

// findsOwner reports whether owner() gives somebody for an address that is
// written out, or by default.
func (s subject) findsOwner() bool {
	return s.DefaultOwner != "" || slices.ContainsFunc(s.Owners, func(o crm.Owner) bool {
		return o.Active && slices.ContainsFunc(s.trial.Texts, func(text string) bool { return strings.EqualFold(text, o.Email) })
	})
}

// effect looks for expressions that never give a value.
func (s subject) effect() *Finding {
	if s.trial.Raw || len(s.trial.Outcomes) == 0 || slices.ContainsFunc(s.trial.Constants, func(v any) bool { return v != "" }) {
		return nil
	}
	if slices.ContainsFunc(s.trial.Outcomes, func(o mapping.Outcome) bool { return !isEmpty(o) }) {
		return nil
	}
	if s.trial.Source == `""` || s.trial.Source == "''" {
		return nil // it clears the field
	}
	const never = "the expression gives nothing for any typical event: the field would never get a value"
	if s.trial.Owner && s.findsOwner() {
		return nil
	}
	if s.trial.Owner {
		return s.finding(SeverityWarning, CodeNeverSet, never,
			"owner finds active users of the CRM by their address: write owner(user.email), or set CRMSYNC_DEFAULT_OWNER")
	}
	return s.finding(SeverityWarning, CodeNeverSet, never,
		remedyVariables(s.object)+"; to leave the field alone set the variable to nothing")
}
