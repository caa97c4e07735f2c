package sandbox

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cut says where a connection breaks.
type Cut int

// The places.
const (
	CutNever  Cut = iota
	CutBefore     // the request arrives and has no effect
	CutAfter      // it has its effect, the answer is lost
	CutBody       // it has its effect, half of the answer's body arrives
)

// Fault is something that goes wrong with requests. Its members combine: a slow
// request can also be refused.
type Fault struct {
	// Op limits the fault to requests whose Op contains it; "" is every one.
	Op string
	// Match limits it further; nil is every one.
	Match func(Request) bool
	// Times is how many requests it hits; 0 is all until it is removed.
	Times int

	Latency time.Duration // wait first
	Hang    bool          // never answer, until the client or the Server gives up
	Cut     Cut

	// Status, when not 0, is answered instead of carrying the request out.
	// Body is the body to answer ("" is an error as HubSpot words it; one that
	// begins with < is sent as HTML), RetryAfter the header.
	Status     int
	Body       string
	RetryAfter string
	// Policy is the policyName of a 429.
	Policy string

	// SilentNoop answers 200 COMPLETE without results and errors, and does
	// nothing.
	SilentNoop bool
}

type faults struct {
	mu      sync.Mutex
	active  []*activeFault
	latency time.Duration
}

type activeFault struct {
	Fault
	left int // hits left; -1 is without end
}

// Fault makes requests go wrong until its Times are used up or remove is
// called. When several faults match, the oldest one hits.
func (s *Server) Fault(f Fault) (remove func()) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	active := &activeFault{Fault: f, left: f.Times}
	if f.Times == 0 {
		active.left = -1
	}
	s.faults.active = append(s.faults.active, active)
	return func() {
		s.faults.mu.Lock()
		defer s.faults.mu.Unlock()
		active.left = 0
	}
}

// SetLatency makes every request take at least d.
func (s *Server) SetLatency(d time.Duration) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.latency = d
}

// take returns the fault that hits req; the zero Fault is none.
func (s *Server) take(req Request) Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	hit := Fault{}
	for _, f := range s.faults.active {
		if f.left == 0 || !strings.Contains(req.Op, f.Op) || f.Match != nil && !f.Match(req) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		hit = f.Fault
		break
	}
	hit.Latency += s.faults.latency
	return hit
}

// delay waits as the fault says. It returns false when there will be no answer.
func (s *Server) delay(ctx context.Context, f Fault) bool {
	var elapsed <-chan time.Time
	if !f.Hang {
		if f.Latency == 0 {
			return f.Cut != CutBefore
		}
		timer := time.NewTimer(f.Latency)
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-elapsed:
		return f.Cut != CutBefore
	case <-ctx.Done():
	case <-s.closed:
	}
	return false
}

// respond writes what the fault answers instead of the CRM, if anything.
func (f Fault) respond(a *answer, now time.Time) bool {
	switch {
	case f.SilentNoop:
		writeJSON(a, http.StatusOK, batchReply{
			Status: "COMPLETE", Results: []any{}, StartedAt: stamp(now), CompletedAt: stamp(now),
		})
		return true
	case f.Status == 0:
		return false
	}
	if f.RetryAfter != "" {
		a.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Body == "" {
		writeError(a, f.wording())
		return true
	}
	a.Header().Set("Content-Type", "application/json;charset=utf-8")
	if strings.HasPrefix(f.Body, "<") {
		a.Header().Set("Content-Type", "text/html")
	}
	a.WriteHeader(f.Status)
	_, _ = io.WriteString(a, f.Body) // into memory
	return true
}

func (f Fault) wording() *apiError {
	if f.Status == http.StatusTooManyRequests {
		return rateLimited(f.Policy)
	}
	text := http.StatusText(f.Status)
	if text == "" {
		text = "HTTP " + strconv.Itoa(f.Status)
	}
	return newError(f.Status, "", text)
}
