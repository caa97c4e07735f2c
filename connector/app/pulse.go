package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"crmsync/state/bolt"
)

// A question may take long to answer, as state verify and pause do. What has a
// limit is how long a connector may not even say that it lives.
const (
	pulseStep     = 5 * time.Second
	pulsePatience = 10 * time.Second
)

// errSilent says that a connector hangs.
var errSilent = errors.New("does not answer")

// pulse tells whether the connector behind a socket lives.
type pulse struct {
	http   *http.Client
	state  string // path
	socket string
}

// check fails when the connector does not say in time that it lives: then
// nothing should be asked of it, which it could do much later.
func (p *pulse) check(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, pulsePatience)
	defer cancel()
	ok, _, err := probe(limited, p.http, "http://crmsync/healthz")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.silent()
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("what listens on %s is not a crmsync connector: stop it, or name another state file with --state or CRMSYNC_STATE", p.socket)
	}
	return nil
}

func (p *pulse) silent() error {
	holder, err := bolt.ReadHolder(p.state)
	if err != nil || holder.PID == 0 {
		return fmt.Errorf("what listens on %s %w: stop it when it is no connector; otherwise its log may say why", p.socket, errSilent)
	}
	return fmt.Errorf("the connector, %s, %w on %s: kill -CONT %d when somebody stopped it, otherwise restart it; its log may say why",
		holderText(holder), errSilent, p.socket, holder.PID)
}

// watch returns a context that ends, with the reason, when the connector falls
// silent. The caller stops the watch. A connector that ends is none of it: it
// answers first, or breaks the connection.
func (p *pulse) watch(ctx context.Context) (_ context.Context, stop func()) {
	if p == nil { // the answer comes from this process
		return ctx, func() {}
	}
	watched, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		step := time.NewTicker(pulseStep)
		defer step.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-step.C:
			}
			if err := p.check(watched); errors.Is(err, errSilent) {
				end(err)
			}
		}
	})
	return watched, func() { end(nil); watching.Wait() }
}

// watchedBody is the body of an answer, read under a watch.
type watchedBody struct {
	io.ReadCloser
	watched context.Context //nolint:containedctx // its end is the end of the body
	stop    func()
}

// Read tells why the connection was given up, if it was.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && b.watched.Err() != nil {
		err = context.Cause(b.watched)
	}
	return n, err
}

// Close ends the watch as well.
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.stop()
	return err
}
