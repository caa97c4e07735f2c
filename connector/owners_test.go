package connector

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
)

// Credentials that are refused hold the account, wherever that is noticed: a
// token that cannot be renewed is refused with a 400. A missing scope holds
// what uses owners only.
func TestOwners_RefusalHoldsTheAccountOrWhatUsesThem(t *testing.T) {
	for _, c := range []struct {
		err     crm.Error
		account bool
	}{
		{crm.Error{Kind: crm.Unauthorized, Status: 401}, true},
		{crm.Error{Kind: crm.Unauthorized, Status: 400, Code: "BAD_REFRESH_TOKEN"}, true},
		{crm.Error{Kind: crm.RateLimited, Status: 429}, true},
		{crm.Error{Kind: crm.Unauthorized, Status: 403}, false},
	} {
		w := newWorld(t, nil)
		w.crm.before = func(op string, _ []string) error {
			if op == "owners" {
				return &c.err
			}
			return nil
		}
		w.accept(callEvent("e1", "c1", "u1", 1, "Call"))
		if _, err := w.d.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := w.d.CRMState()
		if (w.d.gate.wait() > 0) != c.account || (len(s.PausedObjects) == 0) != c.account {
			t.Errorf("%v: state %+v, account held for %s", &c.err, s, w.d.gate.wait())
		}
	}
}

// A filter that looks owners up decides nothing while they are not known: the
// event waits, and what it would write waits with it.
func TestOwners_FiltersWaitForThem(t *testing.T) {
	for _, kind := range []mapping.Kind{mapping.KindUser, mapping.KindCall} {
		for _, status := range []int{401, 403, 503} {
			t.Run(fmt.Sprintf("%s %d", kind, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { filterWaits(t, kind, status) })
			})
		}
	}
}

func filterWaits(t *testing.T, kind mapping.Kind, status int) {
	w := newWorld(t, func(o *DispatcherOptions) {
		o.Mapper = newMapper(t, func(c *mapping.Config) {
			c.Fields[crm.Activity]["owner"] = mapping.Expression{Source: `"7"`}
			c.Filters = map[mapping.Kind]mapping.Expression{kind: {Source: "owner(user.email) != nil"}}
		})
	})
	w.crm.owners = []crm.Owner{{ID: "7", Email: "u1@sales.example", Active: true}}
	var failing atomic.Bool
	failing.Store(true)
	w.crm.before = func(op string, _ []string) error {
		if op == "owners" && failing.Load() {
			return &crm.Error{Kind: map[int]crm.Kind{401: crm.Unauthorized, 403: crm.Unauthorized}[status], Status: status}
		}
		return nil
	}
	stop := w.start()
	w.accept(callEvent("e1", "c1", "u1", 1, "Call"), userEvent("e2", "updated", "u1", 2, "Una", "u1@sales.example"))
	time.Sleep(time.Minute)
	if kind == mapping.KindUser && w.status("e2") != "pending" || w.status("e1") != "pending" {
		t.Errorf("while the owners cannot be read: call %s, user %s", w.status("e1"), w.status("e2"))
	}
	if n := w.crm.total(); n > 60 {
		t.Errorf("%d requests in a minute", n)
	}
	failing.Store(false)
	time.Sleep(2 * pauseMax)
	stop()
	if w.status("e1") != "applied" || w.status("e2") != "applied" {
		t.Errorf("with the owners: call %s, user %s", w.status("e1"), w.status("e2"))
	}
}

// An owner who is not in the table makes it load again. When that fails the
// answer of a filter is not known, however well the table was read before.
func TestOwners_FiltersWaitForTheNextTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *DispatcherOptions) {
			o.Mapper = newMapper(t, func(c *mapping.Config) {
				c.Filters = map[mapping.Kind]mapping.Expression{mapping.KindUser: {Source: "owner(user.email) != nil"}}
			})
		})
		w.crm.owners = []crm.Owner{{ID: "7", Email: "u1@sales.example", Active: true}}
		var failing atomic.Bool
		w.crm.before = func(op string, _ []string) error {
			if op == "owners" && failing.Load() {
				return &crm.Error{Status: 503}
			}
			return nil
		}
		stop := w.start()
		defer stop()
		w.accept(userEvent("e1", "created", "u1", 1, "Una", "u1@sales.example"))
		time.Sleep(2 * ownerRefresh)
		w.crm.mu.Lock()
		w.crm.owners = append(w.crm.owners, crm.Owner{ID: "8", Email: "u2@sales.example", Active: true})
		w.crm.mu.Unlock()
		failing.Store(true)
		w.accept(userEvent("e2", "created", "u2", 1, "Due", "u2@sales.example"))
		time.Sleep(time.Second)
		if got := w.status("e2"); got != "pending" {
			t.Errorf("while owners cannot be read: %s", got)
		}
		failing.Store(false)
		time.Sleep(2 * pauseMax)
		if got := w.status("e2"); got != "applied" {
			t.Errorf("afterwards: %s", got)
		}
	})
}

// Nobody tells when somebody leaves: the table is read again now and then, and
// soon after the CRM refused an owner.
func TestOwners_WhoLeaveAreNoticed(t *testing.T) {
	for name, tt := range map[string]struct {
		refuses bool
		within  time.Duration
	}{
		"a CRM that takes them": {false, ownerAge},
		"a CRM that does not":   {true, ownerRefresh},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *DispatcherOptions) { o.DefaultOwner = "own-3" })
				w.crm.owners = []crm.Owner{{ID: "own-1", Email: "u1@sales.example", Active: true}, {ID: "own-3", Active: true}}
				stop := w.start()
				defer stop()
				w.accept(callEvent("e1", "c1", "u1", 1, "Call"))
				time.Sleep(time.Second)
				w.wantField(crm.Activity, "c1", "owner", "own-1")
				w.crm.mu.Lock()
				w.crm.owners[0].Active = false
				w.crm.mu.Unlock()
				refused := 0
				w.crm.mu.Lock()
				w.crm.judge = func(r crm.Record) *crm.Error {
					if tt.refuses && r.Fields["owner"] == "own-1" {
						refused++
						return &crm.Error{Kind: crm.Invalid, Field: "owner"}
					}
					return nil
				}
				w.crm.mu.Unlock()
				for i := range 3 {
					time.Sleep(tt.within + time.Second)
					key := fmt.Sprintf("d%d", i)
					w.accept(callEvent(key, key, "u1", 2, "Call"))
					time.Sleep(time.Second)
				}
				w.wantField(crm.Activity, "d2", "owner", "own-3")
				if refused > 1 {
					t.Errorf("the owner who left was refused %d times", refused)
				}
			})
		})
	}
}

// Who was not known is found once the table has been read again.
func TestOwners_NewcomersAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.crm.owners = []crm.Owner{{ID: "own-9", Email: "other@sales.example", Active: true}}
		stop := w.start()
		defer stop()
		w.accept(callEvent("e1", "c1", "u1", 1, "Call"))
		time.Sleep(ownerRefresh + time.Second)
		w.crm.mu.Lock()
		w.crm.owners = append(w.crm.owners, crm.Owner{ID: "own-1", Email: "u1@sales.example", Active: true})
		w.crm.mu.Unlock()
		w.accept(callEvent("e2", "c2", "u1", 2, "Call"))
		time.Sleep(time.Second)
		if got := w.crm.get(crm.Activity, "c1").fields["owner"]; got != nil {
			t.Errorf("before: owner %v", got)
		}
		w.wantField(crm.Activity, "c2", "owner", "own-1")
		if n := w.crm.count("owners"); n != 2 {
			t.Errorf("the owners were read %d times", n)
		}
	})
}
