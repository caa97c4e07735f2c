package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// compactTx is how many bytes of entries one transaction copies: what they take
// in memory, some times over.
const compactTx = 4 << 20

// compactWait is short: what has the file open for longer is a connector.
const compactWait = time.Second

// Compact writes the file at path anew without its free pages and returns the
// sizes before and after. It fails with a [*LockedError] when a process has the
// file open. The copy, <path>.compacting, takes the file's place once it has
// passed every check, and with it the file's owner and mode; whatever goes
// wrong before, and a kill at any time, leaves the file as it was. The next
// call removes what a kill left behind. A link is followed.
func Compact(path string) (before, after int64, err error) {
	// What broken pages do not lead to would be lost.
	db, err := lockFile(path, Options{LockTimeout: compactWait, CheckPages: true, existing: true})
	if err != nil {
		return 0, 0, err
	}
	before, after, err = compact(db, path)
	// Whoever waits for the lock finds that the file was replaced.
	if err := errors.Join(err, db.Close()); err != nil {
		return 0, 0, fmt.Errorf("compact state: %w", err)
	}
	return before, after, nil
}

func compact(db *bbolt.DB, path string) (before, after int64, err error) {
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return 0, 0, err
	}
	old, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	if _, err := checkFormat(db, path, Options{ReadOnly: true, steps: steps}); err != nil {
		return 0, 0, err
	}
	if err := checkRoom(db, path); err != nil {
		return 0, 0, err
	}
	name := path + ".compacting"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	defer os.Remove(name)
	after, err = copyEntries(name, db)
	if err != nil {
		return 0, 0, refused(path, filepath.Dir(path), err)
	}
	if err := finish(name, after, old); err != nil {
		return 0, 0, err
	}
	if err := checkEntries(path, name); err != nil {
		return 0, 0, err
	}
	return old.Size(), after, errors.Join(os.Rename(name, path), syncDir(filepath.Dir(path)))
}

// checkRoom fails when less is free than the entries take in pages that are as
// full as pages get. There may still be too little: then the copy fails.
func checkRoom(db *bbolt.DB, path string) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	size := tx.Size()
	if err := tx.Rollback(); err != nil { // which counts the free pages
		return err
	}
	need := (size - int64(db.Stats().FreeAlloc)) / 2
	room, known := roomIn(filepath.Dir(path))
	if !known || need <= room {
		return nil
	}
	return &FileError{
		Path: path, Err: state.ErrFull,
		Problem: fmt.Sprintf("cannot be compacted: the copy needs at least %d bytes, %d are free in %s", need, room, filepath.Dir(path)),
		Remedy:  "make room there, nothing was changed",
	}
}

// copyEntries makes a new file of all entries, and returns how much of it is
// used.
func copyEntries(name string, from *bbolt.DB) (size int64, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = brokenPage(r)
		}
	}()
	to, err := bbolt.Open(name, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return 0, err
	}
	err = bbolt.Compact(to, from, compactTx)
	if err == nil {
		err = to.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
	}
	return size, errors.Join(err, to.Close())
}

// checkEntries wants the copy to be a sound state: with no entry missing that
// another one or a count leads to.
func checkEntries(path, name string) error {
	findings, err := VerifyFile(context.Background(), name)
	if err == nil && len(findings) > 0 {
		err = &FileError{
			Path: path, Problem: fmt.Sprintf("cannot be compacted: a copy of it is not sound (%s: %s)", findings[0].Code, findings[0].Message),
			Remedy: "run crmsync state verify, nothing was changed",
		}
	}
	return err
}

// finish cuts off what bbolt has reserved, gives the copy the owner and the mode
// of the old file, and puts it on stable storage.
func finish(name string, size int64, old fs.FileInfo) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = errors.Join(f.Truncate(size), keepOwner(f, old), f.Chmod(old.Mode().Perm()), f.Sync())
	return errors.Join(err, f.Close())
}

func keepOwner(f *os.File, old fs.FileInfo) error {
	uid, gid, known := ownerOf(old)
	if !known {
		return nil
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if nowUID, nowGID, _ := ownerOf(now); nowUID == uid && nowGID == gid {
		return nil
	}
	return f.Chown(uid, gid)
}
