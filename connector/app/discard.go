package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"crmsync/state"
)

// maxReason bounds the reason of a discard, in bytes.
const maxReason = 500

// discardCommand ends dead events that will never be written.
type discardCommand struct {
	stateFlags
	IDs    []string `arg:"" name:"id" help:"Event or message ids of dead events."`
	Reason string   `required:"" placeholder:"TEXT" help:"Why nobody will mend it; explain shows it."`
}

// Help implements kong.HelpProvider.
func (*discardCommand) Help() string {
	return `A discarded event counts as skipped, and a repetition of it changes nothing; crmsync replay ID takes the discard back
while the payload is kept (CRMSYNC_PAYLOAD_RETENTION).

Exit codes: 0 discarded, 1 an event that was named is not dead, 2 wrong usage.

Examples:
  crmsync events --status dead                which are there?
  crmsync discard msg_2Lh9KRb0pzN4LePd3XiA4v9Q --reason "test account"`
}

// Run fails when an event that was named is not dead.
func (c *discardCommand) Run(s *session) error {
	client, err := s.open(c.stateFlags, readWrite)
	if err != nil {
		return err
	}
	defer client.Close()
	var r state.DiscardResult
	if err := client.post(s.ctx, "/api/v1/discard", discardRequest{IDs: c.IDs, Reason: c.Reason}, &r); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.stdout, r)
	} else {
		err = printDiscard(s.stdout, r)
	}
	if err == nil && len(r.NotDead)+len(r.Unknown) > 0 {
		return errTold
	}
	return err
}

func printDiscard(w io.Writer, r state.DiscardResult) error {
	text := plural(r.Discarded, "event") + " discarded"
	if len(r.NotDead) > 0 {
		text += "\nnot dead: " + printable(strings.Join(r.NotDead, " "))
	}
	if len(r.Unknown) > 0 {
		text += "\nnot known: crmsync events --status dead lists what is: " + printable(strings.Join(r.Unknown, " "))
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// discardRequest is the body of POST /api/v1/discard.
type discardRequest struct {
	IDs    []string `json:"ids"`
	Reason string   `json:"reason"`
}

func (a *api) discard(r *http.Request) (any, error) {
	var req discardRequest
	if err := readBody(r, maxRequestBody, &req); err != nil || len(req.IDs) == 0 {
		return nil, badRequest(`the body is not a discard request: expected {"ids":["…"],"reason":"…"}`)
	}
	req.Reason = strings.TrimSpace(req.Reason)
	if req.Reason == "" || len(req.Reason) > maxReason || !utf8.ValidString(req.Reason) {
		return nil, badRequest("say why with a reason of 1 to %d bytes", maxReason)
	}
	return a.ledger.Discard(r.Context(), req.IDs, req.Reason)
}
