package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"crmsync/connector"
)

// pauseCommand stops writing to the CRM by hand.
type pauseCommand struct {
	stateFlags
}

// Help implements kong.HelpProvider.
func (*pauseCommand) Help() string {
	return `Returns when nothing is being written any more. Events are still accepted and wait; the pause outlives a restart and
ends with crmsync resume. While it lasts crmsync status exits 1 and nothing is read from the CRM either.

Examples:
  crmsync pause                               before somebody works on the CRM's data
  crmsync pause --state /data/crmsync.db      also of a stopped connector: it starts paused`
}

// Run succeeds also when writing is paused already.
func (c *pauseCommand) Run(s *session) error { return c.switchTo(s, "/api/v1/pause") }

// resumeCommand takes back pause.
type resumeCommand struct {
	stateFlags
}

// Help implements kong.HelpProvider.
func (*resumeCommand) Help() string {
	return `Ends a crmsync pause. Pauses that the connector made itself, such as after refused credentials, end by themselves.

Example:
  crmsync resume`
}

// Run succeeds also when writing is not paused.
func (c *resumeCommand) Run(s *session) error { return c.switchTo(s, "/api/v1/resume") }

func (f stateFlags) switchTo(s *session, path string) error {
	client, err := s.open(f, readWrite)
	if err != nil {
		return err
	}
	defer client.Close()
	var v pauseView
	if err := client.post(s.ctx, path, struct{}{}, &v); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(s.stdout, v)
	}
	return printPause(s.stdout, v, client.running)
}

func printPause(w io.Writer, v pauseView, running bool) error {
	var text string
	switch {
	case v.Paused && running:
		text = "writing is " + connector.HaltedReason(*v.Since)
	case v.Paused:
		text = "the connector is not running; it will start " + connector.HaltedReason(*v.Since)
	case running && v.CRM.State == connector.StatePaused:
		text = "no longer paused by hand, but " + printable(v.CRM.Reason)
	case running:
		text = "writing goes on"
	default:
		text = "the connector is not running; it will write when it starts"
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// pauseView answers POST /api/v1/pause and /api/v1/resume.
type pauseView struct {
	Paused bool                `json:"paused"` // by hand
	Since  *time.Time          `json:"since"`
	CRM    *connector.CRMState `json:"crm"` // null unless the connector runs
}

func (a *api) pause(r *http.Request) (any, error) {
	if a.live != nil {
		if err := a.live.pause(r.Context()); err != nil {
			return nil, err
		}
		return a.pauseView(r.Context())
	}
	since, err := a.ledger.Paused(r.Context())
	if err == nil && since.IsZero() {
		err = a.ledger.SetPaused(r.Context(), a.now())
	}
	if err != nil {
		return nil, err
	}
	return a.pauseView(r.Context())
}

func (a *api) resume(r *http.Request) (any, error) {
	set := func(ctx context.Context) error { return a.ledger.SetPaused(ctx, time.Time{}) }
	if a.live != nil {
		set = a.live.resume
	}
	if err := set(r.Context()); err != nil {
		return nil, err
	}
	return a.pauseView(r.Context())
}

func (a *api) pauseView(ctx context.Context) (any, error) {
	since, err := a.ledger.Paused(ctx)
	if err != nil {
		return nil, err
	}
	v := pauseView{Paused: !since.IsZero(), Since: known(since)}
	if a.live != nil {
		s := a.live.crm()
		v.CRM = &s
	}
	return v, nil
}
