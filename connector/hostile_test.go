package connector

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stall sends the head of a request and a first byte of its body, then nothing.
func stall(t *testing.T, conn net.Conn, extra string) {
	t.Helper()
	write(t, conn, wireHeaders(extra))
	write(t, conn, map[bool]string{true: "5\r\n{", false: "{"}[strings.HasPrefix(extra, "Transfer")])
}

// However much was declared, what never arrives costs others nothing: a good
// sender is served at once among thousands that stall.
func TestServer_SendersThatStallLeaveRoomForOthers(t *testing.T) {
	const stalling = 2000
	for _, declared := range []string{fmt.Sprintf("Content-Length: %d", defaultMaxBytes), "Transfer-Encoding: chunked"} {
		synctest.Test(t, func(t *testing.T) {
			inbox := &fakeInbox{}
			rc := newTestReceiver(t, inbox)
			dial := startServer(t, rc)
			for range stalling {
				stall(t, dial(), declared)
			}
			synctest.Wait()
			start, conn := time.Now(), dial()
			write(t, conn, wireHeaders(fmt.Sprintf("Content-Length: %d", len(exampleBody)))+exampleBody)
			if got := readStatus(t, conn); got != http.StatusNoContent || time.Since(start) > 0 {
				t.Errorf("%s: answered %d after %s", declared, got, time.Since(start))
			}
			time.Sleep(readTimeout)
			synctest.Wait()
			wantResults(t, rc, map[string]float64{"accepted": 1, "bad_body": stalling})
		})
	}
}

// trickle writes text byte by byte, one each second, until the other side has
// had enough, and returns how long that took.
func trickle(conn net.Conn, text string) time.Duration {
	start := time.Now()
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			break
		}
		time.Sleep(time.Second)
	}
	return time.Since(start)
}

// A byte now and then does not buy more time.
func TestServer_CutsOffSendersThatTrickle(t *testing.T) {
	for _, tt := range []struct {
		name, head, slowly string
		most               time.Duration
	}{
		{"request line", "", "POST /" + strings.Repeat("x", 100), readHeaderTimeout},
		{"headers", "POST /webhooks HTTP/1.1\r\n", "x: " + strings.Repeat("y", 100), readHeaderTimeout},
		{"body", wireHeaders("Content-Length: 500"), strings.Repeat("z", 500), readTimeout},
		{"chunks", wireHeaders("Transfer-Encoding: chunked"), strings.Repeat("1\r\nz\r\n", 100), readTimeout},
		{"chunk length", wireHeaders("Transfer-Encoding: chunked"), strings.Repeat("0", 500), readTimeout},
		{"trailers", wireHeaders("Transfer-Encoding: chunked") + "0\r\n", "x: " + strings.Repeat("y", 500), readTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			inbox := &fakeInbox{}
			conn := startServer(t, newTestReceiver(t, inbox))()
			write(t, conn, tt.head)
			if took := trickle(conn, tt.slowly); took > tt.most+2*time.Second {
				t.Errorf("%s: cut off after %s, want %s", tt.name, took, tt.most)
			}
			if inbox.stored() > 0 {
				t.Errorf("%s: stored", tt.name)
			}
		})
	}
}

// endless writes as if there were 100 MB and counts what is taken.
func endless(conn net.Conn, chunked bool) (taken <-chan int) {
	counted := make(chan int, 1)
	go func() {
		piece, total := strings.Repeat("x", 32<<10), 0
		if chunked {
			piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
		}
		for total < 100<<20 {
			n, err := io.WriteString(conn, piece)
			if total += n; err != nil {
				break
			}
		}
		counted <- total
	}()
	return counted
}

// A body of 100 MB is refused without being read when it is declared, and after
// the limit when it is not; the rest is not taken in either.
func TestServer_RefusesHugeBodiesWithoutReadingThem(t *testing.T) {
	const drained = 512 << 10 // net/http reads a little of what is left, to save the connection
	for _, tt := range []struct {
		declared string
		most     int
	}{
		{"Content-Length: 104857600", drained},
		{"Content-Length: 9223372036854775807", drained},
		{"Content-Length: 104857600\r\nExpect: 100-continue", drained},
		{"Transfer-Encoding: chunked", defaultMaxBytes + drained},
	} {
		synctest.Test(t, func(t *testing.T) {
			inbox := &fakeInbox{}
			conn := startServer(t, newTestReceiver(t, inbox))()
			write(t, conn, wireHeaders(tt.declared))
			taken := endless(conn, strings.HasPrefix(tt.declared, "Transfer"))
			if got := readStatus(t, conn); got != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: got %d, want 413", tt.declared, got)
			}
			if n := <-taken; n > tt.most {
				t.Errorf("%s: %d bytes were read", tt.declared, n)
			}
			if inbox.accepts != 0 {
				t.Errorf("%s: the store was asked", tt.declared)
			}
		})
	}
}
