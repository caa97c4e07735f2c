package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"crmsync/connector"
	"crmsync/state/bolt"
)

const (
	// standbyReminder is how often the log says again that the service waits.
	standbyReminder = 5 * time.Minute
	// addressStep is how often an address in use is tried again.
	addressStep = 200 * time.Millisecond
	// handover is how long an address may stay in use when the state is free: a
	// process that is killed may lose its files before its listeners.
	handover = 3 * time.Second
)

// openState takes the state file. While another process has it, as the old one
// does in a rolling update, the service stands by until the file is free or ctx
// ends.
func (v *service) openState(ctx context.Context) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	left, _ := bolt.ReadHolder(v.cfg.State) // of a process that was killed, or that we wait for
	socket := v.placeSocket()
	var waiting sync.WaitGroup
	var since time.Time
	store, err := bolt.OpenWait(ctx, v.cfg.State, bolt.Options{Socket: socket}, func(held *bolt.LockedError) {
		since = time.Now()
		waiting.Go(func() {
			if err := v.standBy(ctx, held); err != nil {
				giveUp(err)
			}
		})
	})
	cause := context.Cause(ctx)
	giveUp(nil)
	waiting.Wait()
	switch {
	case err != nil && cause != nil:
		return fmt.Errorf("wait for the state file: %w", cause)
	case err != nil:
		return err // names the file and what to do
	}
	v.store, v.socket = store, socket
	v.down.addCloser("close state", store.Close)
	removeLeftover(v.cfg.State, left.Socket)
	if !since.IsZero() {
		v.patience = handover
		v.log.Info("state file is free, taking over", "waited", time.Since(since).Round(time.Millisecond).String())
	}
	return nil
}

// placeSocket returns where the service will offer its socket, "" when it finds
// no place: that is no reason not to run.
func (v *service) placeSocket() string {
	socket, err := socketFor(v.cfg.State)
	if err != nil {
		v.log.Warn("no place for the local socket, commands cannot look into the running connector", "error", err,
			"remedy", fmt.Sprintf("set CRMSYNC_STATE to a path of at most %d bytes, or TMPDIR to a directory that can be written", maxStatePath))
		return ""
	}
	v.down.addCloser("remove socket", func() error { return discardSocket(v.cfg.State, socket) })
	return socket
}

// standBy answers for the service while another process has the state, until
// ctx ends. On the machine of that process its addresses are taken as well: they
// are opened when they get free. It fails when one can never be opened.
func (v *service) standBy(ctx context.Context, held *bolt.LockedError) error {
	v.remind(held.Holder)
	reminder, step := time.NewTicker(standbyReminder), time.NewTicker(addressStep)
	defer reminder.Stop()
	defer step.Stop()
	for {
		if err := v.enterStandby(ctx, held); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-reminder.C:
			holder, _ := bolt.ReadHolder(v.cfg.State) // may be another one by now
			v.remind(holder)
		case <-step.C:
		}
	}
}

func (v *service) remind(holder bolt.Holder) {
	v.log.Warn("state file is in use, waiting until it is free", "state", v.cfg.State, "holder", holderText(holder),
		"remedy", "nothing while an update replaces that process; otherwise stop it, or set CRMSYNC_STATE to another file")
}

// enterStandby opens the listeners that are not open yet.
func (v *service) enterStandby(ctx context.Context, held *bolt.LockedError) error {
	var errs []error
	if !v.public.isOpen() {
		errs = append(errs, v.enter(ctx, v.public, connector.NewStandby(v.metrics), 0))
	}
	if v.admin != nil && !v.admin.isOpen() {
		errs = append(errs, v.enter(ctx, v.admin, v.standbyAdmin(held), 0))
	}
	for i, err := range errs {
		if errors.Is(err, syscall.EADDRINUSE) || ctx.Err() != nil {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// standbyAdmin is the handler of the admin listener of a service in standby.
func (v *service) standbyAdmin(held *bolt.LockedError) http.Handler {
	reason := fmt.Errorf("waiting for the state file %s, which %s has open", held.Path, holderText(held.Holder))
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusServiceUnavailable, problemView{reason.Error()})
	})
	local := localHandler(api, func(context.Context) error { return reason })
	metrics := promhttp.HandlerFor(v.registry, promhttp.HandlerOpts{})
	return adminHandler(local, metrics, string(v.cfg.AdminToken))
}

// holderText names the process that has a state file open.
func holderText(h bolt.Holder) string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d on %s", h.PID, h.Host)
}
