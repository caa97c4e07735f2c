package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"crmsync/connector/config"
	"crmsync/crm"
	"crmsync/mapping"
)

// checkCommand looks for mistakes before the first event does.
type checkCommand struct {
	Offline bool `help:"Do not ask the CRM."`
	JSON    bool `help:"Print JSON, one finding a line."`
}

// Help implements kong.HelpProvider.
func (*checkCommand) Help() string {
	return `Looks at everything that can go wrong before the first event: variables, the expressions of the mapping, the state file,
then the CRM's credentials, its fields, the unique id field and its owners. All findings are printed in one run, each with
its variable and what to do; nothing is written. A warning stops nothing.

Exit codes: 0 nothing to mend, 1 the CRM or what is in the state file is at fault, 2 the configuration is.

Examples:
  crmsync check                               before crmsync serve, and after every change
  crmsync check --offline                     without asking the CRM, as in a build
  crmsync check --json                        one finding a line, for tools`
}

// The severities of a finding.
const (
	severityError   = "error"
	severityWarning = "warning"
)

// finding is one thing that check found: the JSON of check.
type finding struct {
	Severity string `json:"severity"` // error or warning
	Variable string `json:"variable"`
	Object   string `json:"object"` // "" unless it is about one object
	Field    string `json:"field"`  // CRM field, "" unless it is about one
	Code     string `json:"code"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
	// Snippet is the line of an expression at fault with a caret below it.
	Snippet string `json:"snippet,omitempty"`

	failed bool // no mistake of the configuration, though it is seen without the CRM
}

// Run prints every finding of one run. What can be seen offline is a mistake
// of configuration, what the CRM says is a check that failed.
func (c *checkCommand) Run(s *session) error {
	cfg, found, err := checkOffline(s.ctx)
	if err != nil {
		return err
	}
	offline := countErrors(found)
	if offline == 0 && !c.Offline {
		online, err := checkCRM(s.ctx, cfg)
		if err != nil {
			return err
		}
		found = append(found, online...)
	}
	if err := printFindings(s.stdout, found, c.JSON); err != nil {
		return err
	}
	if !c.JSON {
		fmt.Fprintln(s.stdout, checkSummary(found, offline > 0))
	}
	switch {
	case offline > 0 && slices.ContainsFunc(found, finding.isMistake):
		return &exitError{code: exitUsage}
	case countErrors(found) > 0:
		return errTold
	}
	return nil
}

// isMistake reports whether f is about the configuration.
func (f finding) isMistake() bool { return f.Severity == severityError && !f.failed }

// checkSummary is the last line of check. With mistakes that can be seen offline
// the CRM was not asked.
func checkSummary(found []finding, offline bool) string {
	wrong := countErrors(found)
	warnings := plural(len(found)-wrong, severityWarning)
	text := plural(wrong, severityError)
	switch {
	case len(found) == 0:
		return "Everything is fine."
	case wrong == 0:
		return "Nothing has to be mended; " + warnings + "."
	case wrong < len(found):
		text += ", " + warnings
	}
	if offline {
		text += ". The CRM was not asked yet"
	}
	return text + "."
}

func countErrors(found []finding) int {
	n := 0
	for _, f := range found {
		if f.Severity == severityError {
			n++
		}
	}
	return n
}

// checkOffline looks at what needs no CRM.
func checkOffline(ctx context.Context) (*config.Config, []finding, error) {
	cfg, found := checkConfig()
	if cfg == nil || cfg.State == "" || len(checkStatePath(cfg.State)) > 0 {
		return cfg, found, nil
	}
	bound, wrong := checkStateFile(ctx, cfg.State)
	if found = append(found, wrong...); countErrors(found) > 0 {
		return cfg, found, nil // without a sound configuration there is no account to compare with
	}
	wrong, err := checkBinding(ctx, cfg, bound)
	return cfg, append(found, wrong...), err
}

// checkConfig looks at variables, expressions and the place of the state file.
func checkConfig() (*config.Config, []finding) {
	var found []finding
	cfg, err := loadConfig()
	if problems, ok := errors.AsType[config.Errors](err); ok {
		for _, p := range problems {
			found = append(found, problemFinding(severityError, p))
		}
	} else if err != nil {
		return cfg, append(found, finding{Severity: severityError, Code: "unreadable", Message: err.Error()})
	}
	_, err = mapping.New(cfg.Mapping)
	if mistakes, ok := errors.AsType[mapping.Errors](err); ok {
		for _, m := range mistakes {
			found = append(found, expressionFinding(m))
		}
	}
	found = append(found, checkStatePath(cfg.State)...)
	for _, w := range cfg.Warnings { // below what stops the connector
		found = append(found, problemFinding(severityWarning, w))
	}
	return cfg, found
}

func problemFinding(severity string, p *config.Problem) finding {
	return finding{Severity: severity, Variable: p.Variable, Code: p.Code, Message: p.Message, Remedy: p.Remedy}
}

func expressionFinding(m *mapping.ExpressionError) finding {
	f := finding{
		Severity: severityError, Variable: m.Variable, Object: string(m.Object), Field: m.Field,
		Code: "expression", Message: m.Message, Snippet: strings.TrimPrefix(m.Snippet(), "\n"),
		Remedy: "crmsync config --example explains expressions; https://expr-lang.org/docs/language-definition all of them",
	}
	if m.Line > 0 {
		f.Message = fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.Message)
	}
	if m.Suggestion != "" {
		f.Remedy = "did you mean " + m.Suggestion + "?"
	}
	return f
}

// checkCRM asks the CRM: do the credentials work, is it the account that the
// state belongs to, does every mapped field exist and can it be written.
func checkCRM(ctx context.Context, cfg *config.Config) ([]finding, error) {
	client, err := openClient(ctx, cfg, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closeClient(client) }() // nothing is lost by it
	a, err := adapterOf(cfg)
	if err != nil {
		return nil, usage(err)
	}
	if err := client.Ping(ctx); err != nil {
		return []finding{crmFinding(cfg, "", err)}, ctx.Err()
	}
	found := checkAccount(ctx, cfg, client)
	describer, ok := client.(crm.Describer)
	if !ok {
		return found, ctx.Err()
	}
	for _, object := range crm.Objects() {
		fields, on := cfg.Mapping.Fields[object]
		if !on {
			continue
		}
		schema, err := describer.Describe(ctx, object)
		if err != nil {
			found = append(found, crmFinding(cfg, object, err))
			continue
		}
		found = append(found, checkKey(a.hints.idField, client.Properties().IDField, object, schema)...)
		found = append(found, checkFields(schema, client.Properties().IDField, fields)...)
	}
	return append(found, checkOwners(ctx, cfg, client)...), ctx.Err()
}

// remedySetup is the same for every field, so that it is printed once.
const remedySetup = "run crmsync setup: it makes the fields of the preset and says which others are left to make by hand"

// remedyOtherKey is for an id field that cannot be changed any more.
const remedyOtherKey = "remove the field in the CRM or name another one, then run crmsync setup"

// checkKey looks at the field by which records are recognised.
func checkKey(variable, name string, object crm.Object, schema crm.Schema) []finding {
	f := finding{
		Severity: severityError, Variable: cmp.Or(variable, "CRMSYNC_CRM"), Object: string(object), Field: name,
		Code: "id_field", Remedy: remedySetup,
	}
	field, ok := schema.Fields[name]
	switch {
	case name == "":
		return nil
	case !ok:
		f.Message = fmt.Sprintf("%s have no field %s, by which records are recognised", schema.Name, name)
	case field.Kind != crm.FieldText:
		f.Message = fmt.Sprintf("field %s of %s cannot hold every id: its type is %s, not plain text", name, schema.Name, field.Type)
		f.Remedy = remedyOtherKey
	case !field.Unique:
		f.Message = fmt.Sprintf("field %s of %s is not unique: records would be doubled", name, schema.Name)
		f.Remedy = remedyOtherKey
	default:
		return nil
	}
	return []finding{f}
}

// checkFields looks at the mapped fields of one object, beside its id field.
func checkFields(schema crm.Schema, idField string, fields map[string]mapping.Expression) []finding {
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := finding{
			Severity: severityError, Variable: fields[name].Variable, Object: string(schema.Object), Field: name,
		}
		field, ok := schema.Fields[name]
		switch {
		case !ok:
			f.Code = "unknown_field"
			f.Message = fmt.Sprintf("%s have no field %s", schema.Name, name)
			f.Remedy = remedySetup
			if near := config.Nearest(name, mappable(schema, idField)); near != "" {
				f.Remedy = "did you mean " + near + "? Otherwise " + f.Remedy
			}
		case field.ReadOnly:
			f.Code = "read_only_field"
			f.Message = fmt.Sprintf("field %s of %s cannot be written", name, schema.Name)
			f.Remedy = "take the field out of the mapping: its CRMSYNC_MAP_<OBJECT>_<field> variable, set to the empty value, does that"
		default:
			continue
		}
		found = append(found, f)
	}
	return found
}

// mappable returns the fields that a mapping may name.
func mappable(schema crm.Schema, idField string) []string {
	var names []string
	for name, field := range schema.Fields {
		if name != idField && !field.ReadOnly {
			names = append(names, name)
		}
	}
	return names
}

// printFindings prints them one by one, for people with each remedy once: below
// the last finding that it is for.
func printFindings(w io.Writer, found []finding, asJSON bool) error {
	last := map[string]int{}
	for i, f := range found {
		last[f.Remedy] = i
	}
	for i, f := range found {
		if asJSON {
			if err := printJSON(w, f); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s: %s: %s", f.Severity, f.Variable, printable(f.Message))
		if f.Snippet != "" {
			fmt.Fprintf(w, "\n%s", f.Snippet)
		}
		if f.Remedy != "" && last[f.Remedy] == i {
			fmt.Fprintf(w, "\n  %s", f.Remedy)
		}
		fmt.Fprintln(w)
	}
	return nil
}
