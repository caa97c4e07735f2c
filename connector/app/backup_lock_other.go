//go:build !unix || solaris || aix

package app

import (
	"errors"
	"os"
)

// tryLock fails: directories cannot be locked here.
func tryLock(*os.File) error { return errors.ErrUnsupported }
