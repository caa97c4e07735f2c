package app

import (
	"fmt"

	"crmsync/state"
)

// pruneCommand removes what is older than the configuration keeps.
type pruneCommand struct {
	stateFlags
}

// Help implements kong.HelpProvider.
func (*pruneCommand) Help() string {
	return `Removed are ended events settled longer ago than CRMSYNC_EVENT_RETENTION and payloads of those settled longer ago than
CRMSYNC_PAYLOAD_RETENTION, as the running connector has them set. Dead events, and which CRM record everything became,
stay. The file does not shrink, the room is used again; crmsync state compact shrinks it.

Examples:
  crmsync state prune
  CRMSYNC_PAYLOAD_RETENTION=24h crmsync state prune --state stopped.db`
}

// Run prints what went.
func (c *pruneCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readWrite)
	if err != nil {
		return err
	}
	defer client.Close()
	var gone state.PruneResult
	if err := client.post(s.ctx, "/api/v1/state/prune", struct{}{}, &gone); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.stdout, gone)
	}
	_, err = fmt.Fprintf(s.stdout, "%s and %s removed\n", plural(gone.Events, "event"), plural(gone.Payloads, "payload"))
	return err
}
