package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBackup_ThatBreaksOffIsAnError(t *testing.T) {
	for name, l := range map[string]*fakeLedger{
		"before the first byte": {err: errors.New("disk on fire")},
		"in the middle":         {err: errors.New("disk on fire"), backup: strings.Repeat("x", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(testAPI(l).handler())
			defer server.Close()
			c := &client{http: &http.Client{Transport: toServer(server)}}
			var got strings.Builder
			if err := c.download(t.Context(), "/api/v1/state/backup", &got); err == nil {
				t.Errorf("got %d bytes and no error", got.Len())
			}
		})
	}
}

func TestBackup_StreamsTheWholeCopy(t *testing.T) {
	want := strings.Repeat("page", 1<<18)
	server := httptest.NewServer(testAPI(&fakeLedger{backup: want}).handler())
	defer server.Close()
	c := &client{http: &http.Client{Transport: toServer(server)}}
	var got strings.Builder
	if err := c.download(t.Context(), "/api/v1/state/backup", &got); err != nil || got.String() != want {
		t.Errorf("got %d bytes, %v", got.Len(), err)
	}
}

// toServer sends every request to the server, as the socket does.
func toServer(server *httptest.Server) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r.URL.Host = server.Listener.Addr().String()
		return http.DefaultTransport.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
