package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long another process may take to let go of the file.
const lockTimeout = 3 * time.Second

// lockStep is how often OpenWait looks at the file anew, and whether it is still
// to wait; bbolt tries for the lock every 50 ms.
const lockStep = 250 * time.Millisecond

// LockedError says that another process has the state file open.
type LockedError struct {
	Path   string
	Holder Holder // zero when it has not said who it is
}

func (e *LockedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "state file %s is in use", e.Path)
	if e.Holder.PID != 0 {
		fmt.Fprintf(&b, " by process %d on %s", e.Holder.PID, e.Holder.Host)
	}
	b.WriteString(": stop that process first")
	if e.Holder.Socket != "" {
		fmt.Fprintf(&b, ", or ask it through %s", e.Holder.Socket)
	}
	return b.String()
}

// OpenWait is [Open], but while another process has the file open it waits for
// as long as ctx lives; LockTimeout counts for nothing. Waiting, unless nil, is
// called once, before the wait. When ctx ends first the error is that of ctx
// and a [*LockedError]. A file that is removed meanwhile is not created: whoever
// had it open may be about to put another one there.
func OpenWait(ctx context.Context, path string, o Options, waiting func(*LockedError)) (*Store, error) {
	o.LockTimeout = lockStep
	for {
		if err := ctx.Err(); err != nil && !o.existing {
			return nil, err
		}
		s, err := Open(path, o)
		locked, ok := errors.AsType[*LockedError](err)
		if !ok {
			return s, err
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", err, locked)
		}
		if !o.existing && waiting != nil {
			waiting(locked)
		}
		o.existing = true
	}
}

// lockFile opens the file at path for this process alone, or for readers alone.
// While it waits for the lock the file may be replaced, by a compaction or a
// backup that is restored: then it has locked what nobody will ever read again.
func lockFile(path string, o Options) (*bbolt.DB, error) {
	for {
		if err := prepare(path, o); err != nil {
			return nil, err
		}
		db, locked, err := openFile(path, o)
		if err != nil {
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(there, locked) {
			if o.CheckPages {
				err = checkFile(path, path)
			}
			if err != nil {
				return nil, errors.Join(err, db.Close())
			}
			return db, nil
		}
		if err := db.Close(); err != nil {
			return nil, fmt.Errorf("open state: %w", err)
		}
	}
}

// openFile locks and maps the file, and says which one that is.
func openFile(path string, o Options) (db *bbolt.DB, file fs.FileInfo, err error) {
	defer faultsPanic()()
	defer func() {
		if r := recover(); r != nil { // bbolt panics on pages that make no sense
			err = damaged(path, fmt.Sprint(r))
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: o.LockTimeout, ReadOnly: o.ReadOnly, MaxSize: int(o.MaxSize),
		FreelistType: bbolt.FreelistMapType, InitialMmapSize: initialMap,
		OpenFile: func(path string, flag int, mode fs.FileMode) (*os.File, error) {
			f, err := os.OpenFile(path, flag&^os.O_CREATE, mode) // an empty file would not be a state
			if err == nil {
				file, err = f.Stat()
			}
			return f, err
		},
	})
	switch {
	case err == nil:
		db.AllocSize = growth
		return db, file, nil
	case errors.Is(err, bbolterrors.ErrTimeout):
		holder, _ := ReadHolder(path) // may be gone, or not be written yet
		return nil, nil, &LockedError{Path: path, Holder: holder}
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch),
		errors.Is(err, bbolterrors.ErrChecksum):
		return nil, nil, damaged(path, err.Error())
	}
	return nil, nil, refused(path, path, err)
}
