package bolt

import (
	"encoding/json"
	"fmt"
	"os"
)

// Holder is the process that has a state file open for writing.
type Holder struct {
	PID    int    `json:"pid"`
	Host   string `json:"host"`
	Socket string `json:"socket,omitempty"` // where it answers; "" when it does not
}

func holderPath(path string) string { return path + ".lock" }

// ReadHolder returns who has the state file at path open for writing. What it
// returns may be of a process that was killed: only the lock tells.
func ReadHolder(path string) (Holder, error) {
	var h Holder
	b, err := os.ReadFile(holderPath(path))
	if err != nil {
		return h, fmt.Errorf("read holder of state: %w", err)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return Holder{}, fmt.Errorf("read holder of state: %w", err)
	}
	return h, nil
}

// writeHolder says who we are. The lock must be held. A full disk does not keep
// the state from being opened: it may have room inside.
func writeHolder(path, socket string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	b, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Socket: socket})
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	removeHolder(path) // another user's, after a kill
	err = os.WriteFile(holderPath(path), append(b, '\n'), 0o600)
	if isFull(err) {
		removeHolder(path)
		return nil
	}
	if err != nil {
		return refused(path, holderPath(path), err)
	}
	return nil
}

// removeHolder leaves nothing behind. The lock must still be held. A file that
// stays is harmless: it only names a process.
func removeHolder(path string) {
	_ = os.Remove(holderPath(path))
}
