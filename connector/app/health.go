package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

	byHand  bool // a person paused it: the reason says how it ends
	standby bool // it waits for the state
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

// ask goes through the socket of the connector on the state file: whatever else
// listens on this machine may have another one.
func (c *healthCommand) ask(ctx context.Context) (healthView, error) {
	path, err := statePath(c.State)
	if err != nil {
		return healthView{}, err
	}
	client, err := dialConnector(ctx, path)
	switch {
	case err != nil:
		return healthView{}, err
	case client == nil:
		return c.askDeaf(ctx, path)
	}
	defer client.Close()
	if c.State == "" {
		// Who waits for that connector, as in a rolling update, has the same
		// state: a probe is about its own.
		if v, err := c.askPublic(ctx, path); err == nil && v.standby {
			return v, nil
		}
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

// askDeaf asks the public listener, which says yes or no, when a process has the
// state file open and offers no socket.
func (c *healthCommand) askDeaf(ctx context.Context, path string) (healthView, error) {
	holder, err := bolt.ReadHolder(path)
	if err != nil || !inUse(path) {
		return healthView{}, fmt.Errorf("no connector answers on state file %s, its socket is not there: start it, or name another file with --state or CRMSYNC_STATE", path)
	}
	if c.CRM {
		return healthView{}, fmt.Errorf("%s has state file %s open, but its socket is not there, which alone tells about the CRM: its log says why", holderText(holder), path)
	}
	v, err := c.askPublic(ctx, path)
	if err != nil {
		err = fmt.Errorf("%s has state file %s open, but its socket is not there, its log says why; %w", holderText(holder), path, err)
	}
	return v, err
}

// inUse reports whether a process has the state file open for writing.
func inUse(path string) bool {
	store, err := bolt.Open(path, bolt.Options{ReadOnly: true, LockTimeout: lockPatience})
	if err == nil {
		err = store.Close()
	}
	_, locked := errors.AsType[*bolt.LockedError](err)
	return locked
}

// askPublic asks the configured public listener.
func (c *healthCommand) askPublic(ctx context.Context, path string) (healthView, error) {
	cfg, err := loadOnly("CRMSYNC_LISTEN_ADDR")
	if err != nil {
		return healthView{}, err
	}
	v := healthView{}
	v.Ready, v.Reason, err = probe(ctx, http.DefaultClient, loopbackURL(cfg.ListenAddr)+"/readyz")
	if v.Reason == connector.StandbyWord {
		holder, _ := bolt.ReadHolder(path) // without a name it is another process
		v.standby, v.Reason = true, "waiting for the state file, which "+holderText(holder)+" has open"
	}
	return v, err
}
