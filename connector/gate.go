package connector

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"crmsync/crm"
)

// How long the connector waits before it tries again. A pause that waits for a
// person starts at half a minute; an outage is tried again within a second.
const (
	pauseFirst     = 30 * time.Second
	pauseMax       = 5 * time.Minute
	outageFirst    = time.Second
	outageMax      = time.Minute
	rateLimitLeast = time.Second // when the CRM names no time
)

// The states of a CRM account, as status shows them.
const (
	StateOK          = "ok"
	StateRetrying    = "retrying"
	StateRateLimited = "rate_limited"
	StatePaused      = "paused"
)

// CRMState is what status says about the CRM.
type CRMState struct {
	Kind          string   `json:"kind"`
	State         string   `json:"state"` // ok, retrying, rate_limited or paused
	Reason        string   `json:"reason"`
	PausedObjects []string `json:"paused_objects"`
}

// hold is a reason not to write. It lasts until its time has come and what
// caused it has been looked at again; then one record at a time goes through
// (probing) until one arrives.
type hold struct {
	state   string
	reason  string
	kind    crm.Kind
	until   time.Time
	wait    time.Duration // the present step of the backoff
	probing bool
}

// gate knows whether writing makes sense now. Nothing in it survives a
// restart: a pause whose cause is still there is found again at once.
type gate struct {
	mu      sync.Mutex
	account *hold
	// limited is the last rate limit, which is over, until something arrives:
	// should the CRM refuse again, the wait gets longer.
	limited *hold
	objects map[crm.Object]*hold
	// suspect is the lane of a single record that got no useful answer. Only
	// when another record fails too is it the CRM that is to blame.
	suspect string
	lastErr string
	// haltedSince is when a person stopped writing; zero while nobody has.
	haltedSince time.Time
	// draining says that the process is to end and a request had to wait.
	draining bool
	// clearSince is when the last account-wide hold ended.
	clearSince time.Time
}

func newGate() *gate {
	return &gate{objects: map[crm.Object]*hold{}, clearSince: time.Now()}
}

// trip holds the account, or for Misconfigured the object, because of err.
// It reports whether this hold is new, so that it is logged once.
func (g *gate) trip(object crm.Object, err *crm.Error, reason string) (isNew bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err.Kind == crm.Misconfigured {
		return g.holdObject(object, err, reason)
	}
	old := g.account
	if old == nil && err.Kind == crm.RateLimited {
		old = g.limited
	}
	g.account, isNew = nextHold(old, err, reason)
	return isNew
}

// tripObject holds one object, whatever the error. It reports whether this hold
// is new.
func (g *gate) tripObject(object crm.Object, err *crm.Error, reason string) (isNew bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.holdObject(object, err, reason)
}

func (g *gate) holdObject(object crm.Object, err *crm.Error, reason string) (isNew bool) {
	g.objects[object], isNew = nextHold(g.objects[object], err, reason)
	return isNew
}

// nextHold starts a hold, or makes the one that was in force longer. Many
// records may trip one hold: it gets longer only once a probe has failed.
func nextHold(old *hold, err *crm.Error, reason string) (*hold, bool) {
	h := &hold{state: StatePaused, reason: reason, kind: err.Kind}
	isNew := old == nil || old.kind != err.Kind
	if !isNew && !old.probing && time.Now().Before(old.until) {
		if asked := time.Now().Add(err.RetryAfter); asked.After(old.until) {
			old.until = asked
		}
		return old, false
	}
	first, most := pauseFirst, pauseMax
	switch err.Kind {
	case crm.Unavailable:
		h.state, first, most = StateRetrying, outageFirst, outageMax
	case crm.RateLimited:
		h.state, first, most = StateRateLimited, rateLimitLeast, outageMax
	}
	h.wait = first
	if !isNew {
		h.wait = min(2*old.wait, most)
	}
	wait := h.wait
	if err.Kind == crm.Unavailable {
		wait = fullJitter(h.wait)
	}
	h.until = time.Now().Add(max(wait, err.RetryAfter))
	return h, isNew
}

// fullJitter spreads retries evenly over the wait, so that connectors that
// failed together do not return together.
func fullJitter(wait time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(wait))) + time.Millisecond
}

// arrived says that the CRM took a record of object. It ends every hold that
// this proves wrong and returns what they were, for the log.
func (g *gate) arrived(object crm.Object) (ended []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.account != nil {
		ended = append(ended, g.account.reason)
		g.account, g.clearSince = nil, time.Now()
	}
	if h := g.objects[object]; h != nil {
		ended = append(ended, h.reason)
		delete(g.objects, object)
	}
	g.limited, g.suspect, g.lastErr = nil, "", ""
	return ended
}

// suspects notes that the record of lane failed alone. It reports whether a
// different lane had failed before it, with nothing arriving in between.
func (g *gate) suspects(lane, reason string) (outage bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	outage = g.suspect != "" && g.suspect != lane
	g.suspect, g.lastErr = lane, reason
	return outage
}

// wait returns how long the account is held, 0 when it is not.
func (g *gate) wait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.account == nil {
		return 0
	}
	if left := time.Until(g.account.until); left > 0 {
		return left
	}
	if g.account.kind == crm.RateLimited { // the CRM named the time: nothing to probe
		g.account, g.limited, g.clearSince = nil, g.account, time.Now()
	}
	return 0
}

// due returns what has to be looked at before writing goes on: the account
// when credentials were refused, and objects whose pause has run out.
func (g *gate) due() (account bool, objects []crm.Object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	account = g.account != nil && g.account.kind == crm.Unauthorized && !g.account.probing
	for object, h := range g.objects {
		if !h.probing && !time.Now().Before(h.until) {
			objects = append(objects, object)
		}
	}
	slices.Sort(objects)
	return account, objects
}

// probe lets one record at a time through.
func (g *gate) probe(object crm.Object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if object == "" {
		if g.account != nil {
			g.account.probing = true
		}
		return
	}
	if h := g.objects[object]; h != nil {
		h.probing = true
	}
}

// probing reports whether only one record of object may be sent: the account
// or the object has been held and nothing has arrived since.
func (g *gate) probing(object crm.Object) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.objects[object]
	return g.account != nil || g.limited != nil || (h != nil && h.probing)
}

// closed reports whether nothing of object may be sent now.
func (g *gate) closed(object crm.Object) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.draining, !g.haltedSince.IsZero():
		return true
	case g.account != nil && time.Now().Before(g.account.until):
		return true
	}
	h := g.objects[object]
	return h != nil && !h.probing
}

// paused returns the objects that no event should be claimed for, and when the
// first of them is to be looked at again.
func (g *gate) paused() (objects []string, next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for object, h := range g.objects {
		if h.probing {
			continue
		}
		objects = append(objects, string(object))
		if next.IsZero() || h.until.Before(next) {
			next = h.until
		}
	}
	slices.Sort(objects)
	return objects, next
}

// healthySince returns since when no hold on the account has been in force.
func (g *gate) healthySince() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.account != nil {
		return time.Now()
	}
	return g.clearSince
}

// snapshot returns the state for status.
func (g *gate) snapshot(kind string) CRMState {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := CRMState{Kind: kind, State: StateOK, PausedObjects: []string{}}
	if g.suspect != "" {
		s.State, s.Reason = StateRetrying, g.lastErr
	}
	var reasons []string
	for _, object := range crm.Objects() {
		h := g.objects[object]
		if h == nil {
			continue
		}
		reasons = append(reasons, fmt.Sprintf("%s: %s", object, h.reason))
		if h.state == StatePaused {
			s.PausedObjects = append(s.PausedObjects, string(object))
		}
		if s.State != StatePaused {
			s.State = h.state
		}
	}
	if len(reasons) > 0 {
		s.Reason = strings.Join(reasons, "; ")
	}
	if g.account != nil {
		s.State = cmp.Or(g.account.state, StatePaused)
		s.Reason = g.account.reason
	}
	if !g.haltedSince.IsZero() {
		s.State, s.Reason = StatePaused, HaltedReason(g.haltedSince)
	}
	return s
}

// halt notes that a person stopped writing, or with zero lets it go on.
func (g *gate) halt(since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.haltedSince = since
}

// end says that nothing more is to be sent by this process.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
}

// HaltedReason is what status says of a connector whose writing a person
// stopped.
func HaltedReason(since time.Time) string {
	return "paused by hand since " + since.UTC().Format(time.RFC3339) + "; crmsync resume goes on"
}
