package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"crmsync/state"
)

// maxGroup bounds the operations that share a commit, and so its latency.
const maxGroup = 1024

const (
	crowdLeast = 8 // writers of a group that show that others are on their way
	crowdWait  = 2 * time.Millisecond
)

// operation is one writer's part of a group. Run may be called several times:
// it starts from the group it is given, and returns an error to be left out.
type operation struct {
	run  func(*group) error
	done chan struct{}
	err  error
}

func (o *operation) finish(err error) {
	o.err = err
	close(o.done)
}

// group is one write transaction and what its operations changed in memory.
type group struct {
	*tables
	now    time.Time
	sums   *totals
	leases *leases
	undo   []func() // of changes to leases, to be run backwards
	then   []func() // once the group is on stable storage
	wake   bool     // something may have become claimable
	probe  bool     // leaves a probe for room behind
}

// write hands fn to the committer and returns when its group is on stable
// storage. When ctx ends first it returns at once, and fn may still commit.
func (s *Store) write(ctx context.Context, fn func(*group) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.readOnly {
		return state.ErrReadOnly
	}
	o := &operation{run: fn, done: make(chan struct{})}
	select {
	case s.operations <- o:
	case <-s.closing:
		return state.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitLoop is the committer. Operations is unbuffered: one that was handed over is
// always answered, also by a store that closes.
func (s *Store) commitLoop() {
	defer close(s.stopped)
	defer faultsPanic()()
	for crowd := 0; ; {
		select {
		case o := <-s.operations:
			ops := s.gather(o, crowd)
			crowd = max(len(ops), crowd-1-crowd/16) // some may have gone
			s.commit(ops)
		case <-s.closing:
			return
		}
	}
}

// gather adds everything that waits already. When there was a crowd lately it
// waits a little for as many: most of what a commit costs does not depend on how
// many share it. A lone writer waits for nobody.
func (s *Store) gather(first *operation, crowd int) []*operation {
	runtime.Gosched()           // writers that the last commit answered may have more
	var enough <-chan time.Time // nil: nobody is waited for
	if crowd >= crowdLeast {
		timer := time.NewTimer(crowdWait)
		defer timer.Stop()
		enough = timer.C
	}
	ops := []*operation{first}
	for len(ops) < maxGroup {
		select {
		case o := <-s.operations:
			ops = append(ops, o)
			continue
		default:
		}
		if enough == nil || len(ops) >= crowd {
			return ops
		}
		select {
		case o := <-s.operations:
			ops = append(ops, o)
		case <-enough:
			return ops
		}
	}
	return ops
}

// commit runs the operations in one transaction, leaving out those that fail.
func (s *Store) commit(ops []*operation) {
	for len(ops) > 0 {
		failed, err := s.attempt(ops)
		if failed == nil {
			for _, o := range ops {
				o.finish(err)
			}
			return
		}
		failed.finish(err)
		ops = slices.DeleteFunc(ops, func(o *operation) bool { return o == failed })
	}
}

// attempt runs ops and commits. It returns the operation that failed, if one
// did, or the error that concerns all. After an error nothing has changed.
func (s *Store) attempt(ops []*operation) (failed *operation, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, s.failed(err)
	}
	g := &group{tables: newTables(tx), now: s.now().UTC(), leases: s.leases}
	defer func() {
		if r := recover(); r != nil {
			err = brokenPage(r)
			if failed == nil {
				err = s.failed(err)
			}
		}
		if err != nil {
			g.abort()
		}
	}()
	g.sums = g.totals()
	g.dirty = g.sums.complete(g.tables)
	for _, o := range ops {
		failed = o
		if err := o.run(g); err != nil {
			return o, err
		}
		if g.err != nil {
			return o, g.err
		}
	}
	failed = nil
	if err := g.commit(); err != nil {
		return nil, s.failed(err)
	}
	s.lastFailure.Store(nil)
	for _, then := range g.then {
		then()
	}
	if g.wake {
		s.signal()
	}
	return nil, nil
}

// commit needs no fsync when nothing was written.
func (g *group) commit() error {
	if !g.dirty {
		return g.tx.Rollback()
	}
	if !g.probe {
		g.delete(singleton, keyProbe)
	}
	value, err := encode(g.sums)
	g.fail(err)
	g.put(singleton, keyTotals, value)
	if g.err != nil {
		return g.err
	}
	g.tx.DB().AllocSize = int(min(max(g.tx.Size()/growthShare, growth), maxGrowth))
	return g.tx.Commit()
}

// abort takes back what the operations changed. The next claim looks at
// everything again: how far it had looked may be wrong now.
func (g *group) abort() {
	_ = g.tx.Rollback() // only says that Commit has closed it already
	for _, undo := range slices.Backward(g.undo) {
		undo()
	}
	g.leases.rescan()
}

// signal wakes the claimer.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// failed remembers for Ready that a commit failed, and says why. Only
// the committer calls it.
func (s *Store) failed(err error) error {
	switch {
	case s.unmapped():
		err = fmt.Errorf("%w: %w", ErrLost, err)
	case isFull(err):
		err = fmt.Errorf("%w: %w", state.ErrFull, err)
	default:
		err = fmt.Errorf("commit: %w", err)
	}
	s.lastFailure.Store(&err)
	return err
}

// unmapped reports whether the file is not mapped any more, which it never is
// again.
func (s *Store) unmapped() bool {
	select {
	case <-s.lost:
		return true
	default:
	}
	tx, err := s.db.Begin(false)
	if err == nil {
		_ = tx.Rollback() // of a reader
	}
	if !errors.Is(err, bbolterrors.ErrInvalidMapping) {
		return false
	}
	close(s.lost)
	return true
}

// isFull reports whether err goes away when there is more room.
func isFull(err error) bool {
	for _, full := range []error{
		bbolterrors.ErrMaxSizeReached, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG,
	} {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}

// brokenPage makes an error of a panic: bbolt panics on pages that make no
// sense.
func brokenPage(r any) error {
	return fmt.Errorf("state file is damaged (run `crmsync state verify`, restore a backup): %v", r)
}

// faultsPanic makes a panic, which can be recovered, of a fault in the mapped
// file: where a disk fails, or the file was cut off, it would end the process.
// The function that it returns takes that back.
func faultsPanic() (restore func()) {
	before := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(before) }
}

// view runs fn in a read transaction.
func (s *Store) view(ctx context.Context, fn func(*tables) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer faultsPanic()()
	defer func() {
		if r := recover(); r != nil {
			err = brokenPage(r)
		}
	}()
	err = s.db.View(func(tx *bbolt.Tx) error {
		t := newTables(tx)
		if err := fn(t); err != nil {
			return err
		}
		return t.err
	})
	switch {
	case errors.Is(err, bbolterrors.ErrDatabaseNotOpen):
		return state.ErrClosed
	case errors.Is(err, bbolterrors.ErrInvalidMapping):
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}
