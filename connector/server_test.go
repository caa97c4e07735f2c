package connector

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener hands out in-memory connections, whose deadlines follow the
// clock of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// startServer serves rc in memory and returns a function that connects.
func startServer(t *testing.T, rc *Receiver) (dial func() net.Conn) {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := NewServer("", rc)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down: %v", err)
		}
		<-served
	})
	return func() net.Conn {
		ours, theirs := net.Pipe()
		l.conns <- theirs
		t.Cleanup(func() { _ = ours.Close() })
		return ours
	}
}

// wireHeaders returns the example's request head, with extra lines.
func wireHeaders(extra ...string) string {
	return strings.Join(append([]string{
		"POST /webhooks HTTP/1.1", "Host: localhost",
		"svix-id: " + exampleID, fmt.Sprintf("svix-timestamp: %d", exampleTime), "svix-signature: " + exampleV1,
	}, extra...), "\r\n") + "\r\n\r\n"
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func readStatus(t *testing.T, conn io.Reader) int {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read response: %v", err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestServer_TakesBodiesByLengthAndInChunks(t *testing.T) {
	for name, request := range map[string]string{
		"length": wireHeaders(fmt.Sprintf("Content-Length: %d", len(exampleBody))) + exampleBody,
		"chunks": wireHeaders("Transfer-Encoding: chunked") +
			fmt.Sprintf("5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", exampleBody[:5], len(exampleBody)-5, exampleBody[5:]),
	} {
		synctest.Test(t, func(t *testing.T) {
			inbox := &fakeInbox{}
			conn := startServer(t, newTestReceiver(t, inbox))()
			write(t, conn, request)
			if got := readStatus(t, conn); got != http.StatusNoContent {
				t.Errorf("%s: got %d, want 204", name, got)
			}
			if inbox.stored() != 1 {
				t.Errorf("%s: not stored", name)
			}
		})
	}
}

// A sender that stops in the middle of a body is cut off, and its bytes are
// free for others again (newTestReceiver checks).
func TestServer_CutsOffSlowBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		conn := startServer(t, rc)()
		start := time.Now()
		write(t, conn, wireHeaders("Content-Length: 4000000")+"{")
		if got := readStatus(t, conn); got != http.StatusBadRequest {
			t.Errorf("got %d, want 400", got)
		}
		if took := time.Since(start); took != readTimeout {
			t.Errorf("took %v, want %v", took, readTimeout)
		}
		synctest.Wait()
		wantResults(t, rc, map[string]float64{"bad_body": 1})
	})
}

func TestServer_CutsOffSlowHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, newTestReceiver(t, &fakeInbox{}))()
		start := time.Now()
		write(t, conn, "POST /webhooks HTTP/1.1\r\nsvix-id: msg")
		_, _ = io.ReadAll(conn)
		if took := time.Since(start); took != readHeaderTimeout {
			t.Errorf("took %v, want %v", took, readHeaderTimeout)
		}
	})
}

func TestServer_RefusesHugeHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := &fakeInbox{}
		conn := startServer(t, newTestReceiver(t, inbox))()
		go func() { _, _ = io.WriteString(conn, wireHeaders("x: "+strings.Repeat("x", 4*maxHeaderBytes))) }()
		if got := readStatus(t, conn); got != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %d, want 431", got)
		}
	})
}
