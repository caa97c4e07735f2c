package transport

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// I8: whatever goes wrong, an error shows no query, token or address.
func TestErrors_ShowNothingPrivate(t *testing.T) {
	broken := func(err error) Options {
		return Options{Network: roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + listener.Addr().String()
	_ = listener.Close()
	for name, o := range map[string]Options{
		"connection refused": {BaseURL: refused},
		"no such scheme":     broken(errors.New("unsupported protocol scheme")),
		"talkative server":   broken(fmt.Errorf("malformed response %q", "jonas@brightsales.example "+token)),
		"escaped":            broken(errors.New("Get https://x/?email=jonas%40brightsales.example&t=" + token)),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, o)
			r := get("/x")
			r.Repeatable = false
			_, err := c.Do(t.Context(), r)
			wantUnavailable(t, err)
			for _, private := range []string{"@", "%40", "jonas", token, "?"} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("error %q holds %q", err, private)
				}
			}
			if !strings.Contains(err.Error(), "read contacts") {
				t.Errorf("error %q does not say what we were doing", err)
			}
		})
	}
}

func TestNew_RefusesBadBaseURLsWithoutQuotingThem(t *testing.T) {
	for _, bad := range []string{
		"", "crm.marked.example", "ftp://crm.marked.example", "https://user:marked@crm.example", "https://",
		"https://crm.example?marked=1", "https://crm.example/#marked", "https://crm.example:marked", "http://[marked",
	} {
		if _, err := New(Options{BaseURL: bad}); err == nil || strings.Contains(err.Error(), "marked") {
			t.Errorf("New(%q) gave %v", bad, err)
		}
	}
}
