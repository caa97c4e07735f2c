package app

import (
	"errors"
	"fmt"
	"os"

	"crmsync/state/bolt"
)

// stoppedOnly explains, for a command that needs the state file to itself, an
// err that says that another process has it open: with the commands to type.
func stoppedOnly(err error, path, command string) error {
	locked, ok := errors.AsType[*bolt.LockedError](err)
	if !ok {
		return err
	}
	stop := "stop it where it runs"
	if host, err := os.Hostname(); err == nil && host == locked.Holder.Host && locked.Holder.PID != 0 {
		stop = fmt.Sprintf("kill %d", locked.Holder.PID)
	}
	return fmt.Errorf(`state file %s is in use by %s, and crmsync %s works on a stopped connector:
  1. %s (in a container: docker stop NAME, or kubectl scale deployment NAME --replicas=0)
  2. run this command again
  3. start the connector`, path, holderText(locked.Holder), command, stop)
}

// unanswered explains, for a command that found no socket to ask, an err that
// says that a process has the state file open all the same.
func unanswered(err error) error {
	locked, ok := errors.AsType[*bolt.LockedError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("state file %s is in use by %s, which answers no commands: its log says why; stop it to look at the file, or name a backup with --state",
		locked.Path, holderText(locked.Holder))
}
