package connector

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
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

// hostileBodies are signed bodies that no sane sender makes, and how each ends.
func hostileBodies() map[string][2]string {
	user := func(member string) string {
		return fmt.Sprintf(`{"type":"user.updated","timestamp":%q,"payload":{"user":{"id":"u",%s}}}`, at(1), member)
	}
	long := strings.Repeat("x", 1<<20)
	return map[string][2]string{
		"nothing":            {``, "dead/bad_payload"},
		"NULs":               {"\x00\x00\x00", "dead/bad_payload"},
		"not UTF-8":          {"\xff\xfe{\x00}\x00", "dead/bad_payload"},
		"byte order mark":    {"\xef\xbb\xbf" + user(`"name":"a"`), "dead/bad_payload"},
		"gzip":               {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "dead/bad_payload"},
		"cut short":          {user(`"name":"a"`)[:80], "dead/bad_payload"},
		"two values":         {user(`"name":"a"`) + "{}", "dead/bad_payload"},
		"open brackets":      {strings.Repeat("[", 1<<20), "dead/bad_payload"},
		"deep arrays":        {user(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "dead/bad_payload"},
		"deep objects":       {user(`"x":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)), "dead/bad_payload"},
		"a million members":  {user(`"name":"a"` + strings.Repeat(`,"a":1`, 500_000)), "applied"},
		"a million elements": {user(`"name":"a","x":[1` + strings.Repeat(`,1`, 1_000_000) + "]"), "applied"},
		"huge number":        {user(`"name":"a","x":` + strings.Repeat("9", 1<<20)), "applied"},
		"huge exponent":      {user(`"name":"a","x":1e999999999,"y":-1e-999999999`), "applied"},
		"huge name":          {user(`"name":"` + long + `"`), "applied"},
		"huge type":          {`{"type":"` + long + `"}`, "skipped/unsupported_type"},
		"huge id":            {`{"id":"` + long + `","type":"user.updated","timestamp":"` + at(1) + `","payload":{"user":{"id":"u","name":"a"}}}`, "applied"},
		"huge key":           {`{"type":"user.updated","timestamp":"` + at(1) + `","payload":{"user":{"id":"` + long + `"}}}`, "dead/bad_key"},
		"NUL in the key":     {`{"type":"user.updated","timestamp":"` + at(1) + `","payload":{"user":{"id":"u\u0000v","name":"a"}}}`, "applied"},
		"NUL in a text":      {user(`"name":"a\u0000b"`), "applied"},
		"half a character":   {user("\"name\":\"\xc3\""), "applied"},
		"lone surrogates":    {user(`"name":"\ud800","role":"\udc00\ud800"`), "applied"},
		"the same name twice": {`{"type":"org.updated","type":"user.updated","timestamp":"` + at(1) +
			`","payload":{"user":{"id":"w"}},"payload":{"user":{"id":"u","id":"v","name":"a"}}}`, "applied"},
	}
}

// A hostile body ends with a reason, costs a bounded time, and holds nobody up:
// good events among them are written, and the counts add up.
func TestHostileBodies_EndWithAReason(t *testing.T) {
	for name, tt := range hostileBodies() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			start := time.Now()
			w.deliver(tt[0], userEvent("good", "created", "good", 1, "Good", "good@b.example"))
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if got := w.status("msg_1"); got != tt[1] {
				t.Errorf("ended as %s, want %s", got, tt[1])
			}
			if got := w.status("good"); got != "applied" {
				t.Errorf("the good one is %s", got)
			}
			w.stats()
			for _, line := range w.crm.dump() {
				if !utf8.ValidString(line) {
					t.Errorf("the CRM was sent %q", line)
				}
			}
		})
	}
}

// FuzzBody signs whatever body: it is accepted, kept byte by byte, and what is
// read of it at the door stays within the limits of a state.
func FuzzBody(f *testing.F) {
	for _, tt := range hostileBodies() {
		if len(tt[0]) < 1000 {
			f.Add([]byte(tt[0]))
		}
	}
	f.Add([]byte(userEvent("e", "created", "u", 1, "Name", "n@b.example")))
	f.Fuzz(func(t *testing.T, body []byte) {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		wantStatus(t, serve(rc, signedRequest(svixFamily, exampleID, string(body))), http.StatusNoContent)
		m := inbox.messages[0]
		if !bytes.Equal(m.Body, body) || m.MessageID != exampleID {
			t.Errorf("stored %q as %q", m.Body, m.MessageID)
		}
		if len(m.ID) > 128 || len(m.Key) > 128 || len(m.Lanes) > 2 || len(m.Lanes) > 0 && m.Lanes[0].Key != m.Key {
			t.Errorf("read %q %q %v", m.ID, m.Key, m.Lanes)
		}
		if year := m.OccurredAt.Year(); !m.OccurredAt.IsZero() && (year < 1678 || year > 2261) {
			t.Errorf("the year %d does not fit into nanoseconds", year)
		}
	})
}

// FuzzWire sends whatever bytes to the listener and hangs up: each request is
// answered with a status that we know, no connection outlives the time-outs, and
// only what was signed is stored.
func FuzzWire(f *testing.F) {
	signed := wireHeaders(fmt.Sprintf("Content-Length: %d", len(exampleBody))) + exampleBody
	for _, seed := range []string{
		signed, signed + signed, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + signed,
		wireHeaders("Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(exampleBody), exampleBody),
		wireHeaders("Transfer-Encoding: chunked", "Content-Length: 3") + "0\r\n\r\n", wireHeaders("Content-Length: 5", "Content-Length: 6") + "{}",
		wireHeaders("Content-Length: -1"), wireHeaders("Content-Length: 99999999999999999999"), wireHeaders("Transfer-Encoding: gzip, chunked"),
		wireHeaders("Transfer-Encoding: chunked") + "ffffffffffffffff\r\nx", wireHeaders("Content-Encoding: gzip", "Content-Length: 0"),
		wireHeaders("Svix-Id: msg_other"), wireHeaders("svix-signature : x"), wireHeaders("x: a\x00b"), wireHeaders("\x00: x"), wireHeaders(" folded: x"),
		wireHeaders("Expect: 200-ok"), wireHeaders("Upgrade: h2c", "Connection: Upgrade"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00",
		"POST http://elsewhere.example/webhooks HTTP/1.1\r\nHost: x\r\n\r\n", "POST /webhooks HTTP/9.9\r\n\r\n", "POST /webhooks\r\n\r\n", "\r\n\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	known := []int{200, 204, 400, 401, 404, 405, 413, 415, 417, 431, 501, 505}
	f.Fuzz(func(t *testing.T, sent []byte) {
		synctest.Test(t, func(t *testing.T) {
			inbox := &fakeInbox{}
			conn := startServer(t, newTestReceiver(t, inbox))()
			go func() { _, _ = conn.Write(sent) }()
			start, answers := time.Now(), bufio.NewReader(conn)
			for {
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					break // the connection has ended
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				if !slices.Contains(known, resp.StatusCode) && resp.StatusCode != http.StatusContinue {
					t.Errorf("%q is answered with %d", sent, resp.StatusCode)
				}
			}
			if took := time.Since(start); took > writeTimeout+idleTimeout {
				t.Errorf("%q keeps a connection for %s", sent, took)
			}
			for _, m := range inbox.messages {
				if m.MessageID != exampleID || string(m.Body) != exampleBody {
					t.Errorf("stored %q", m.Body)
				}
			}
		})
	})
}
