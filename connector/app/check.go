package app

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"crmsync/connector"
)

// checkCommand looks for mistakes before the first event does.
type checkCommand struct {
	Offline bool `help:"Do not ask the CRM."`
	JSON    bool `help:"Print JSON, one finding a line."`
}

// Help implements kong.HelpProvider.
func (*checkCommand) Help() string {
	return `Looks at everything that can go wrong before the first event: variables, expressions and what they give for typical
events, the state file, then the CRM: credentials and what they allow, the unique id field, and whether each mapped field
exists, can be written and takes what its expression gives. All findings are printed in one run, each with its variable and
what to do; nothing is written. An error means that records would be refused or data lost; a warning stops nothing.

Exit codes: 0 nothing to mend, 1 the CRM or what is in the state file is at fault, 2 the configuration is.

Examples:
  crmsync check                               before crmsync serve, and after every change
  crmsync check --offline                     without asking the CRM, as in a build
  crmsync check --json                        one finding a line, for tools`
}

// finding is one thing that check found: the JSON of check.
type finding struct {
	connector.Finding
	// Snippet is the line of an expression at fault with a caret below it.
	Snippet string `json:"snippet,omitempty"`

	failed bool // no mistake of the configuration, though it is seen without the CRM
}

// Run prints every finding of one run. What can be seen offline is a mistake
// of configuration, what the CRM says is a check that failed.
func (c *checkCommand) Run(s *session) error {
	e, err := examineOffline(s.ctx)
	if err != nil {
		return err
	}
	ask := e.reachable && !c.Offline
	if !ask {
		e.checkMapping()
	}
	mistaken := slices.ContainsFunc(e.found, finding.isMistake)
	if ask {
		if err := e.askCRM(s.ctx); err != nil {
			return err
		}
	}
	slices.SortStableFunc(e.found, func(a, b finding) int { return cmp.Compare(a.Severity, b.Severity) }) // errors first
	if err := printFindings(s.stdout, e.found, c.JSON); err != nil {
		return err
	}
	if !c.JSON {
		fmt.Fprintln(s.stdout, checkSummary(e.found, ask))
	}
	switch {
	case mistaken:
		return &exitError{code: exitUsage}
	case countErrors(e.found) > 0:
		return errTold
	}
	return nil
}

// isMistake reports whether f is about the configuration.
func (f finding) isMistake() bool { return f.Severity == connector.SeverityError && !f.failed }

// checkSummary is the last line of check.
func checkSummary(found []finding, asked bool) string {
	wrong := countErrors(found)
	warnings := plural(len(found)-wrong, connector.SeverityWarning)
	text := plural(wrong, connector.SeverityError)
	switch {
	case len(found) == 0:
		return "Everything is fine."
	case wrong == 0:
		return "Nothing has to be mended; " + warnings + "."
	case wrong < len(found):
		text += ", " + warnings
	}
	if !asked {
		text += ". The CRM was not asked yet"
	}
	return text + "."
}

func countErrors(found []finding) int {
	n := 0
	for _, f := range found {
		if f.Severity == connector.SeverityError {
			n++
		}
	}
	return n
}

// printFindings prints them one by one, for people with the remedy of several in
// a row once, below the last of them.
func printFindings(w io.Writer, found []finding, asJSON bool) error {
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
		if f.Remedy != "" && (i+1 == len(found) || found[i+1].Remedy != f.Remedy) {
			fmt.Fprintf(w, "\n  %s", f.Remedy)
		}
		fmt.Fprintln(w)
	}
	return nil
}
