package app

import (
	"net/http"

	"crmsync/state"
)

// resyncCommand runs stored events through today's mapping.
type resyncCommand struct {
	stateFlags
	Object string `placeholder:"O" help:"Only events that write contact, activity or company records."`
	Since  string `placeholder:"D" help:"Only events received since: 36h, 7d or a date."`
}

// Help implements kong.HelpProvider.
func (*resyncCommand) Help() string {
	return `After a change of the mapping, a filter or the CRM account: queues the events that wrote the present version of each
record, and those that were filtered out or whose object was off. Records that come out the same are not written.
Events whose payload is gone (CRMSYNC_PAYLOAD_RETENTION) are counted: resend them from Svix.

Examples:
  crmsync preview --last 20                   look first at what the new mapping does
  crmsync resync                              then bring every record up to it
  crmsync resync --object activity --since 30d`
}

// Run succeeds also when some payloads are gone: it says so.
func (c *resyncCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readWrite)
	if err != nil {
		return err
	}
	defer client.Close()
	var r state.RequeueResult
	if err := client.post(s.ctx, "/api/v1/resync", resyncRequest{c.Object, c.Since}, &r); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.stdout, r)
	}
	return printReplay(s.stdout, r, client.running)
}

// resyncRequest is the body of POST /api/v1/resync.
type resyncRequest struct {
	Object string `json:"object,omitempty"`
	Since  string `json:"since,omitempty"`
}

func (a *api) resync(r *http.Request) (any, error) {
	var req resyncRequest
	if err := readBody(r, maxRequestBody, &req); err != nil {
		return nil, badRequest(`the body is not a resync request: expected {} or {"object":"contact","since":"7d"}`)
	}
	o := state.RequeueOptions{Resync: true}
	var err error
	if o.Object, err = parseObject(req.Object); err != nil {
		return nil, err
	}
	if o.Since, err = parseSince(req.Since, a.now()); err != nil {
		return nil, err
	}
	return a.ledger.Requeue(r.Context(), o)
}
