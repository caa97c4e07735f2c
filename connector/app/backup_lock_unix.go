//go:build unix && !solaris && !aix

package app

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks dir until it is closed. On a file system without locks nobody
// can, and so nobody removes what another one may be using.
func tryLock(dir *os.File) error {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errDirInUse
	}
	return err
}
