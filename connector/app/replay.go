package app

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"crmsync/state"
)

// replayCommand queues stored events again.
type replayCommand struct {
	stateFlags
	IDs    []string `arg:"" optional:"" name:"id" help:"Event or message ids."`
	Status string   `placeholder:"S" help:"All events of this status, such as dead."`
	Since  string   `placeholder:"D" help:"All events received since: 36h, 7d or a date."`
	Force  bool     `help:"Write even what looks unchanged."`
}

// Help implements kong.HelpProvider.
func (*replayCommand) Help() string {
	return `Queues events again as they were stored, for when the cause of a failure is gone. What is newer in the CRM stays: an older
event ends stale. After a change of the mapping crmsync resync is the better choice. The payload must still be there:
CRMSYNC_PAYLOAD_RETENTION, always for dead events.

Exit codes: 0 queued, 1 an event that was named could not be queued, 2 wrong usage.

Examples:
  crmsync replay msg_2Lh9KRb0pzN4LePd3XiA4v9Q
  crmsync replay --status dead                all of them, after the CRM was mended
  crmsync replay --status dead --since 7d     only those of the last week
  crmsync replay msg_2Lh9KRb0pzN4LePd3XiA4v9Q --force     write it although it looks unchanged`
}

// Run fails when an event that was named could not be queued.
func (c *replayCommand) Run(s *session) error {
	if len(c.IDs) == 0 && c.Status == "" && c.Since == "" {
		return usage(errors.New("say what to replay: event ids, --status dead or --since 7d"))
	}
	client, err := s.open(c.stateFlags, readWrite)
	if err != nil {
		return err
	}
	defer client.Close()
	var r state.RequeueResult
	req := replayRequest{IDs: c.IDs, Status: c.Status, Since: c.Since, Force: c.Force}
	if err := client.post(s.ctx, "/api/v1/replay", req, &r); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.stdout, r)
	} else {
		err = printReplay(s.stdout, r, client.running)
	}
	if err == nil && len(c.IDs) > 0 && len(r.Unknown)+len(r.PayloadGone) > 0 {
		return errTold
	}
	return err
}

func printReplay(w io.Writer, r state.RequeueResult, running bool) error {
	text := plural(r.Queued, "event") + " queued"
	if r.Queued > 0 && !running {
		text += "; the connector is not running and takes them up when it starts"
	}
	for _, part := range []struct {
		ids  []string
		text string
	}{
		{r.AlreadyPending, "already queued"},
		{r.PayloadGone, "not queued, the payload is gone (CRMSYNC_PAYLOAD_RETENTION); the next event about the record stands in for it"},
		{r.Unknown, "not known: crmsync events lists what is"},
	} {
		if len(part.ids) > 0 {
			text += "\n" + part.text + ": " + idsText(part.ids)
		}
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// maxIDs is how many ids people get to see; --json has all of them.
const maxIDs = 10

// idsText lists the first ids of many, and says how many there are.
func idsText(ids []string) string {
	if len(ids) <= maxIDs {
		return printable(strings.Join(ids, " "))
	}
	return fmt.Sprintf("%s, the first %d: %s …", plural(len(ids), "event"), maxIDs, printable(strings.Join(ids[:maxIDs], " ")))
}
