package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
)

const token = "pat-eu1-0f9d8c7b"

// roundTripper is a network in a function: no sockets, so it works in a
// synctest bubble.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = "https://crm.example/base/"
	}
	o.Secrets = []string{token}
	o.Authorize = Bearer(token)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(path string) Request {
	return Request{
		Op: "read contacts", Method: http.MethodGet, Path: path, Repeatable: true,
		Query: url.Values{"email": {"jonas@brightsales.example"}},
	}
}

func TestDo_SendsWhatWasAsked(t *testing.T) {
	var got *http.Request
	var body string
	c := newClient(t, Options{Network: roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		return answer(201, http.Header{"X-Id": {"7"}}, `{"ok":true}`), nil
	})})
	resp, err := c.Do(t.Context(), Request{
		Op: "upsert contacts", Method: http.MethodPost, Path: "/crm/a b", Body: []byte(`{}`),
		Query: url.Values{"q": {"1&2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.URL.String() != "https://crm.example/base/crm/a%20b?q=1%262" || got.Method != "POST" || body != "{}" {
		t.Errorf("sent %s %s with body %q", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "crmsync",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("header %s = %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if !resp.OK() || resp.Status != 201 || string(resp.Body) != `{"ok":true}` || resp.Header.Get("X-Id") != "7" {
		t.Errorf("got %+v", resp)
	}
}

// Every status comes back with its body, and only blips of repeatable
// requests are repeated, within three seconds.
func TestDo_EveryStatus(t *testing.T) {
	repeated := map[int]bool{500: true, 502: true, 503: true, 504: true}
	for s := 520; s <= 530; s++ {
		repeated[s] = true
	}
	for _, repeatable := range []bool{true, false} {
		for status := 100; status <= 599; status++ {
			synctest.Test(t, func(t *testing.T) {
				var calls int
				c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
					calls++
					return answer(status, nil, "why"), nil
				})})
				r := get("/x")
				r.Repeatable = repeatable
				start := time.Now()
				resp, err := c.Do(t.Context(), r)
				if err != nil || resp.Status != status {
					t.Fatalf("status %d: got %+v, %v", status, resp, err)
				}
				if status >= 200 && string(resp.Body) != "why" {
					t.Errorf("status %d: body %q is lost", status, resp.Body)
				}
				want := 1
				if repeatable && repeated[status] {
					want = 1 + maxRetries
				}
				if calls != want {
					t.Errorf("status %d, repeatable %v: %d attempts, want %d", status, repeatable, calls, want)
				}
				if waited := time.Since(start); waited > maxWait {
					t.Errorf("status %d: waited %v", status, waited)
				}
			})
		}
	}
}

func TestDo_RetryAfterOfAnHourIsHandedBack(t *testing.T) {
	for _, status := range []int{423, 429, 477, 503} {
		synctest.Test(t, func(t *testing.T) {
			var calls int
			c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
				calls++
				return answer(status, http.Header{"Retry-After": {"3600"}}, ""), nil
			})})
			start := time.Now()
			resp, err := c.Do(t.Context(), get("/x"))
			if err != nil || resp.RetryAfter != time.Hour {
				t.Fatalf("got %+v, %v; want a RetryAfter of an hour", resp, err)
			}
			if calls != 1 || time.Since(start) != 0 {
				t.Errorf("status %d: %d attempts after %v, want 1 at once", status, calls, time.Since(start))
			}
		})
	}
}

func TestDo_ShortRetryAfterIsRespected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
			times = append(times, time.Now())
			return answer(503, http.Header{"Retry-After": {"1"}}, ""), nil
		})})
		if _, err := c.Do(t.Context(), get("/x")); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < time.Second {
				t.Errorf("retry %d came after %v", i, gap)
			}
		}
		if len(times) != 3 || times[2].Sub(times[0]) > maxWait {
			t.Errorf("attempts at %v", times)
		}
	})
}

func TestDo_RecoversAndResendsTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies []string
		c := newClient(t, Options{Network: roundTripper(func(r *http.Request) (*http.Response, error) {
			b, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(b))
			if len(bodies) == 1 {
				return nil, errors.New("connection reset by peer")
			}
			return answer(200, nil, "{}"), nil
		})})
		resp, err := c.Do(t.Context(), Request{Method: "POST", Path: "/x", Body: []byte(`{"a":1}`), Repeatable: true})
		if err != nil || !resp.OK() {
			t.Fatalf("got %+v, %v", resp, err)
		}
		if len(bodies) != 2 || bodies[0] != `{"a":1}` || bodies[1] != bodies[0] {
			t.Errorf("bodies %q", bodies)
		}
	})
}

// The server that applies a write and then resets the connection is why a
// request is repeated only when the caller says so.
func TestDo_CommitThenReset(t *testing.T) {
	for _, test := range []struct {
		repeatable bool
		want       int32
	}{{false, 1}, {true, 1 + maxRetries}} {
		var commits atomic.Int32
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			commits.Add(1)
			panic(http.ErrAbortHandler)
		}))
		c := newClient(t, Options{BaseURL: srv.URL})
		_, err := c.Do(t.Context(), Request{Op: "create", Method: "POST", Path: "/x", Body: []byte("{}"), Repeatable: test.repeatable})
		srv.Close()
		if e := wantUnavailable(t, err); e.Op != "create" || e.Status != 0 {
			t.Errorf("got %+v", e)
		}
		if commits.Load() != test.want {
			t.Errorf("repeatable %v: %d commits, want %d", test.repeatable, commits.Load(), test.want)
		}
	}
}

func wantUnavailable(t *testing.T, err error) *crm.Error {
	t.Helper()
	e, ok := errors.AsType[*crm.Error](err)
	if !ok || e.Kind != crm.Unavailable {
		t.Fatalf("error %v, want a *crm.Error of kind Unavailable", err)
	}
	return e
}

func TestDo_RedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Store(true)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer srv.Close()
	resp, err := newClient(t, Options{BaseURL: srv.URL}).Do(t.Context(), Request{Method: "POST", Path: "/x", Body: []byte("{}")})
	if err != nil || resp.Status != http.StatusFound || followed.Load() {
		t.Errorf("got %+v, %v, followed %v", resp, err, followed.Load())
	}
}

func TestDo_BodyCutShortIsNotSuccess(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"results":[]}`)
	}))
	defer srv.Close()
	_, err := newClient(t, Options{BaseURL: srv.URL}).Do(t.Context(), get("/x"))
	wantUnavailable(t, err)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v does not say that the body was cut", err)
	}
}

func TestDo_BodiesAreLimited(t *testing.T) {
	for _, test := range []struct {
		status, size, want int
		ok                 bool
	}{
		{200, maxBody, maxBody, true},
		{200, maxBody + 1, 0, false},
		{400, maxErrorBody + 1, maxErrorBody, true},
	} {
		c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: test.status, Body: io.NopCloser(io.LimitReader(zeros{}, int64(test.size)))}, nil
		})})
		resp, err := c.Do(t.Context(), get("/x"))
		if (err == nil) != test.ok || test.ok && len(resp.Body) != test.want {
			t.Errorf("status %d with %d bytes: error %v", test.status, test.size, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestDo_CancelDuringASlowBody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}))
	defer srv.Close()
	_, err := newClient(t, Options{BaseURL: srv.URL}).Do(ctx, get("/x"))
	wantUnavailable(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not say that the call was cancelled", err)
	}
}

func TestDo_CancelWhileWaitingToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var calls int
		c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
			calls++
			time.AfterFunc(time.Microsecond, cancel)
			return answer(503, http.Header{"Retry-After": {"1"}}, ""), nil
		})})
		start := time.Now()
		_, err := c.Do(ctx, get("/x"))
		if wantUnavailable(t, err); !errors.Is(err, context.Canceled) || calls != 1 || time.Since(start) > time.Millisecond {
			t.Errorf("error %v after %v and %d attempts", err, time.Since(start), calls)
		}
	})
}

func TestDo_TimeoutIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		c := newClient(t, Options{
			Common: crm.Common{RequestTimeout: 5 * time.Second},
			Network: roundTripper(func(r *http.Request) (*http.Response, error) {
				calls++
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
		})
		start := time.Now()
		_, err := c.Do(t.Context(), get("/x"))
		if wantUnavailable(t, err); calls != 1 || time.Since(start) != 5*time.Second {
			t.Errorf("%d attempts in %v, want 1 in 5s", calls, time.Since(start))
		}
	})
}

func TestAuthorize_ErrorIsReturned(t *testing.T) {
	c := newClient(t, Options{Network: roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("sent without credentials")
	})})
	c.authorize = func(context.Context, *http.Request) error { return &crm.Error{Kind: crm.Unauthorized, Code: "revoked"} }
	_, err := c.Do(t.Context(), get("/x"))
	if e := crm.AsError(err); e.Kind != crm.Unauthorized || e.Code != "revoked" || e.Op != "read contacts" {
		t.Errorf("got %+v", e)
	}
}

func TestObserve_EveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		statuses := []int{503, 0, 200}
		c := newClient(t, Options{
			Common: crm.Common{Observe: func(op, outcome string, d time.Duration) {
				seen = append(seen, fmt.Sprint(op, " ", outcome, " ", d))
			}},
			Network: roundTripper(func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second) // the fake clock of the bubble
				status := statuses[0]
				if statuses = statuses[1:]; status == 0 {
					return nil, errors.New("reset")
				}
				return answer(status, nil, ""), nil
			}),
		})
		if _, err := c.Do(t.Context(), get("/x")); err != nil {
			t.Fatal(err)
		}
		want := "[read contacts unavailable 1s read contacts unavailable 1s read contacts ok 1s]"
		if fmt.Sprint(seen) != want {
			t.Errorf("observed %v, want %v", seen, want)
		}
	})
}
