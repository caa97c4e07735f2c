package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"crmsync/connector/config"
	"crmsync/crm"
)

// setupCommand creates in the CRM what the mapping needs.
type setupCommand struct {
	DryRun bool `name:"dry-run" help:"Only say what would be done, as with CRMSYNC_DRY_RUN."`
	JSON   bool `help:"Print JSON, one step a line."`
}

// Help implements kong.HelpProvider.
func (*setupCommand) Help() string {
	return `Creates the unique id field and the custom fields of the mapping, where the CRM's API allows it, and says what is left to
do by hand. It may be repeated: what exists is left as it is. The credentials need the permission to change the schema,
which serve does not need. It also tries whether they may write records, which check finds out
only where the CRM tells.

Exit codes: 0 all is there, 1 something is left to do by hand or was refused, 2 wrong configuration.

Examples:
  crmsync setup --dry-run                     what would be created?
  crmsync setup                               then crmsync check`
}

// Run prints every step, those left to a person last; it fails when there are
// any.
func (c *setupCommand) Run(s *session) error {
	cfg, err := soundConfig(s)
	if err != nil {
		return err
	}
	client, err := openClient(s.ctx, cfg, nil)
	if err != nil {
		return err
	}
	defer func() { _ = closeClient(client) }() // nothing is lost by it
	steps, err := provision(s.ctx, cfg, client, c.DryRun || cfg.DryRun)
	if err == nil {
		var unwritable []crm.Step
		unwritable, err = readOnlySteps(s.ctx, cfg, client)
		steps = append(steps, unwritable...)
	}
	if err == nil && !c.DryRun && !cfg.DryRun {
		steps = append(steps, permissionSteps(s.ctx, cfg, client)...)
	}
	if printErr := printSteps(s.stdout, steps, c.JSON); printErr != nil {
		return printErr
	}
	if err != nil {
		return s.tell(cfg, fmt.Errorf("set up %s: %w", cfg.CRM, err))
	}
	if slices.ContainsFunc(steps, func(step crm.Step) bool { return step.Action == crm.StepManual }) {
		return errTold
	}
	return nil
}

// provision makes the fields of the mapping.
func provision(ctx context.Context, cfg *config.Config, client crm.Client, dryRun bool) ([]crm.Step, error) {
	provisioner, ok := client.(crm.Provisioner)
	if !ok {
		return nil, errors.New("its API cannot create fields: crmsync check names those that are missing")
	}
	p := crm.Provision{Fields: map[crm.Object][]string{}, DryRun: dryRun}
	for object, fields := range cfg.Mapping.Fields {
		p.Fields[object] = slices.Sorted(maps.Keys(fields))
	}
	return provisioner.Provision(ctx, p)
}

// readOnlySteps names the mapped fields that exist and cannot be written, which
// no provisioning changes.
func readOnlySteps(ctx context.Context, cfg *config.Config, client crm.Client) ([]crm.Step, error) {
	describer, ok := client.(crm.Describer)
	if !ok {
		return nil, nil
	}
	var steps []crm.Step
	for _, object := range crm.Objects() {
		fields, on := cfg.Mapping.Fields[object]
		if !on {
			continue
		}
		schema, err := describer.Describe(ctx, object)
		if err != nil {
			return steps, err
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if schema.Fields[name].ReadOnly {
				steps = append(steps, crm.Step{
					Object: object, Field: name, Action: crm.StepManual,
					Note: "cannot be written: take it out of the mapping (" + fields[name].Variable + ")",
				})
			}
		}
	}
	return steps, nil
}

// permissionSteps says what the credentials lack to write records, as far as the
// CRM tells before the first one.
func permissionSteps(ctx context.Context, cfg *config.Config, client crm.Client) []crm.Step {
	checker, ok := client.(crm.PermissionChecker)
	if !ok {
		return nil
	}
	var steps []crm.Step
	for _, object := range crm.Objects() {
		if _, on := cfg.Mapping.Fields[object]; !on {
			continue
		}
		if err := checker.CheckWrite(ctx, object); err != nil {
			f := crmFinding(cfg, object, err)
			steps = append(steps, crm.Step{Object: object, Action: crm.StepManual, Note: f.Message + ": " + f.Remedy})
		}
	}
	return steps
}

// printSteps shows first what is done, then what is left.
func printSteps(w io.Writer, steps []crm.Step, asJSON bool) error {
	t := newTable(w)
	manual := 0
	for _, step := range steps {
		switch {
		case asJSON:
			if err := printJSON(w, step); err != nil {
				return err
			}
		case step.Action == crm.StepManual:
			manual++
		default:
			t.row(string(step.Object), step.Field, step.Action, step.Note)
		}
	}
	if err := t.flush(); err != nil || manual == 0 {
		return err
	}
	fmt.Fprintf(w, "\nLeft to do by hand:\n")
	for _, step := range steps {
		if step.Action == crm.StepManual {
			t.row("  "+string(step.Object), step.Field, step.Note)
		}
	}
	return t.flush()
}
