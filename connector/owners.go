package connector

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"crmsync/crm"
	"crmsync/mapping"
)

const (
	// ownerRefresh is how often, at most, an unknown owner or one who is refused
	// makes the table load again.
	ownerRefresh = 5 * time.Minute
	// ownerAge is how old the table may get: nobody tells when somebody leaves.
	ownerAge = time.Hour
)

// ownerTable is the CRM's owners by e-mail, loaded before mapping so that the
// mapper stays pure. A table that cannot be loaded pauses the objects that use
// it: a failed look-up is never "no owner".
type ownerTable struct {
	known  mapping.Owners                 // nil until it has been loaded once
	shown  atomic.Pointer[mapping.Owners] // known, for other goroutines
	loaded time.Time                      // last attempt
	doubt  bool                           // an owner of the table was refused
	err    error                          // of the last attempt
}

// table returns the owners for the events of a round, loading them when it is
// the first that needs them. Without a table it pauses the objects that need
// one and returns nil.
func (t *ownerTable) table(ctx context.Context, r *round) mapping.Owners {
	if t.known != nil && !t.outdated() || !r.needsOwners() {
		return t.known
	}
	if err := t.load(ctx, r.Dispatcher); err != nil && t.known == nil {
		r.holdForOwners(err)
	}
	return t.known
}

// outdated reports whether the table has to be loaded again. Until that works the
// old one is good enough.
func (t *ownerTable) outdated() bool {
	most := ownerAge
	if t.doubt {
		most = ownerRefresh
	}
	return time.Since(t.loaded) >= most
}

// refresh loads the table again because an owner was not found, unless that
// has been tried lately. It reports whether the table is new.
func (t *ownerTable) refresh(ctx context.Context, r *round) bool {
	if t.known == nil || time.Since(t.loaded) < ownerRefresh {
		return false
	}
	if err := t.load(ctx, r.Dispatcher); err != nil {
		t.loaded = time.Time{} // the miss is not answered: the next round asks again
		r.holdForOwners(err)
		return false
	}
	return true
}

func (t *ownerTable) failed() bool { return t.err != nil }

func (t *ownerTable) load(ctx context.Context, d *Dispatcher) error {
	t.loaded = time.Now()
	t.err = nil
	known := mapping.Owners{}
	if finder, ok := d.client.(crm.OwnerFinder); ok {
		owners, err := finder.Owners(ctx)
		if err != nil {
			t.err = err
			return err
		}
		known = ownersByEmail(owners, d.defaultOwner)
		if _, ok := known[""]; !ok && d.defaultOwner != "" {
			d.log.Warn("CRMSYNC_DEFAULT_OWNER is not the id of an active owner: records without an owner of their own get none")
		}
	} else if d.defaultOwner != "" {
		known[""] = d.defaultOwner
	}
	t.known, t.doubt = known, false
	t.shown.Store(&known)
	return nil
}

// ownersByEmail makes the table. Who has left owns nothing new, be it by
// default.
func ownersByEmail(owners []crm.Owner, byDefault string) mapping.Owners {
	known := make(mapping.Owners, len(owners)+1)
	for _, o := range owners {
		if !o.Active {
			continue
		}
		if o.Email != "" {
			known[strings.ToLower(o.Email)] = o.ID
		}
		if byDefault != "" && o.ID == byDefault {
			known[""] = byDefault
		}
	}
	return known
}

func (r *round) needsOwners() bool {
	for _, ev := range r.events {
		if ev.ended == nil && r.mapper.NeedsOwners(ev.decoded) {
			return true
		}
	}
	return false
}

// holdForOwners pauses what uses owners, or the account when that is the matter.
func (r *round) holdForOwners(err error) {
	e := crm.AsError(err)
	refused := e.Kind == crm.Unauthorized && e.Status != http.StatusForbidden // that is a missing scope
	if refused || e.Kind == crm.RateLimited {
		r.trip("", err)
		return
	}
	for _, object := range crm.Objects() {
		if r.mapper.UsesOwner(object) {
			r.trip(object, ownersError(err))
		}
	}
}

// ownersError words a failed load as a matter of the objects that use owners: a
// CRM that does not answer is tried again soon, a refusal waits for a person.
func ownersError(err error) error {
	e := *crm.AsError(err)
	if e.Kind != crm.Unavailable {
		e.Kind = crm.Misconfigured
	}
	e.Op = "load the owners that owner() looks up"
	return &e
}
