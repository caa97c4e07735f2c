package app

import (
	"errors"
	"io"

	"crmsync/connector/config"
)

// configCommand shows the settings in force, or all that there are.
type configCommand struct {
	Example bool `help:"Print an example file with every variable instead."`
	JSON    bool `help:"Print JSON, one setting a line."`
}

// Help implements kong.HelpProvider.
func (*configCommand) Help() string {
	return `Shows what this environment amounts to: every setting, then the expression of every mapped field, each with where it
comes from: the environment, a file, the preset of the CRM or the default. Secrets are only said to be set or not.
Exits 2, and names every mistake, when there is one.

Examples:
  crmsync config                              what is in force?
  crmsync config --json                       one setting a line, for tools
  crmsync config --example > crmsync.env      a file to start from, which explains everything`
}

// Run prints what could be read even when something is wrong, then what is.
func (c *configCommand) Run(s *session) error {
	if c.Example {
		_, err := io.WriteString(s.stdout, config.Example(offered()))
		return err
	}
	cfg, err := loadConfig()
	problems, wrong := errors.AsType[config.Errors](err)
	if err != nil && !wrong {
		return err
	}
	if err := printSettings(s.stdout, cfg.Redacted(), c.JSON); err != nil {
		return err
	}
	if !wrong {
		return nil
	}
	var found []finding
	for _, p := range problems {
		found = append(found, problemFinding(severityError, p))
	}
	return errors.Join(printFindings(s.stderr, found, false), &exitError{code: exitUsage})
}

func printSettings(w io.Writer, settings []config.InForce, asJSON bool) error {
	t := newTable(w)
	for _, setting := range settings {
		if asJSON {
			if err := printJSON(w, setting); err != nil {
				return err
			}
			continue
		}
		t.row(setting.Variable, setting.Value, string(setting.Source))
	}
	return t.flush()
}
