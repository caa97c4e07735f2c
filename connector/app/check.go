package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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
}

// Run prints every finding of one run. What can be seen offline is a mistake
// of configuration, what the CRM says is a check that failed.
func (c *checkCommand) Run(s *session) error {
	cfg, found := checkConfig()
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
	switch {
	case offline > 0:
		return &exitError{code: exitUsage}
	case countErrors(found) > 0:
		return errTold
	}
	return nil
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

// checkConfig looks at what needs no CRM: variables, expressions, state file.
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
	for _, w := range cfg.Warnings {
		found = append(found, problemFinding(severityWarning, w))
	}
	_, err = mapping.New(cfg.Mapping)
	if mistakes, ok := errors.AsType[mapping.Errors](err); ok {
		for _, m := range mistakes {
			found = append(found, expressionFinding(m))
		}
	}
	return cfg, append(found, checkState(cfg.State)...)
}

func problemFinding(severity string, p *config.Problem) finding {
	return finding{Severity: severity, Variable: p.Variable, Code: p.Code, Message: p.Message, Remedy: p.Remedy}
}

func expressionFinding(m *mapping.ExpressionError) finding {
	f := finding{
		Severity: severityError, Variable: m.Variable, Object: string(m.Object), Field: m.Field,
		Code: "expression", Message: m.Message, Snippet: strings.TrimPrefix(m.Snippet(), "\n"),
	}
	if m.Line > 0 {
		f.Message = fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.Message)
	}
	if m.Suggestion != "" {
		f.Remedy = "did you mean " + m.Suggestion + "?"
	}
	return f
}

// checkState looks whether the state file can be there. It opens nothing: a
// connector may be running on it.
func checkState(path string) []finding {
	if path == "" {
		return nil // a problem already
	}
	about := func(message, remedy string) []finding {
		return []finding{{
			Severity: severityError, Variable: "CRMSYNC_STATE", Code: "state", Message: message, Remedy: remedy,
		}}
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return about("names something that is not a file", "name a file, which crmsync makes")
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return about("is in a directory that does not exist", "make the directory or mount the volume there")
	}
	return nil
}

// checkCRM asks the CRM: do the credentials work, does every mapped field
// exist and can it be written.
func checkCRM(ctx context.Context, cfg *config.Config) ([]finding, error) {
	client, err := openClient(cfg, nil)
	if err != nil {
		return nil, usage(err)
	}
	defer func() { _ = closeClient(client) }() // nothing is lost by it
	if err := client.Ping(ctx); err != nil {
		return []finding{crmFinding(cfg, "", err)}, ctx.Err()
	}
	describer, ok := client.(crm.Describer)
	if !ok {
		return nil, nil
	}
	var found []finding
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
		found = append(found, checkKey(client.Properties().IDField, object, schema)...)
		found = append(found, checkFields(schema, fields)...)
	}
	return found, ctx.Err()
}

// crmFinding is what the CRM answered instead.
func crmFinding(cfg *config.Config, object crm.Object, err error) finding {
	e := crm.AsError(err)
	f := finding{
		Severity: severityError, Variable: "CRMSYNC_CRM", Object: string(object), Field: e.Field,
		Code: e.Kind.String(), Message: e.Error(),
	}
	credentials := "CRMSYNC_" + strings.ToUpper(cfg.CRM) + "_…"
	switch e.Kind {
	case crm.Unauthorized:
		f.Remedy = "check the credentials " + credentials + " and what they are allowed to do"
	case crm.Unavailable:
		f.Remedy = "check the network, HTTPS_PROXY, CRMSYNC_TLS_CA and the address in " + credentials
	case crm.RateLimited:
		f.Remedy = "try again later"
	}
	return f
}

func checkKey(name string, object crm.Object, schema crm.Schema) []finding {
	f := finding{
		Severity: severityError, Variable: "CRMSYNC_CRM", Object: string(object), Field: name,
		Code: "id_field", Remedy: "run crmsync setup",
	}
	field, ok := schema.Fields[name]
	switch {
	case name == "":
		return nil
	case !ok:
		f.Message = fmt.Sprintf("%s have no field %s, by which records are recognised", schema.Name, name)
	case !field.Unique:
		f.Message = fmt.Sprintf("field %s of %s is not unique: records would be doubled", name, schema.Name)
		f.Remedy = "remove the field in the CRM or name another one, then run crmsync setup"
	default:
		return nil
	}
	return []finding{f}
}

func checkFields(schema crm.Schema, fields map[string]mapping.Expression) []finding {
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
			f.Remedy = "run crmsync setup, which makes the fields of the preset, or make the field in the CRM"
			if near := config.Nearest(name, slices.Collect(maps.Keys(schema.Fields))); near != "" {
				f.Remedy = "did you mean " + near + "? Otherwise " + f.Remedy
			}
		case field.ReadOnly:
			f.Code = "read_only_field"
			f.Message = fmt.Sprintf("field %s of %s cannot be written", name, schema.Name)
			f.Remedy = "set the variable to the empty value, which removes the field from the mapping"
		default:
			continue
		}
		found = append(found, f)
	}
	return found
}

func printFindings(w io.Writer, found []finding, asJSON bool) error {
	for _, f := range found {
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
		if f.Remedy != "" {
			fmt.Fprintf(w, "\n  %s", f.Remedy)
		}
		fmt.Fprintln(w)
	}
	if len(found) == 0 && !asJSON {
		_, err := fmt.Fprintln(w, "Everything is fine.")
		return err
	}
	return nil
}
