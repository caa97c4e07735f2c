package app

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"crmsync/connector"
	"crmsync/connector/config"
	"crmsync/crm"
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
	if c.Example && c.JSON {
		return usage(errors.New("--example prints a file, not JSON: give it alone"))
	}
	if c.Example {
		_, err := io.WriteString(s.stdout, config.Example(offered()))
		return err
	}
	cfg, found := checkConfig()
	if cfg != nil {
		print := printSettings
		if c.JSON {
			print = printSettingsJSON
		}
		if err := print(s.stdout, settingsInForce(cfg, found)); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return nil
	}
	if err := printFindings(s.stderr, found, false); err != nil {
		return err
	}
	if countErrors(found) > 0 {
		return &exitError{code: exitUsage}
	}
	return nil
}

// settingsInForce returns the settings, without the values of those that are
// wrong: they are not in force, and may be secrets in the wrong place (I8).
func settingsInForce(cfg *config.Config, found []finding) []config.InForce {
	settings := cfg.Redacted()
	for i := range settings {
		setting := &settings[i]
		wrong := func(f finding) bool {
			ofField := f.Field != "" && f.Object == string(setting.Object) && f.Field == setting.Field
			return f.Severity == connector.SeverityError && (f.Variable == setting.Variable || ofField)
		}
		if setting.Source != config.FromDefault && slices.ContainsFunc(found, wrong) {
			setting.Value = "invalid"
		}
	}
	return settings
}

func printSettingsJSON(w io.Writer, settings []config.InForce) error {
	for _, setting := range settings {
		if err := printJSON(w, setting); err != nil {
			return err
		}
	}
	return nil
}

// printSettings prints the settings, then the mapping of each object. Values
// come last: expressions are long.
func printSettings(w io.Writer, settings []config.InForce) error {
	for _, object := range append([]crm.Object{""}, crm.Objects()...) {
		t, rows := newTable(w), 0
		for _, setting := range settings {
			if setting.Object != object {
				continue
			}
			if rows++; rows == 1 && object != "" {
				fmt.Fprintf(w, "\nMapping of %s:\n", object)
			}
			t.row(setting.Variable, string(setting.Source), setting.Value)
		}
		if rows == 0 {
			fmt.Fprintf(w, "\nMapping of %s: off, none is written.\n", object)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}
