package crmtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// silence is the answer of a server that keeps the connection and says nothing.
const silence = "\x00"

// statusAnswer renders an answer by hand: net/http refuses to send some of them.
func statusAnswer(status int, body string) string {
	kind := "application/json"
	if len(body) > 0 && body[0] == '<' {
		kind = "text/html"
	}
	return fmt.Sprintf("HTTP/1.1 %d Answer\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, kind, len(body), body)
}

// rawServer answers every request with the given bytes and closes the
// connection. Each request is reported to arrived unless that is nil.
type rawServer struct {
	url      string
	answer   string
	arrived  func()
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

// listenRaw starts a server, which the caller closes.
func listenRaw(answer string, arrived func()) (*rawServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &rawServer{
		url: "http://" + listener.Addr().String(), answer: answer, arrived: arrived,
		listener: listener, open: map[net.Conn]bool{},
	}
	s.wg.Go(s.accept)
	return s, nil
}

// serveRaw starts a server that ends with the test.
func serveRaw(t *testing.T, answer string, arrived func()) (url string) {
	t.Helper()
	s, err := listenRaw(answer, arrived)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s.url
}

func (s *rawServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		s.open[conn] = true
		closed := s.closed
		s.mu.Unlock()
		if closed {
			_ = conn.Close()
			return
		}
		s.wg.Go(func() { s.serve(conn) })
	}
}

func (s *rawServer) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	if s.arrived != nil {
		s.arrived()
	}
	if s.answer == silence {
		_, _ = io.Copy(io.Discard, conn) // until the client or the test ends
		return
	}
	_, _ = io.WriteString(conn, s.answer)
}

func (s *rawServer) close() {
	s.mu.Lock()
	s.closed = true
	_ = s.listener.Close()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
