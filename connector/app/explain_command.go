package app

import "net/url"

// explainCommand tells one event's whole story.
type explainCommand struct {
	stateFlags
	ID string `arg:"" name:"id" help:"Event id or message id."`
}

// Help implements kong.HelpProvider.
func (*explainCommand) Help() string {
	return `Shows what came in and which webhook secret signed it, what the filters say, what each mapped field becomes by the mapping in
force, who wins it and how the CRM gets it, who is made the owner and why, what the CRM answered, and where it shows the
record. What is not known is said. Values are shown: mind who reads the output.

Examples:
  crmsync explain msg_2Lh9KRb0pzN4LePd3XiA4v9Q
  crmsync explain msg_2Lh9KRb0pzN4LePd3XiA4v9Q --json
  crmsync explain evt_77 --state backup.db     in a backup`
}

// Run prints the story, values included.
func (c *explainCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	var v explainView
	if err := client.get(s.ctx, "/api/v1/events/"+url.PathEscape(c.ID), nil, &v); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.stdout, v)
	}
	return printExplain(s.stdout, v)
}
