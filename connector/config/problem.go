package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"crmsync/crm"
)

// The codes of problems.
const (
	CodeUnknownVariable = "unknown_variable" // nobody reads it
	CodeMissing         = "missing"          // required and not set
	CodeBadValue        = "bad_value"        // not of the expected form
	CodeConflict        = "conflict"         // contradicts another variable
	CodeUnreadableFile  = "unreadable_file"  // the file that it names cannot be used
	CodeUnsupported     = "unsupported"      // understood, but not available
	CodeOtherCRM        = "other_crm"        // belongs to a CRM that is not the chosen one
	CodePlainHTTP       = "plain_http"       // credentials would travel unencrypted
	CodeNoEffect        = "no_effect"        // changes nothing, or nothing is left to do
)

// Problem is one mistake in the configuration. No member quotes a value.
type Problem struct {
	Variable string // such as CRMSYNC_CRM
	Code     string
	Message  string // what is wrong, to be read after the variable
	Remedy   string // what to do about it; may be ""
	// Recovered says that the Config holds something to go on with, to find what
	// else is wrong: what was meant, or the default.
	Recovered bool
}

// Subject returns the object and the CRM field that the variable is about, ""
// where it is about none.
func (p *Problem) Subject() (object crm.Object, field string) {
	if object, field, ok := cutFieldVariable(p.Variable); ok {
		return object, field
	}
	if object, field, ok := cutPolicyVariable(p.Variable); ok {
		return object, field
	}
	for _, object := range crm.Objects() {
		if p.Variable+"_" == fieldPrefix(object) {
			return object, ""
		}
	}
	return "", ""
}

// Error returns the problem on one line.
func (p *Problem) Error() string {
	line := p.Variable + ": " + p.Message
	if p.Remedy != "" {
		line += "; " + p.Remedy
	}
	return line
}

// Errors is every problem of one run, sorted by variable.
type Errors []*Problem

// Error returns one line per problem below a heading.
func (e Errors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems in the configuration:", len(e))
	for _, p := range e {
		b.WriteString("\n  ")
		b.WriteString(p.Error())
	}
	return b.String()
}

// about returns the problems of the named variables and of their _FILE forms.
func (e Errors) about(variables []string) Errors {
	return slices.DeleteFunc(slices.Clone(e), func(p *Problem) bool {
		return !slices.Contains(variables, p.Variable) &&
			!slices.Contains(variables, strings.TrimSuffix(p.Variable, fileSuffix))
	})
}

// has says whether the variable or its file is at fault already.
func (e Errors) has(variable string) bool { return len(e.about([]string{variable})) > 0 }

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Variable, b.Variable), cmp.Compare(a.Message, b.Message))
	})
}
