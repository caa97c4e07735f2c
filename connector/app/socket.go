package app

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"crmsync/state/bolt"
)

// maxSocketPath is below the 104 to 108 bytes that systems allow.
const maxSocketPath = 100

// maxStatePath is how long the path of a state file may be to have its socket
// beside it.
const maxStatePath = maxSocketPath - len(".sock")

// socketMode lets the connector's own user in, and nobody else: the socket
// asks for no token.
const socketMode fs.FileMode = 0o600

// What a socket and its directory are called when they are not beside the file.
const (
	socketDir  = "crmsync-" // and a random number
	socketName = "crmsync.sock"
)

// socketFor returns where the connector on a state file listens: beside the
// file, or in a new temporary directory when that path is too long. The second
// is remembered in the lock file.
func socketFor(statePath string) (string, error) {
	if path := statePath + ".sock"; len(path) <= maxSocketPath {
		return path, nil
	}
	dir, err := os.MkdirTemp("", socketDir)
	if err != nil {
		return "", fmt.Errorf("make a directory for the socket: %w", err)
	}
	return filepath.Join(dir, socketName), nil
}

// discardSocket removes the directory that socketFor made, if it made one. The
// socket itself goes when its listener is closed.
func discardSocket(statePath, socket string) error {
	if socket == statePath+".sock" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(socket))
}

// removeLeftover removes the socket, in its temporary directory, of a process on
// the same state file that was killed. Nothing else that its lock file may name
// is touched, and what cannot be removed does no harm.
func removeLeftover(statePath, socket string) {
	dir := filepath.Dir(socket)
	if socket == statePath+".sock" || filepath.Base(socket) != socketName || !strings.HasPrefix(filepath.Base(dir), socketDir) {
		return
	}
	_ = removeSocket(socket)
	_ = os.Remove(dir) // only when it is empty
}

// findSocket returns where a connector on a state file would listen.
func findSocket(statePath string) string {
	if path := statePath + ".sock"; len(path) <= maxSocketPath {
		return path
	}
	holder, err := bolt.ReadHolder(statePath)
	if err != nil {
		return statePath + ".sock" // dialling says that it is not there
	}
	return holder.Socket
}

// listenSocket listens on path. The caller holds the lock of the state, so
// that a socket found there was left behind by a kill.
func listenSocket(path string) (net.Listener, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeSocket removes a socket, and nothing else that may be at its place.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is in the way: it is not a socket", path)
	}
	return os.Remove(path)
}
