package bolt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// Options for Open. The zero value is a store for reading and writing.
type Options struct {
	ReadOnly    bool             // of a stopped state or a backup
	LockTimeout time.Duration    // how long to wait for another process; 0 means 3 s
	MaxSize     int64            // bytes that the file may grow to; 0 for no limit
	Socket      string           // where this process answers, to be named to others
	Now         func() time.Time // nil means time.Now

	// CheckPages has every page looked at first, for a file that may be damaged:
	// a circle of pages can hang its reader or take all memory. It reads the whole
	// file, a gigabyte in about a second when it is cached.
	CheckPages bool

	existing bool   // do not create the file
	steps    []step // nil means steps
}

// initialMap is reserved in the address space, so that a growing file is not
// mapped anew while a long read (a backup) holds the old mapping.
const initialMap = 1 << 30

// How much the file grows at once, which costs an fsync of its own: a share of
// what it has, between growth and maxGrowth. bbolt's own 16 MiB is a lot for a
// connector that holds a few events, and little for one that holds many.
const (
	growth      = 4 << 20
	maxGrowth   = 64 << 20
	growthShare = 8
)

// Store is a state file. Its methods may be called concurrently.
type Store struct {
	path     string
	readOnly bool
	now      func() time.Time
	db       *bbolt.DB
	payloads *payloads
	wake     chan struct{}

	operations  chan *operation
	leases      *leases               // belongs to the committer
	lastFailure atomic.Pointer[error] // of the last commit; nil when it worked
	paused      atomic.Pointer[time.Time]
	lost        chan struct{} // closed by the committer, see Lost

	closing  chan struct{}
	stopped  chan struct{}
	closeErr func() error
}

var _ state.Store = (*Store)(nil)

// Open opens the state file at path and creates it when there is none, unless
// ReadOnly is set. It fails with a [*LockedError] when another process has it
// open, with a [*VersionError] when a newer release wrote it, and with a
// [*FileError] when it is damaged, is something else or may not be used; a file
// is never replaced.
func Open(path string, o Options) (*Store, error) {
	if o.LockTimeout == 0 {
		o.LockTimeout = lockTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.steps == nil {
		o.steps = steps
	}
	payloads, err := newPayloads()
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	db, err := lockFile(path, o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: path, readOnly: o.ReadOnly, now: o.Now, db: db, payloads: payloads,
		wake:       make(chan struct{}, 1),
		operations: make(chan *operation),
		leases:     newLeases(),
		lost:       make(chan struct{}),
		closing:    make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	s.closeErr = sync.OnceValue(s.close)
	if err := s.start(o); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// start checks what the file is, converts one of an older format, and starts
// the committer.
func (s *Store) start(o Options) error {
	if err := migrate(s.db, s.path, o); err != nil {
		return err
	}
	err := s.view(context.Background(), func(t *tables) error {
		if err := checkBuckets(s.path, t); err != nil {
			return err
		}
		if !s.readOnly {
			s.leases.load(t)
		}
		since := t.paused()
		s.paused.Store(&since)
		if t.err != nil {
			return damaged(s.path, t.err.Error())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.readOnly {
		close(s.stopped)
		return nil
	}
	if err := writeHolder(s.path, o.Socket); err != nil {
		return err
	}
	go s.commitLoop()
	return nil
}

// Wake implements [state.Store].
func (s *Store) Wake() <-chan struct{} { return s.wake }

// ErrLost says that a file is mapped into memory no longer: the system refused
// the larger map that a growing file needs, when the smaller one was gone. What
// was committed is safe.
var ErrLost = errors.New("the system has no memory to map the state file, which has grown: " +
	"raise the limit of the address space (ulimit -v) or of the memory")

// Lost is closed with [ErrLost]. Until the file is opened anew, all reads and
// writes fail.
func (s *Store) Lost() <-chan struct{} { return s.lost }

// Ready implements [state.Store]. After a commit has failed it tries one of
// the size of an event; the next commit removes what it wrote.
func (s *Store) Ready(ctx context.Context) error {
	select {
	case <-s.closing:
		return state.ErrClosed
	default:
	}
	if s.readOnly {
		return state.ErrReadOnly
	}
	if s.lastFailure.Load() == nil {
		return ctx.Err()
	}
	return s.Room(ctx, 0)
}

// Close waits for what is being committed and closes the file. Closing twice
// is once.
func (s *Store) Close() error { return s.closeErr() }

func (s *Store) close() error {
	close(s.closing)
	<-s.stopped
	if !s.readOnly {
		removeHolder(s.path)
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}
