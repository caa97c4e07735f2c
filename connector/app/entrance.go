package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"crmsync/connector"
)

// entrance is a TCP listener of the service. What it serves can be changed
// while it is open, because it may be open before the service has its state.
type entrance struct {
	name     string // such as "public listener"
	purpose  string // such as "listen for webhooks", with the variable
	addr     string
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	listener net.Listener // nil while it is closed
}

func newEntrance(name, purpose, addr string, build func(http.Handler) *http.Server) *entrance {
	e := &entrance{name: name, purpose: purpose, addr: addr}
	e.server = build(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*e.handler.Load()).ServeHTTP(w, r)
	}))
	return e
}

// newEntrances returns the public and the admin listener; the second is nil
// when it is off.
func newEntrances(publicAddr, adminAddr string) (public, admin *entrance) {
	public = newEntrance("public listener", "listen for webhooks (CRMSYNC_LISTEN_ADDR)", publicAddr,
		func(h http.Handler) *http.Server { return connector.NewServer(publicAddr, h) })
	if adminAddr != "" {
		admin = newEntrance("admin listener", "listen for admin requests (CRMSYNC_ADMIN_ADDR)", adminAddr, newAdminServer)
	}
	return public, admin
}

// isOpen reports whether e listens; nil does not.
func (e *entrance) isOpen() bool { return e != nil && e.listener != nil }

// address returns where e listens, nil while it does not.
func (e *entrance) address() net.Addr {
	if !e.isOpen() {
		return nil
	}
	return e.listener.Addr()
}

// enter serves h to those who come in through e, and opens it when it is not.
// An address in use is tried again for patience.
func (v *service) enter(ctx context.Context, e *entrance, h http.Handler, patience time.Duration) error {
	e.handler.Store(&h)
	if !e.isOpen() {
		listener, err := listen(ctx, e.addr, patience)
		if err != nil {
			return fmt.Errorf("%s: %w", e.purpose, err)
		}
		e.listener = listener
		v.run(e.name, listener, e.server)
	}
	v.closeLater(e.name, e.server) // also when it was open: before the parts that h needs
	return nil
}

// listen returns a listener on addr. While another one has it, it tries again
// for patience.
func listen(ctx context.Context, addr string, patience time.Duration) (net.Listener, error) {
	for deadline := time.Now().Add(patience); ; {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			return listener, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(addressStep):
		}
	}
}

// run serves on a listener until its server is closed.
func (v *service) run(name string, listener net.Listener, server *http.Server) {
	server.ErrorLog = slog.NewLogLogger(v.log.Handler(), slog.LevelDebug) // broken clients, mostly
	v.work(name, func() error { return server.Serve(listener) })
}

// closeLater lets the requests of a server finish when the service stops.
func (v *service) closeLater(name string, server *http.Server) {
	v.down.add("close "+name, func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) { // clients that take their time are cut off
			return server.Close()
		}
		return err
	})
}
