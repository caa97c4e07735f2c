//go:build unix

package config_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe without a writer must not keep the connector from starting or saying
// what is wrong.
func TestLoad_IsNotHeldUpByAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := load(t, env("HUBSPOT_TOKEN", "-", "HUBSPOT_TOKEN_FILE", pipe))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "empty file") {
		t.Errorf("got %v", problems)
	}
}
