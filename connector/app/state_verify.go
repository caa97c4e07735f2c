package app

import (
	"context"
	"fmt"
	"io"

	"crmsync/state/bolt"
)

// stateCommands hold what is done to the state itself.
type stateCommands struct {
	Backup      backupCommand      `cmd:"" help:"Write a verified copy, also while the connector runs."`
	Compact     compactCommand     `cmd:"" help:"Shrink the file of a stopped connector to what it holds."`
	Export      exportCommand      `cmd:"" help:"Print all events and records as JSON, one a line."`
	Prune       pruneCommand       `cmd:"" help:"Remove now what is kept no longer; the connector does so every hour."`
	Rebind      rebindCommand      `cmd:"" help:"Forget the CRM account of a stopped connector, to move to another one."`
	Verify      verifyCommand      `cmd:"" help:"Check the pages of the state file and everything that must hold between its entries."`
	VerifyAlone verifyAloneCommand `cmd:"" hidden:"" help:"Check a stopped file in a process of its own; verify starts it."`
}

// verifyCommand looks for damage.
type verifyCommand struct {
	stateFlags
}

// Help implements kong.HelpProvider.
func (*verifyCommand) Help() string {
	return `Looks for damage: every page of the file, and everything that must hold between its entries, such as counts that add up.
It works on a running connector, a stopped one and a backup, and changes nothing.

Exit codes: 0 sound, 1 damaged, 2 there is no state of crmsync at that path.

Examples:
  crmsync state verify
  crmsync state verify --state backup.db      a backup, before it is needed
  crmsync state verify --json`
}

// Run fails when something is wrong.
func (c *verifyCommand) Run(s *session) error {
	path, err := statePath(c.State)
	if err != nil {
		return err
	}
	v, err := verifyState(s.ctx, path)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.stdout, v)
	} else {
		err = printVerify(s.stdout, path, v)
	}
	if err == nil && !v.OK {
		return errTold
	}
	return err
}

// verifyState asks the connector that runs on the file; a stopped file is
// looked at in a process of its own.
func verifyState(ctx context.Context, path string) (verifyView, error) {
	client, err := dialConnector(ctx, path)
	if err != nil {
		return verifyView{}, err
	}
	if client == nil {
		return verifyApart(ctx, path)
	}
	defer client.Close()
	var v verifyView
	err = client.get(ctx, "/api/v1/state/verify", nil, &v)
	return v, err
}

func printVerify(w io.Writer, path string, v verifyView) error {
	if v.OK {
		_, err := fmt.Fprintln(w, "The state is sound.")
		return err
	}
	for _, f := range v.Findings {
		fmt.Fprintf(w, "%s: %s\n", f.Code, printable(f.Message))
	}
	_, err := fmt.Fprintf(w, "%s in %s. Stop the connector if it runs, keep a copy of the file, then restore the newest backup in its place.\n",
		plural(len(v.Findings), "finding"), path)
	return err
}

// verifyAloneCommand is the other side of verifyApart.
type verifyAloneCommand struct {
	File string `arg:""`
}

// Run prints a verifyAnswer.
func (c *verifyAloneCommand) Run(s *session) error {
	if err := limitMemory(c.File); err != nil {
		return printJSON(s.stdout, newVerifyAnswer(nil, err))
	}
	return printJSON(s.stdout, newVerifyAnswer(bolt.VerifyFile(s.ctx, c.File)))
}
