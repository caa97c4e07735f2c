package app

import "fmt"

// stateCommands hold what is done to the state itself.
type stateCommands struct {
	Verify verifyCommand `cmd:"" help:"Check the pages of the state file and everything that must hold between its entries."`
}

// verifyCommand looks for damage.
type verifyCommand struct {
	stateFlags
}

// Run fails when something is wrong.
func (c *verifyCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	var v verifyView
	if err := client.get(s.ctx, "/api/v1/state/verify", nil, &v); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.stdout, v)
	} else if v.OK {
		_, err = fmt.Fprintln(s.stdout, "The state is sound.")
	}
	if err != nil || v.OK {
		return err
	}
	if !c.JSON {
		for _, f := range v.Findings {
			fmt.Fprintf(s.stdout, "%s: %s\n", f.Code, printable(f.Message))
		}
		fmt.Fprintf(s.stdout, "%s. Keep a copy of the file before anything else.\n", plural(len(v.Findings), "finding"))
	}
	return errTold
}
