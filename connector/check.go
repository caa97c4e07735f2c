package connector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"crmsync/crm"
	"crmsync/mapping"
)

// The severities of a Finding.
const (
	SeverityError   = "error"   // records would be refused, or data would be lost
	SeverityWarning = "warning" // it works, but hardly as it was meant
)

// The codes of the findings of a Check.
const (
	CodeIDField       = "id_field"          // records could not be recognised by it
	CodeUnknownField  = "unknown_field"     // the CRM has no such field
	CodeReadOnlyField = "read_only_field"   // the CRM does not let it be written
	CodeRequiredField = "required_field"    // no record without it, and it is not mapped
	CodeRequiredEmpty = "required_empty"    // likewise, and the expression may give nothing
	CodeWrongType     = "wrong_type"        // the field takes values of another kind
	CodeNotAnOption   = "not_an_option"     // the field takes what is in its list
	CodeWrongUnit     = "wrong_unit"        // such as seconds where milliseconds are meant
	CodeTooLong       = "too_long"          // the field holds less
	CodeMarkup        = "markup"            // HTML where plain text is meant, or the reverse
	CodeNotUnique     = "not_unique"        // the same value for records that must differ
	CodeUnquoted      = "unquoted_text"     // a text without quotes is calculated
	CodeLiteralQuotes = "literal_quotes"    // quotation marks became part of a text
	CodeQuoted        = "quoted_expression" // an expression became a text
	CodePlaceholder   = "placeholder"       // a text with the name of a variable in braces
	CodeFails         = "expression_fails"  // for events that are to be expected
	CodeNeverSet      = "never_set"         // no event gives it a value
	CodeFilter        = "filter"            // a condition that does not tell events apart
	CodeMarkNoEffect  = "mark_no_effect"    // nothing tells a deleted record
	CodeUnknownOwner  = "unknown_owner"     // the id belongs to no owner
	CodeNoOwners      = "no_owners"         // there is nobody to be found
	CodeNoPermission  = "missing_scope"     // the credentials are not allowed to
)

// RemedyQuotes tells how a text is written.
const RemedyQuotes = `a text has double quotes around it; where a shell or Compose takes quotes away, write '"…"'`

// Remedies of several findings, of which check prints each once.
const (
	remedyOtherID  = "remove the field in the CRM or name another one, then run crmsync setup"
	remedySetup    = "run crmsync setup: it makes the fields of the preset and names those that are left to make by hand"
	remedyLostID   = "restore it in the CRM: one that crmsync setup makes anew is empty, and records that were written before would be doubled"
	remedyLeaveOut = "leave the field out of the mapping: an empty value of its variable does that"
)

// maxOptionsInMessage is how much of a pick list a remedy shows.
const maxOptionsInMessage = 12

// Finding is a mistake that was found before an event met it, as check prints
// it. It quotes no value, neither of a variable nor of an event.
type Finding struct {
	Severity string `json:"severity"`
	Variable string `json:"variable"`
	Object   string `json:"object"` // "" unless it is about one object
	Field    string `json:"field"`  // CRM field, "" unless it is about one
	Code     string `json:"code"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

// Check looks for mistakes in a mapping: by its words, by what it gives for
// samples, and by the schema of the CRM. It is what crmsync check prints, and
// what the connector looks at before it writes.
type Check struct {
	Mapper      *mapping.Mapper
	IDField     string // CRM field that holds our keys; "" for none
	IDVariable  string // the variable that names it
	Bound       bool   // records were written by it before
	UserDeleted DeletePolicy
	OrgDeleted  DeletePolicy
	Owners      []crm.Owner // of the CRM; nil when they are not known
	// DefaultOwner is what owner() gives when it finds nobody; "" for nil.
	DefaultOwner string
	// Schemas are those of other objects, as far as they are known, to find the
	// field of another object.
	Schemas map[crm.Object]*crm.Schema
	// Unread are the objects of whose mapping a part could not be read: what it
	// lacks is not known.
	Unread map[crm.Object]bool
	// Broken are the mapped fields whose expressions cannot be read, which the
	// Mapper does not have.
	Broken Expressions
}

// Expressions are the mapped fields by object and CRM field.
type Expressions = map[crm.Object]map[string]mapping.Expression

// Object returns what is wrong with one object that is not switched off, by
// field. Without a schema (nil) it is what can be said without the CRM.
func (c Check) Object(o crm.Object, schema *crm.Schema) []Finding {
	var found []Finding
	if schema != nil {
		found = append(found, c.idField(schema)...)
		found = append(found, c.unmapped(schema)...)
	}
	trials := c.Mapper.Trials(o)
	for name, e := range c.Broken[o] {
		trials[name] = mapping.Trial{Expression: e}
	}
	for _, name := range slices.Sorted(maps.Keys(trials)) {
		s := subject{Check: c, object: o, name: name, trial: trials[name], schema: schema}
		if schema != nil {
			s.field = schema.Fields[name]
		}
		found = append(found, s.judge()...)
	}
	found = append(found, c.filters(o)...)
	return append(found, c.mark(o)...)
}

// filters looks at the conditions on which events of an object are used.
func (c Check) filters(o crm.Object) []Finding {
	var found []Finding
	for _, t := range c.Mapper.FilterTrials(o) {
		if message, code, remedy := filterMistake(o, t); message != "" {
			found = append(found, Finding{
				Severity: SeverityWarning, Variable: t.Variable, Object: string(o), Code: code, Message: message, Remedy: remedy,
			})
		}
	}
	return found
}

func filterMistake(o crm.Object, t mapping.Trial) (message, code, remedy string) {
	reads := func(variable string) bool { return slices.Contains(t.Uses, variable) }
	if !slices.ContainsFunc(mapping.Variables(), reads) {
		if t.Outcomes[0].Value == true {
			return "the condition is true whatever the event says: everything passes", CodeFilter, "remove it, or compare a member of the event"
		}
		return "the condition is false whatever the event says: nothing passes", CodeFilter, "compare a member of the event, such as user.role; to write none of these records at all, switch the object off"
	}
	for _, variable := range nothingIn[o] {
		if reads(variable) {
			return "the condition reads " + variable + ", which has no value here", CodeFilter, remedyVariables(o)
		}
	}
	for _, outcome := range t.Outcomes {
		if outcome.Error != "" && !t.Raw {
			return "the condition fails for " + outcome.Name + ", and lets it pass: " + outcome.Error, CodeFails, remedyFailure(t.Source, outcome)
		}
	}
	return "", "", ""
}

// nothingIn are the variables that have no value in the events that filters of an
// object are about.
var nothingIn = map[crm.Object][]string{crm.Contact: {"org"}, crm.Activity: {"org"}, crm.Company: {"call", "user"}}

// remedyVariables names the variables that have a value in events about an
// object.
func remedyVariables(o crm.Object) string {
	has := map[crm.Object]string{crm.Contact: "user and, from calls, call", crm.Activity: "call and user", crm.Company: "org"}
	return "the variables that have a value here are " + has[o]
}

// stopping returns what keeps every record of an object from being written.
func (c Check) stopping(schema *crm.Schema) []Finding {
	found := append(c.idField(schema), c.unmapped(schema)...)
	all := c.Mapper.Expressions(schema.Object)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := subject{Check: c, object: schema.Object, name: name, trial: mapping.Trial{Expression: all[name]}, schema: schema}
		if f := s.existence(); f != nil {
			found = append(found, *f)
		}
	}
	return found
}

// refusals returns for which of some fields, or with nil of any, the CRM would
// refuse the ordinary record. What it refuses of special ones only is not among
// them: others get through.
func (c Check) refusals(schema *crm.Schema, fields []string) []Finding {
	var found []Finding
	trials := c.Mapper.Trials(schema.Object)
	for _, name := range slices.Sorted(maps.Keys(trials)) {
		if fields != nil && !slices.Contains(fields, name) {
			continue
		}
		s := subject{Check: c, object: schema.Object, name: name, trial: trials[name], schema: schema, field: schema.Fields[name]}
		if f := s.ordinary(); f != nil {
			found = append(found, *f)
		}
	}
	return found
}

// idField looks at the field by which records are recognised.
func (c Check) idField(schema *crm.Schema) []Finding {
	f := Finding{
		Severity: SeverityError, Variable: c.IDVariable, Object: string(schema.Object), Field: c.IDField,
		Code: CodeIDField, Remedy: remedyOtherID,
	}
	field, ok := schema.Fields[c.IDField]
	where := fmt.Sprintf("field %s of %s", c.IDField, schema.Name)
	switch {
	case c.IDField == "":
		return nil
	case !ok:
		f.Message = fmt.Sprintf("%s have no field %s, by which records are recognised", schema.Name, c.IDField)
		f.Remedy = remedySetup
		if near := mapping.Nearest(c.IDField, uniqueTexts(schema)); near != "" {
			f.Remedy = "did you mean " + near + "? Otherwise " + remedySetup
		}
		if c.Bound {
			f.Remedy = remedyLostID
		}
	case field.ReadOnly:
		f.Message = where + " cannot be written, and records are to be recognised by it"
	case field.Kind != crm.FieldText:
		f.Message = fmt.Sprintf("%s cannot hold every id: its type is %s, not plain text", where, field.Type)
	case !field.Unique:
		f.Message = where + " is not unique: records would be doubled"
	default:
		return nil
	}
	return []Finding{f}
}

// uniqueTexts are the fields by which records could be recognised.
func uniqueTexts(schema *crm.Schema) []string {
	var names []string
	for name, field := range schema.Fields {
		if field.Unique && field.Kind == crm.FieldText && !field.ReadOnly {
			names = append(names, name)
		}
	}
	return names
}

// unmapped looks for fields that a record is refused without and that the
// mapping leaves out.
func (c Check) unmapped(schema *crm.Schema) []Finding {
	if c.Unread[schema.Object] {
		return nil
	}
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(schema.Fields)) {
		if schema.Fields[name].Required && !c.mapped(schema.Object, name) && name != c.IDField {
			found = append(found, c.missing(schema, name, "without "+name))
		}
	}
	missing := func(name string) bool { return !c.mapped(schema.Object, name) }
	if len(schema.AnyOf) > 0 && !slices.ContainsFunc(schema.AnyOf, func(name string) bool { return !missing(name) }) {
		return append(found, c.missing(schema, schema.AnyOf[0], "that have none of "+strings.Join(schema.AnyOf, ", ")))
	}
	return found
}

func (c Check) missing(schema *crm.Schema, name, without string) Finding {
	variable := mapVariable(schema.Object, name)
	return Finding{
		Severity: SeverityError, Variable: variable, Object: string(schema.Object), Field: name, Code: CodeRequiredField,
		Message: fmt.Sprintf("the CRM refuses %s %s, and the mapping gives it no value", schema.Name, without),
		Remedy:  "set " + variable + "; where it is set to nothing, removing that line brings the default back",
	}
}

func (c Check) mapped(o crm.Object, name string) bool {
	_, broken := c.Broken[o][name]
	return broken || slices.Contains(c.Mapper.Fields(o), name)
}

// mapVariable is the variable that maps one field.
func mapVariable(o crm.Object, field string) string {
	return "CRMSYNC_MAP_" + strings.ToUpper(string(o)) + "_" + field
}

// mark looks whether anything tells a record that was marked as deleted.
func (c Check) mark(o crm.Object) []Finding {
	variable, policy := "CRMSYNC_USER_DELETED", c.UserDeleted
	switch o {
	case crm.Company:
		variable, policy = "CRMSYNC_ORG_DELETED", c.OrgDeleted
	case crm.Activity:
		return nil // calls are not deleted
	}
	if policy != DeleteMark || c.Unread[o] || c.Mapper.Marks(o) {
		return nil
	}
	meant := func(x mapping.Expression) bool { return strings.Contains(x.Source, "deleted") } // to tell, and wrong
	for _, broken := range c.Broken[o] {
		if meant(broken) {
			return nil
		}
	}
	for _, t := range c.Mapper.Trials(o) {
		if t.Quoted && meant(t.Expression) {
			return nil
		}
	}
	return []Finding{{
		Severity: SeverityWarning, Variable: variable, Object: string(o), Code: CodeMarkNoEffect,
		Message: fmt.Sprintf("deletions are to be marked, but no field of %s is mapped to anything that says so: nothing would change", o),
		Remedy:  "map a field to deleted, such as " + mapVariable(o, "crmsync_deleted") + "=deleted, or set " + variable + " to archive or ignore",
	}}
}
