package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// CheckAccess fails as [Open] would when the system keeps this process from
// writing the state file at path, or from making it. It leaves nothing behind
// and does not look at what is in the file.
func CheckAccess(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		if err := f.Close(); err != nil {
			return refused(path, path, err)
		}
		err = checkDir(path)
		if isFull(err) { // the file may have room inside
			return nil
		}
		return err
	case !errors.Is(err, fs.ErrNotExist):
		return refused(path, path, err)
	}
	if _, err := os.Readlink(path); err == nil {
		return dangling(path)
	}
	return checkDir(path)
}

// checkDir looks whether files can be made beside path: only making one tells.
func checkDir(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.new")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return refused(path, dir, err)
	}
	return nil
}
