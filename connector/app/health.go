package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"crmsync/connector"
	"crmsync/state/bolt"
)

// healthTimeout is below the time-outs that probes usually have.
const healthTimeout = 4 * time.Second

// healthCommand asks the running connector whether it is ready.
type healthCommand struct {
	stateFlags
	CRM bool `name:"crm" help:"Fail also while writing to the CRM is paused."`
}

// Help implements kong.HelpProvider.
func (*healthCommand) Help() string {
	return `Asks the connector that runs on the state file whether it can accept events, as /readyz does: for the HEALTHCHECK of a
container and for probes. A paused CRM is no reason to restart anything; --crm is for alerting.

Exit codes: 0 ready, 1 not ready or not running.

Examples:
  crmsync health
  crmsync health --crm                        fails also while the CRM is paused
  crmsync health --json                       with the reason`
}

// healthView is the JSON of health.
type healthView struct {
	Ready  bool                `json:"ready"`
	Reason string              `json:"reason"`
	CRM    *connector.CRMState `json:"crm"` // null unless asked for

	byHand bool // a person paused it: the reason says how it ends
}

// Run fails when the connector is not ready.
func (c *healthCommand) Run(s *session) (err error) {
	ctx, cancel := context.WithTimeout(s.ctx, healthTimeout)
	defer cancel()
	v, failure := c.ask(ctx)
	if failure != nil && !c.JSON {
		return failure
	}
	code := exitFailed
	if failure != nil {
		v = healthView{Reason: failure.Error()}
		code, _ = exitCode(failure)
	}
	if c.JSON {
		err = printJSON(s.stdout, v)
	} else {
		_, err = fmt.Fprintln(s.stdout, v.text())
	}
	if err == nil && !v.well() {
		return &exitError{code: code}
	}
	return err
}

func (v healthView) well() bool {
	return v.Ready && (v.CRM == nil || v.CRM.State != connector.StatePaused)
}

func (v healthView) text() string {
	switch {
	case !v.Ready:
		return v.Reason
	case v.byHand:
		return "writing is " + printable(v.CRM.Reason)
	case !v.well():
		return "the CRM is paused: " + printable(v.CRM.Reason) + "; run crmsync check"
	}
	return "ready"
}

// ask goes through the socket, which knows reasons, else to the public
// listener, which says yes or no.
func (c *healthCommand) ask(ctx context.Context) (healthView, error) {
	path, err := statePath(c.State)
	if err != nil {
		return healthView{}, err
	}
	client, err := dialConnector(ctx, path)
	if err != nil {
		return healthView{}, err
	}
	switch {
	case client == nil && c.CRM:
		return healthView{}, errors.New("the connector does not run, or runs on another state file: its socket is not there")
	case client == nil:
		return c.askPublic(ctx)
	}
	defer client.Close()
	if v, waits := c.standby(ctx, path); waits {
		return v, nil
	}
	v := healthView{}
	if v.Ready, v.Reason, err = probe(ctx, client.http, "http://crmsync/readyz"); err != nil || !c.CRM {
		return v, err
	}
	var status statusView
	err = client.get(ctx, "/api/v1/status", nil, &status)
	v.CRM, v.byHand = &status.CRM, status.PausedByHandSince != nil
	return v, err
}

// standby reports whether the connector on this machine waits for the one that
// answers on the socket: in a rolling update containers share the volume, and a
// probe is about its own.
func (c *healthCommand) standby(ctx context.Context, path string) (healthView, bool) {
	holder, err := bolt.ReadHolder(path)
	if host, unknown := os.Hostname(); err != nil || unknown != nil || holder.Host == host || c.State != "" {
		return healthView{}, false
	}
	v, err := c.askPublic(ctx)
	v.Reason = "waiting for the state file, which " + holderText(holder) + " has open"
	return v, err == nil && !v.Ready
}

func (c *healthCommand) askPublic(ctx context.Context) (healthView, error) {
	cfg, err := loadOnly("CRMSYNC_LISTEN_ADDR")
	if err != nil {
		return healthView{}, err
	}
	v := healthView{}
	v.Ready, v.Reason, err = probe(ctx, http.DefaultClient, loopbackURL(cfg.ListenAddr)+"/readyz")
	return v, err
}
