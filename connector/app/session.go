package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"crmsync/state/bolt"
)

// session is one run of the command line.
type session struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// stateFlags belong to every command that reads the state.
type stateFlags struct {
	State string `placeholder:"FILE" help:"State file of a running or stopped connector, or a backup (default: CRMSYNC_STATE)."`
	JSON  bool   `help:"Print JSON."`
}

// access says what a command does to a stopped state file.
type access bool

const (
	readOnly  access = false
	readWrite access = true
)

// dialTimeout is long for a local socket: a busy connector still answers.
const dialTimeout = 2 * time.Second

// open returns a client for the state that f names: through the socket of the
// connector that runs on it, else on the file itself.
func (s *session) open(f stateFlags, a access) (*client, error) {
	path, err := statePath(f.State)
	if err != nil {
		return nil, err
	}
	c, err := dialConnector(s.ctx, path)
	if c != nil || err != nil {
		return c, err
	}
	return s.openFile(path, a)
}

// dialConnector returns a client for the connector that runs on the state
// file, nil when there is none.
func dialConnector(ctx context.Context, statePath string) (*client, error) {
	socket := findSocket(statePath)
	dial := func(ctx context.Context) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "unix", socket)
	}
	conn, err := dial(ctx)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the socket %s of the connector may not be opened: run this as the user of the connector", socket)
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, context.DeadlineExceeded):
		return nil, (&pulse{state: statePath, socket: socket}).silent()
	case err != nil: // no socket, or one left behind by a kill
		return nil, ctx.Err()
	}
	conn.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	c := &client{http: &http.Client{Transport: transport}, running: true}
	c.pulse = &pulse{http: c.http, state: statePath, socket: socket}
	if err := c.pulse.check(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// stateInfo looks whether there is a state file.
func stateInfo(path string) (fs.FileInfo, error) {
	info, err := bolt.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage(fmt.Errorf("there is no state file %s: name it with --state or CRMSYNC_STATE; crmsync serve makes it", path))
	}
	return info, err
}

// openFile returns a client on a stopped state file.
func (s *session) openFile(path string, a access) (*client, error) {
	if _, err := stateInfo(path); err != nil {
		return nil, err
	}
	store, err := bolt.Open(path, bolt.Options{ReadOnly: a == readOnly, CheckPages: true})
	if err != nil {
		return nil, unanswered(err) // names the file and what to do
	}
	configured := readInForce(s.ctx)
	api := &api{
		ledger: store, now: time.Now, mapping: configured.mapping, behind: configured.behind, client: configured.client, kind: configured.kind, kept: retentionInForce,
		log: slog.New(slog.DiscardHandler), // errors reach the caller of the command
	}
	return &client{http: &http.Client{Transport: localTransport{api.handler()}}, close: func() error {
		return errors.Join(closeClient(configured.client), store.Close())
	}}, nil
}
