package sandbox

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxBody is the most that a request may carry: 2,000 associations or 100
// records with a full text each.
const maxBody = 16 << 20

const correlationHeader = "X-HubSpot-Correlation-Id"

// Request is a request as it arrived.
type Request struct {
	// Op is the method and the path without /crm or /oauth, version and ids,
	// with object names for type ids: "POST objects/contacts/batch/upsert",
	// "GET objects/calls/{id}", "GET owners", "GET account-info/details", "POST
	// token". It is "unknown" for
	// a path that is not served.
	Op     string
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   []byte
}

// Exchange is a request and what was answered. Status is 0 when a fault ended
// the request without an answer.
type Exchange struct {
	Request
	Status   int
	Response []byte
}

// ServeHTTP answers like HubSpot, unless a fault says otherwise. It breaks a
// connection by panicking with http.ErrAbortHandler, which an http.Server
// expects and a recorder does not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.refuseBody(w, err)
		return
	}
	req := Request{
		Op: s.operation(r), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body,
	}
	f := s.take(req)
	if !s.delay(r.Context(), f) {
		s.observe(Exchange{Request: req})
		panic(http.ErrAbortHandler)
	}
	a := s.answer(r, body, f)
	s.observe(Exchange{Request: req, Status: a.status, Response: a.body.Bytes()})
	a.send(w, f.Cut)
}

func (s *Server) refuseBody(w http.ResponseWriter, err error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); !tooLarge {
		panic(http.ErrAbortHandler) // the client is gone
	}
	a := newAnswer()
	writeError(a, newError(http.StatusRequestEntityTooLarge, "", "The request is too large"))
	a.send(w, CutNever)
}

// answer carries the request out, or says what the fault wants said.
func (s *Server) answer(r *http.Request, body []byte, f Fault) *answer {
	a := newAnswer()
	if f.respond(a, s.opts.Now()) {
		return a
	}
	if limited := s.limiter.admit(a.Header(), s.opts.Now()); limited != nil {
		writeError(a, limited)
		return a
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
	s.mux.ServeHTTP(a, r)
	if a.status >= 300 && !strings.HasPrefix(a.Header().Get("Content-Type"), "application/json") {
		a.restart()
		writeError(a, newError(a.unrouted(), "", http.StatusText(a.unrouted())))
	}
	return a
}

func (s *Server) observe(e Exchange) {
	if s.opts.Observe == nil {
		return
	}
	s.observing.Lock()
	defer s.observing.Unlock()
	s.opts.Observe(e)
}

// operation names what a request is about.
func (s *Server) operation(r *http.Request) string {
	trimmed := r.Clone(r.Context())
	trimmed.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
	op := "unknown"
	if _, pattern := s.mux.Handler(trimmed); pattern != "" {
		op = r.Method + " " + plainPath(trimmed.URL.Path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[op]++
	return op
}

func plainPath(path string) string {
	var kept []string
	for i, part := range strings.Split(strings.Trim(path, "/"), "/") {
		isVersion := part == "v1" || part == "v3" || part == "v4" || part == version202603 || part == version202609
		if i == 0 && part != "account-info" || i < 3 && isVersion {
			continue
		}
		if name, ok := objectNames[part]; ok {
			part = name
		} else if _, err := strconv.ParseUint(part, 10, 64); err == nil {
			part = "{id}"
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "/")
}

// answer is a response held back until it is known whether the connection
// lives to carry it.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer {
	a := &answer{header: http.Header{}}
	a.header.Set(correlationHeader, newCorrelationID())
	return a
}

// newCorrelationID returns something in the shape of a UUID.
func newCorrelationID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.body.Write(p)
}

func (a *answer) restart() { a.body.Reset() }

// unrouted is the status for a request that no endpoint took; what the router
// would redirect does not exist here.
func (a *answer) unrouted() int {
	if a.status == http.StatusMethodNotAllowed {
		return a.status
	}
	return http.StatusNotFound
}

// send writes the answer, or as much of it as the cut allows.
func (a *answer) send(w http.ResponseWriter, cut Cut) {
	if cut == CutBefore || cut == CutAfter {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	body := a.body.Bytes()
	if len(body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if cut == CutBody {
		body = body[:len(body)/2]
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that is gone is its own problem
	if cut == CutBody {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
