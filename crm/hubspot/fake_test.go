package hubspot

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmsync/crm"
)

const testToken = "pat-eu1-5d1c7f3a"

// exchange is one request that a test expects and the answer it gets.
type exchange struct {
	want   string // "POST /path?query", "" for any
	body   string // JSON, "" for any
	status int    // 0 means 200
	header http.Header
	answer string
}

// script is a HubSpot that plays exchanges in order. Whatever is asked beyond
// them fails the test.
type script struct {
	t    testing.TB
	mu   sync.Mutex
	next []exchange
	seen []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := r.Method + " " + r.URL.RequestURI()
	s.seen = append(s.seen, line)
	if len(s.next) == 0 {
		s.t.Errorf("unexpected request %s", line)
		return nil, fmt.Errorf("unexpected request")
	}
	x := s.next[0]
	s.next = s.next[1:]
	if x.want != "" && x.want != line {
		s.t.Errorf("request %s, want %s", line, x.want)
	}
	if got := r.Header.Get("Authorization"); got != "Bearer "+testToken {
		s.t.Errorf("Authorization is %q", got)
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	if x.body != "" {
		diffJSON(s.t, line, string(body), x.body)
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	if x.header == nil {
		x.header = http.Header{}
	}
	return &http.Response{StatusCode: x.status, Header: x.header, Body: io.NopCloser(strings.NewReader(x.answer)), Request: r}, nil
}

func diffJSON(t testing.TB, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s: body %q is not JSON", what, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: the wanted body is not JSON: %v", what, err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: body differs (-want +got):\n%s", what, diff)
	}
}

// newTestClient returns a client whose requests meet the exchanges, all of
// which must have happened when the test ends.
func newTestClient(t testing.TB, xs ...exchange) *Client {
	t.Helper()
	s := &script{t: t, next: xs}
	c, err := newClient(Options{Token: testToken}, crm.Common{RateLimit: crm.RateLimit{Off: true}}, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.next) > 0 {
			t.Errorf("%d expected requests never came, the next one is %s; seen %q", len(s.next), s.next[0].want, s.seen)
		}
	})
	return c
}

func contact(key string, fields crm.Fields) crm.Record {
	return crm.Record{Object: crm.Contact, Key: key, Fields: fields}
}

// upsert calls Upsert and fails on an error about the batch.
func upsert(t testing.TB, c *Client, records ...crm.Record) []crm.Result {
	t.Helper()
	results, err := c.Upsert(t.Context(), records[0].Object, records)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(records) {
		t.Fatalf("%d results for %d records", len(results), len(records))
	}
	return results
}

// wantError checks err and returns it.
func wantError(t testing.TB, err error, kind crm.Kind) *crm.Error {
	t.Helper()
	e, ok := err.(*crm.Error) //nolint:errorlint // the contract is that exact type
	if !ok || e.Kind != kind {
		t.Fatalf("error %v (%T), want a *crm.Error of kind %v", err, err, kind)
	}
	return e
}

func wantResult(t testing.TB, got crm.Result, id string, action crm.Action) {
	t.Helper()
	if got.Err != nil || got.RemoteID != id || got.Action != action {
		t.Errorf("result %+v, want %s %s", got, id, action)
	}
}
