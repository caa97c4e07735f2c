package hubspot

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
)

// lockable is a HubSpot whose next answer to a write is a 423 when locked is
// set. Every other write is carried out.
func lockable(t *testing.T, locked *bool) *Client {
	t.Helper()
	c, err := newClient(Options{Token: testToken}, crm.Common{RateLimit: crm.RateLimit{Off: true}}, serving(func(r *http.Request) (*http.Response, error) {
		answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body(`{"results":[{"id":"7"}]}`)}
		switch {
		case *locked:
			*locked, answer.StatusCode = false, http.StatusLocked
		case strings.HasSuffix(r.URL.Path, "/associate/default"):
			answer.Body = body(`{"results":[{"from":{"id":"1"},"to":{"id":"2"}}]}`)
		}
		return answer, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// writing takes a batch of one to HubSpot and says how long that took.
func writing(t *testing.T, c *Client, o crm.Object) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := c.Upsert(t.Context(), o, []crm.Record{{Object: o, Key: "k0", Fields: crm.Fields{"name": "A"}}}); err != nil {
		t.Error(err)
	}
	return time.Since(begin)
}

func lockCalls(t *testing.T, c *Client, locked *bool) {
	t.Helper()
	*locked = true
	_, err := c.Upsert(t.Context(), crm.Activity, []crm.Record{phoneCall("k0")})
	wantError(t, err, crm.RateLimited)
}

func TestPacer_SpacesWhatWasLockedForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locked bool
		c := lockable(t, &locked)
		for range 3 {
			if took := writing(t, c, crm.Activity); took != 0 {
				t.Errorf("a batch waited %v without any 423", took)
			}
		}
		lockCalls(t, c, &locked)
		begin := time.Now()
		for range 299 {
			if took := writing(t, c, crm.Activity); took != 2*time.Second {
				t.Fatalf("a batch waited %v after %v, want 2s", took, time.Since(begin))
			}
		}
		writing(t, c, crm.Activity)
		for range 3 {
			if took := writing(t, c, crm.Activity); took != 0 {
				t.Errorf("a batch waited %v after %v", took, time.Since(begin))
			}
		}
	})
}

func TestPacer_SpacesWritesOfEverySort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locked bool
		c := lockable(t, &locked)
		lockCalls(t, c, &locked)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { writing(t, c, crm.Activity) })
			wg.Go(func() {
				if _, err := c.Link(t.Context(), []crm.Link{{From: ref(crm.Activity, "1"), To: ref(crm.Contact, "2")}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := c.Archive(t.Context(), crm.Activity, []crm.Ref{ref(crm.Activity, "1")}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if took := time.Since(begin); took != 14*time.Second {
			t.Errorf("7 batches took %v, want 14s", took)
		}
	})
}

func TestPacer_LeavesOtherObjectsAndReadsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locked bool
		c := lockable(t, &locked)
		lockCalls(t, c, &locked)
		time.Sleep(2 * time.Second) // the account waits as a whole
		writing(t, c, crm.Activity)
		for range 3 {
			if took := writing(t, c, crm.Company); took != 0 {
				t.Errorf("companies waited %v for calls", took)
			}
		}
		begin := time.Now()
		if err := c.Ping(t.Context()); err != nil || time.Since(begin) != 0 {
			t.Errorf("a read waited %v: %v", time.Since(begin), err)
		}
	})
}

func TestPacer_WaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locked bool
		c := lockable(t, &locked)
		lockCalls(t, c, &locked)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Upsert(ctx, crm.Activity, []crm.Record{phoneCall("k0")})
		if wantError(t, err, crm.Unavailable); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := writing(t, c, crm.Activity); took != time.Second {
			t.Errorf("the next batch waited %v, want 1s: one that gave up costs nothing", took)
		}
	})
}
