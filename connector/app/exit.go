package app

import (
	"errors"

	"crmsync/state/bolt"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1 // a check failed, or the operation did not succeed
	exitUsage  = 2 // wrong usage or configuration
)

// exitError ends a command with a code of its own. A nil err says that the
// command has already told its story.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "failed"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage marks err as the caller's mistake.
func usage(err error) error { return &exitError{exitUsage, err} }

// errTold fails a command that has printed why.
var errTold error = &exitError{code: exitFailed}

// exitCode returns the code for err, and whether err is still to be printed.
func exitCode(err error) (code int, tell bool) {
	if err == nil {
		return exitOK, false
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code, e.err != nil
	}
	if misplaced(err) {
		return exitUsage, true
	}
	return exitFailed, true
}

// misplaced reports whether err is about a state file that CRMSYNC_STATE or
// --state should not name, or that is not for this user. What is wrong within a
// file is no mistake of the configuration.
func misplaced(err error) bool {
	e, ok := errors.AsType[*bolt.FileError](err)
	return ok && e.Fault == bolt.Place
}
