package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
)

// exportCommand writes all that the state says about events and records.
type exportCommand struct {
	State string `placeholder:"FILE" help:"State file of a running or stopped connector, or a backup (default: CRMSYNC_STATE)."`
	JSON  bool   `help:"Print JSON, as without it: for uniform scripts."`
}

// Help implements kong.HelpProvider.
func (*exportCommand) Help() string {
	return `Every line is {"event":…}, newest first, or {"object":…}, with the fields that events --json and objects --json print.
Payloads are not part of it. On a running connector what changes meanwhile may show its old or its new status; export a
backup for one moment's view.

Examples:
  crmsync state export > crmsync.jsonl
  crmsync state export | jq -r 'select(.event.status == "dead") | .event.id'`
}

// Run reads page by page and prints while it reads: there may be many lines.
func (c *exportCommand) Run(s *session) error {
	client, err := s.open(stateFlags{State: c.State}, readOnly)
	if err != nil {
		return err
	}
	defer client.Close()
	out := bufio.NewWriter(s.stdout)
	return errors.Join(export(s.ctx, client, out), out.Flush())
}

// export holds one page in memory.
func export(ctx context.Context, c *client, w io.Writer) error {
	for _, list := range []struct{ path, kind string }{{"/api/v1/events", "event"}, {"/api/v1/objects", "object"}} {
		for entry, err := range c.list(ctx, list.path, url.Values{}, 0) {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "{%q:%s}\n", list.kind, entry); err != nil {
				return err
			}
		}
	}
	return nil
}
