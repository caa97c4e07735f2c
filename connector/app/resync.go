package app

import (
	"context"
	"fmt"
	"maps"
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
Says before how many records another mapping wrote, and how many of them are out of reach, as the payload of their event is
gone (CRMSYNC_PAYLOAD_RETENTION): those follow with the next event about them.

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
	var r resyncView
	if err := client.post(s.ctx, "/api/v1/resync", resyncRequest{c.Object, c.Since}, &r); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.stdout, r)
	}
	for _, line := range behindText(r.Behind, "") {
		fmt.Fprintln(s.stdout, line)
	}
	return printReplay(s.stdout, r.RequeueResult, client.running)
}

// resyncView answers POST /api/v1/resync.
type resyncView struct {
	state.RequeueResult
	Behind map[string]behindView `json:"behind"` // as it was before; null when no mapping can be read
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
	var v resyncView
	if v.Behind, err = a.recordsBehind(r.Context(), o.Object); err != nil {
		return nil, err
	}
	v.RequeueResult, err = a.ledger.Requeue(r.Context(), o)
	return v, err
}

// recordsBehind narrows what is behind to one object, or to none.
func (a *api) recordsBehind(ctx context.Context, object string) (map[string]behindView, error) {
	stats, err := a.ledger.Stats(ctx)
	if err != nil {
		return nil, err
	}
	v, err := a.behind.view(ctx, a.ledger, stats, a.now())
	maps.DeleteFunc(v, func(name string, _ behindView) bool { return object != "" && name != object })
	return v, err
}
