package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
)

// issuer issues the tokens access-1, access-2 and so on.
type issuer struct {
	life  time.Duration
	delay time.Duration // of the fake clock
	err   error         // instead of a token

	mu      sync.Mutex
	asked   []time.Time
	refused map[string]bool // tokens that the CRM does not accept
}

func (i *issuer) issue(ctx context.Context) (Token, error) {
	i.mu.Lock()
	i.asked = append(i.asked, time.Now())
	token := Token{Value: fmt.Sprint("access-", len(i.asked)), Life: i.life}
	i.mu.Unlock()
	time.Sleep(i.delay)
	return token, cmp.Or(ctx.Err(), i.err)
}

// refuse makes the CRM answer 401 to tokens.
func (i *issuer) refuse(tokens ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refused = map[string]bool{}
	for _, t := range tokens {
		i.refused[t] = true
	}
}

func (i *issuer) requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.asked)
}

// RoundTrip is the CRM.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refused[token] {
		return answer(http.StatusUnauthorized, nil, "no longer valid: "+token), nil
	}
	return answer(http.StatusOK, nil, token), nil
}

func (i *issuer) client(t testing.TB) *Client {
	t.Helper()
	c, err := New(Options{
		BaseURL: "https://crm.example", Network: i, Issue: i.issue,
		Common: crm.Common{RateLimit: crm.RateLimit{Off: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var write = Request{Op: "create", Method: http.MethodPost, Path: "/x", Body: []byte("{}")}

func (i *issuer) wantToken(t testing.TB, c *Client, want string) {
	t.Helper()
	resp, err := c.Do(t.Context(), write)
	if err != nil || string(resp.Body) != want {
		t.Errorf("sent with %v, %v; want %s", resp, err, want)
	}
}

func TestIssue_ReplacesATokenBeforeItsEnd(t *testing.T) {
	for life, renewed := range map[time.Duration]time.Duration{
		30 * time.Minute: 28 * time.Minute,
		time.Minute:      30 * time.Second,
		0:                0, // never
	} {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{life: life}
			c := i.client(t)
			i.wantToken(t, c, "access-1")
			if renewed == 0 {
				time.Sleep(1000 * time.Hour)
				i.wantToken(t, c, "access-1")
				return
			}
			time.Sleep(renewed - time.Nanosecond)
			i.wantToken(t, c, "access-1")
			time.Sleep(time.Nanosecond)
			i.wantToken(t, c, "access-2")
		})
	}
}

// A token lives from the moment it was asked for, however long the answer took.
func TestIssue_CountsTheTimeOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 30 * time.Minute, delay: time.Minute}
		c := i.client(t)
		i.wantToken(t, c, "access-1")
		time.Sleep(27 * time.Minute)
		i.wantToken(t, c, "access-2")
	})
}

// However many need a token, one request gets it, also for those whose token is
// refused at about the same time.
func TestIssue_OneRequestForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 30 * time.Minute, delay: time.Second}
		c := i.client(t)
		for round, refused := range []string{"", "access-1", "access-2"} {
			i.refuse(refused)
			var group sync.WaitGroup
			for range 50 {
				group.Go(func() { i.wantToken(t, c, fmt.Sprint("access-", round+1)) })
			}
			group.Wait()
			if got := i.requests(); got != round+1 {
				t.Errorf("round %d: %d requests for tokens, want %d", round, got, round+1)
			}
		}
	})
}

func TestIssue_ARefusedTokenIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 30 * time.Minute}
		c := i.client(t)
		i.refuse("access-1", "access-2")
		resp, err := c.Do(t.Context(), write)
		if err != nil || resp.Status != http.StatusUnauthorized || i.requests() != 2 {
			t.Errorf("got %+v, %v after %d requests for tokens; want a 401 after 2", resp, err, i.requests())
		}
		if got := c.Scrub(string(resp.Body)); strings.Contains(got, "access-") {
			t.Errorf("the message %q shows a token", got)
		}
		i.wantToken(t, c, "access-3")
	})
}

// An old token may be refused after the new one has come.
func TestIssue_ALateRefusalIsAboutTheOldToken(t *testing.T) {
	i := &issuer{}
	c := i.client(t)
	i.wantToken(t, c, "access-1")
	c.tokens.forget("access-0")
	i.wantToken(t, c, "access-1")
}

// A refused token takes nothing away from the repetitions after blips.
func TestIssue_RefusedBetweenBlips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, calls := &issuer{}, 0
		c := i.client(t)
		c.http.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			calls++
			return answer([]int{503, 401, 503, 200}[calls-1], nil, ""), nil
		})
		r := write
		r.Repeatable = true
		if resp, err := c.Do(t.Context(), r); err != nil || !resp.OK() || calls != 4 || i.requests() != 2 {
			t.Errorf("got %+v, %v after %d attempts", resp, err, calls)
		}
	})
}

// Whoever was under way when a renewal failed fails with it; the next call asks
// again.
func TestIssue_AFailureIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := &crm.Error{Kind: crm.Unauthorized, Op: "get a token", Code: "revoked"}
		i := &issuer{life: 30 * time.Minute}
		c := i.client(t)
		i.wantToken(t, c, "access-1")
		i.refuse("access-1")
		i.err = failure
		var late sync.WaitGroup
		underWay := make([]*attempts, 20)
		for n := range underWay {
			underWay[n] = c.newAttempts(write)
		}
		for n, a := range underWay {
			late.Go(func() {
				time.Sleep(time.Duration(n) * time.Second) // their answers come one after the other
				c.tokens.forget("access-1")
				if _, err := c.tokens.get(t.Context(), a.failures); !errors.Is(err, failure) {
					t.Errorf("got %v, want the failure", err)
				}
			})
		}
		late.Wait()
		if i.requests() != 2 {
			t.Errorf("%d requests for tokens, want 2", i.requests())
		}
		_, err := c.Do(t.Context(), write)
		if e := crm.AsError(err); e.Kind != crm.Unauthorized || e.Op != "get a token" || e.Code != "revoked" || i.requests() != 3 {
			t.Errorf("the next call got %v after %d requests", err, i.requests())
		}
		i.err = nil
		i.wantToken(t, c, "access-4")
	})
}

// A caller who gives up waiting takes nothing from the others.
func TestIssue_ACallerMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 30 * time.Minute, delay: time.Minute}
		c := i.client(t)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var gaveUp atomic.Bool
		var group sync.WaitGroup
		group.Go(func() {
			start := time.Now()
			_, err := c.Do(impatient, write)
			wantUnavailable(t, err)
			gaveUp.Store(errors.Is(err, context.DeadlineExceeded) && time.Since(start) == time.Second)
		})
		synctest.Wait() // it asked for the token
		group.Go(func() { i.wantToken(t, c, "access-1") })
		group.Wait()
		if !gaveUp.Load() || i.requests() != 1 {
			t.Errorf("gave up: %v; %d requests for tokens, want 1", gaveUp.Load(), i.requests())
		}
	})
}

func TestAnonymous_IsSentWithoutCredentials(t *testing.T) {
	var sent []string
	c := newClient(t, Options{Network: roundTripper(func(r *http.Request) (*http.Response, error) {
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		sent = append(sent, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body[:n]))
		return answer(http.StatusUnauthorized, nil, ""), nil
	})})
	_, err := c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/token", Form: map[string][]string{"a": {"b&c"}}, Anonymous: true})
	if want := []string{"", "application/x-www-form-urlencoded", "a=b%26c"}; err != nil || !slices.Equal(sent, want) {
		t.Errorf("sent %q, %v; want %q", sent, err, want)
	}
}

func TestHide_RemembersTheLatest(t *testing.T) {
	c := newClient(t, Options{})
	for n := range 2 * maxIssued {
		c.Hide("rotated/secret", fmt.Sprintf("issued-%02d", n))
	}
	text := c.Scrub(fmt.Sprintf("%s rotated/secret rotated%%2Fsecret issued-%02d issued-00", token, 2*maxIssued-1))
	if want := "‹secret› ‹secret› ‹secret› ‹secret› issued-00"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}
