package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"crmsync/state"
)

// refused says why the system keeps us from the state file at path, and what to
// do about it. Name is what we were working on: the file or one beside it, or
// the directory that it is in.
func refused(path, name string, err error) error {
	dir := filepath.Dir(path)
	e := &FileError{Path: path, Fault: Place, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == path:
		e.Problem, e.Remedy = "does not exist", "put it there, or set CRMSYNC_STATE to the path of another one"
	case errors.Is(err, fs.ErrNotExist):
		e.Problem = fmt.Sprintf("cannot be made, the directory %s does not exist", dir)
		e.Remedy = "make it, mount a volume there, or set CRMSYNC_STATE to another path"
	case errors.Is(err, fs.ErrPermission):
		name := nearest(name)
		e.Problem = fmt.Sprintf("may not be used by user %d, because of %s%s", os.Geteuid(), name, rights(name))
		e.Remedy = fmt.Sprintf("chown %d %s, or run crmsync as another user", os.Geteuid(), name)
	case errors.Is(err, syscall.EROFS):
		e.Problem = "is on a read-only file system"
		e.Remedy = fmt.Sprintf("mount a volume at %s that can be written, or set CRMSYNC_STATE to a path on one", dir)
	case errors.Is(err, syscall.ENOTDIR):
		e.Problem = fmt.Sprintf("cannot be there, %s is not a directory", nearest(name))
		e.Remedy = "set CRMSYNC_STATE to another path"
	case errors.Is(err, syscall.ENOMEM):
		e.Problem = "cannot be mapped into memory"
		e.Remedy = "raise the limit of the address space (ulimit -v) or of the memory, nothing was changed"
		e.Fault = OtherFault
	case isFull(err):
		e.Problem = fmt.Sprintf("finds no room, the file system of %s is full", dir)
		e.Remedy = "make room there, nothing was changed"
		e.Fault, e.Err = OtherFault, fmt.Errorf("%w: %w", state.ErrFull, err)
	default:
		return fmt.Errorf("open state: %w", err)
	}
	return e
}

// nearest returns name or, when the system does not show it to us, the first
// directory above that it does: the one with the rights at fault.
func nearest(name string) string {
	for {
		if _, err := os.Stat(name); err == nil || name == filepath.Dir(name) {
			return name
		}
		name = filepath.Dir(name)
	}
}

// rights says whose name is and what its mode is, as far as that is known.
func rights(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return ""
	}
	if uid, _, ok := ownerOf(info); ok {
		return fmt.Sprintf(" (of user %d, %v)", uid, info.Mode())
	}
	return fmt.Sprintf(" (%v)", info.Mode())
}

func notRegular(path string, isDir bool) error {
	if isDir {
		return &FileError{
			Path: path, Problem: "is a directory", Fault: Place, Err: syscall.EISDIR,
			Remedy: fmt.Sprintf("set CRMSYNC_STATE to a file in it, such as %s", filepath.Join(path, "crmsync.db")),
		}
	}
	return &FileError{
		Path: path, Problem: "is not a regular file", Fault: Place,
		Remedy: "set CRMSYNC_STATE to another path",
	}
}

// dangling is about a link that leads to no file: to start with an empty one
// where a volume is not mounted would forget every event.
func dangling(path string) error {
	return &FileError{
		Path: path, Problem: "is a link to a file that does not exist", Fault: Place,
		Remedy: "mount the volume that it leads to, or remove the link",
	}
}
