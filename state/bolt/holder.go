package bolt

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Holder is the process that has a state file open for writing.
type Holder struct {
	PID    int    `json:"pid"`
	Host   string `json:"host"`
	Socket string `json:"socket,omitempty"` // where it answers; "" when it does not
}

// LockedError says that another process has the state file open.
type LockedError struct {
	Path   string
	Holder Holder // zero when it has not said who it is
}

func (e *LockedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "state file %s is in use", e.Path)
	if e.Holder.PID != 0 {
		fmt.Fprintf(&b, " by process %d on %s", e.Holder.PID, e.Holder.Host)
	}
	b.WriteString(": stop that process first")
	if e.Holder.Socket != "" {
		fmt.Fprintf(&b, ", or ask it through %s", e.Holder.Socket)
	}
	return b.String()
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

// writeHolder says who we are. The lock must be held.
func writeHolder(path, socket string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	b, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Socket: socket})
	if err != nil {
		return err
	}
	return os.WriteFile(holderPath(path), append(b, '\n'), 0o600)
}

// removeHolder leaves nothing behind. The lock must still be held. A file that
// stays is harmless: it only names a process.
func removeHolder(path string) {
	_ = os.Remove(holderPath(path))
}
