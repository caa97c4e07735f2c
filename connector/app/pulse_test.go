package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hangingConnector is a transport to a connector that answers for a while: then
// it is as one that SIGSTOP has stopped.
type hangingConnector struct {
	until time.Time
	asked atomic.Int32 // requests other than for its health
}

// RoundTrip implements http.RoundTripper.
func (c *hangingConnector) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}
	if r.URL.Path != "/healthz" {
		c.asked.Add(1)
		answer.Body = endlessBody{r.Context()}
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return answer, nil
	}
	if time.Now().Before(c.until) {
		return answer, nil
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// endlessBody is the body of an answer of which nothing more comes.
type endlessBody struct{ ctx context.Context } //nolint:containedctx // of its request

func (b endlessBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }
func (b endlessBody) Close() error             { return nil }

func hangingClient(life time.Duration) (*client, *hangingConnector) {
	c := &hangingConnector{until: time.Now().Add(life)}
	h := &http.Client{Transport: c}
	return &client{http: h, running: true, pulse: &pulse{http: h, state: "none.db", socket: "x.sock"}}, c
}

// However long an answer takes, it is waited for while the connector lives.
func TestPulse_OfAConnectorThatHangs(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *client) error{
		"before its answer": func(ctx context.Context, c *client) error { return c.post(ctx, "/slow", struct{}{}, nil) },
		"in its answer":     func(ctx context.Context, c *client) error { return c.download(ctx, "/backup", io.Discard) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const life = time.Hour
				c, _ := hangingClient(life)
				start := time.Now()
				err := ask(t.Context(), c)
				if !errors.Is(err, errSilent) || !strings.Contains(err.Error(), "x.sock") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took < life || took > life+pulseStep+pulsePatience {
					t.Errorf("gave up after %s", took)
				}
			})
		})
	}
}

func TestPulse_OfACommandThatIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := hangingClient(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.post(ctx, "/slow", struct{}{}, nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errSilent) {
			t.Errorf("got %v", err)
		}
	})
}

// A connector that hangs is not asked: it would do it when it goes on, long
// after the command has failed.
func TestDialConnector_OfOneThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	listener, err := net.Listen("unix", path+".sock")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.WriteFile(path+".lock", []byte(`{"pid":4711,"host":"h"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	client, err := dialConnector(ctx, path)
	if client != nil || !errors.Is(err, errSilent) || !strings.Contains(err.Error(), "kill -CONT 4711") {
		t.Errorf("got %v, %v", client, err)
	}
}

func TestDialConnector_OfSomethingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	listener, err := net.Listen("unix", path+".sock")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	if client, err := dialConnector(t.Context(), path); client != nil || err == nil || !strings.Contains(err.Error(), "is not a crmsync connector") {
		t.Errorf("got %v, %v", client, err)
	}
}
