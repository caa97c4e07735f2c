package app

import (
	"fmt"

	"crmsync/state/bolt"
)

// compactCommand gives back the room that pruning left.
type compactCommand struct {
	stateFlags
}

// compactView is the JSON of state compact, in bytes.
type compactView struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Help implements kong.HelpProvider.
func (*compactCommand) Help() string {
	return `Writes the file anew without the room that removed events left, checks it, and puts it in the place of the old one. A
failure, or a kill at any time, leaves the file as it was. The connector has to be stopped; a running one uses that room
again, so this is worth it only after a retention was shortened. Meanwhile it needs the room of both files.

Examples:
  crmsync state compact
  docker run --rm -v crmsync-state:/data crmsync state compact      after docker stop`
}

// Run prints the sizes.
func (c *compactCommand) Run(s *session) error {
	path, err := statePath(c.State)
	if err != nil {
		return err
	}
	if _, err := stateInfo(path); err != nil {
		return err
	}
	var v compactView
	if v.Before, v.After, err = bolt.Compact(path); err != nil {
		return stoppedOnly(err, path, "state compact")
	}
	if c.JSON {
		return printJSON(s.stdout, v)
	}
	_, err = fmt.Fprintf(s.stdout, "%s: %d bytes, %d before\n", path, v.After, v.Before)
	return err
}
