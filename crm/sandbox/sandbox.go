package sandbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options configure a Server. The zero value is a CRM without custom
// properties, owners and limits that accepts any token.
type Options struct {
	// Token is the bearer token to accept; "" accepts any.
	Token string
	// App issues access tokens, which are accepted instead of Token; the zero
	// value is none.
	App App
	// Portal is the number of the account; 0 is 4711.
	Portal int
	// Scopes are those of the token; nil grants all.
	Scopes []string
	// Versions are the API versions to serve, of 2026-09, 2026-03 and v3 (which
	// includes the v4 associations); nil serves all.
	Versions []string
	// RateLimit is announced in headers and enforced; zero is neither.
	RateLimit Rate
	// Owners are the people and queues that can own records.
	Owners []Owner
	// Custom are properties to exist from the start, by object.
	Custom map[string][]Property
	// Seed determines the order of results.
	Seed uint64
	// HideExistingID leaves the holder's id out of conflicts.
	HideExistingID bool
	// HideTraceIDs leaves the trace ids out of results; errors keep them.
	HideTraceIDs bool
	// PackedErrors names bad properties only inside the message, as HubSpot did
	// before it had a list of errors.
	PackedErrors bool
	// RefuseCallUpsert answers batch upserts of calls as an endpoint that does
	// not exist.
	RefuseCallUpsert bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Observe is called with every exchange, one at a time.
	Observe func(Exchange)
}

// Server is the CRM. Its methods may be called concurrently.
type Server struct {
	opts    Options
	mux     *http.ServeMux
	faults  faults
	limiter limiter

	closed    chan struct{}
	closeOnce sync.Once
	listener  *http.Server // nil unless started
	serving   sync.WaitGroup

	observing sync.Mutex // one Observe at a time

	mu    sync.Mutex // guards all below
	token string
	// Of the App: what is exchanged for access tokens, and when those end.
	refreshToken string
	issued       map[string]time.Time
	revoked      bool
	tables       map[string]*table
	links        links
	linkLimits   map[[2]string]int // from and to object: most links of one record
	owners       []Owner
	erased       map[string]bool // addresses that must not come back, lower case
	random       *rand.Rand
	nextID       int
	writes       int
	requests     map[string]int
}

// New returns a Server that serves nothing until it is used as a handler or
// started.
func New(opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Portal == 0 {
		opts.Portal = usualPortal
	}
	if opts.Versions == nil {
		opts.Versions = []string{version202609, version202603, versionLegacy}
	}
	s := &Server{
		opts:         opts,
		closed:       make(chan struct{}),
		token:        opts.Token,
		refreshToken: opts.App.RefreshToken,
		issued:       map[string]time.Time{},
		tables:       standardTables(opts.Now()),
		links:        links{},
		linkLimits:   map[[2]string]int{},
		owners:       append([]Owner(nil), opts.Owners...),
		erased:       map[string]bool{},
		random:       rand.New(rand.NewPCG(opts.Seed, 0)),
		nextID:       1000,
		requests:     map[string]int{},
	}
	s.limiter = limiter{rate: opts.RateLimit}
	for object, properties := range opts.Custom {
		for _, p := range properties {
			s.mustTable(object).define(p, opts.Now())
		}
	}
	s.mux = s.routes()
	return s
}

// Start serves on a free loopback port and returns the base URL.
func (s *Server) Start() (url string, err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.listener = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.serving.Go(func() {
		if err := s.listener.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.release()
		}
	})
	return "http://" + listener.Addr().String(), nil
}

// Close ends every request that hangs or waits and, if the Server was started,
// stops listening.
func (s *Server) Close() error {
	s.release()
	if s.listener == nil {
		return nil
	}
	err := s.listener.Close()
	s.serving.Wait()
	return err
}

func (s *Server) release() { s.closeOnce.Do(func() { close(s.closed) }) }

// SetToken replaces the accepted bearer token: the old one has expired.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Revoke makes every token, a refresh token too, refused until Restore.
func (s *Server) Revoke() { s.setRevoked(true) }

// Restore ends Revoke.
func (s *Server) Restore() { s.setRevoked(false) }

func (s *Server) setRevoked(revoked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = revoked
}

// shuffle puts n things into an arbitrary but reproducible order.
func (s *Server) shuffle(n int, swap func(i, j int)) { s.random.Shuffle(n, swap) }
