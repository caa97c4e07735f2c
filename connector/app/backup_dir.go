package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"crmsync/state/bolt"
)

// backupDirName begins the name of a directory in which a copy is made.
const backupDirName = ".crmsync-backup-"

// backupDir is where a copy is before it gets its name. The lock says that
// somebody works in it: it ends with the process, however that ends.
type backupDir struct {
	path string
	lock *os.File // nil where there are none
}

// newBackupDir makes one in parent, and removes those of processes that were
// killed.
func newBackupDir(parent string) (*backupDir, error) {
	removeDeadBackups(parent)
	for {
		path, err := os.MkdirTemp(parent, backupDirName)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDirInUse) {
			continue // another backup took it for one of the dead
		}
		return &backupDir{path, lock}, nil
	}
}

// remove takes away the directory with all that is in it.
func (d *backupDir) remove() {
	_ = os.RemoveAll(d.path) // what stays is removed by the next backup
	_ = d.lock.Close()
}

// removeDeadBackups leaves alone what may not be removed, or belongs to a backup
// that is being made.
func removeDeadBackups(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // making one says why
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), backupDirName) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		if lock, err := lockDir(path); err == nil {
			(&backupDir{path, lock}).remove()
		}
	}
}

// errDirInUse says that another process has locked a directory.
var errDirInUse = errors.New("another backup works there")

// lockDir locks a directory without waiting. That it is still there afterwards
// means that nobody else removes it.
func lockDir(path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	opened, err := dir.Stat()
	if err == nil {
		err = tryLock(dir)
	}
	if err == nil {
		var there fs.FileInfo
		if there, err = os.Lstat(path); err == nil && !os.SameFile(opened, there) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// noCopy tells what to do when the system keeps us from making a copy in dir.
func noCopy(dir string, err error) error {
	_, ofState := errors.AsType[*bolt.FileError](err)
	switch {
	case ofState: // says so itself
		return err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: name a directory that user %d may write to, or run this as another user", err, os.Geteuid())
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: make the directory %s, or name another one", err, dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: mount a volume at %s that can be written, or name another directory", err, dir)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the copy needs as much room as the state file, make room in %s", err, dir)
	}
	return err
}
