package config

import (
	"fmt"
	"strings"
)

// assignment is one line NAME=value.
type assignment struct{ name, value string }

// parseEnvFile reads text as `docker run --env-file` does: a line is NAME=value,
// and everything behind the first = is the value, quotes and blanks included.
// Blank lines and lines that start with # are skipped. What docker would let
// pass silently is an error here: a name without =, which it takes from its own
// environment, and a name that comes twice.
// https://docs.docker.com/reference/cli/docker/container/run/#env
func parseEnvFile(text string) ([]assignment, error) {
	var out []assignment
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimLeft(strings.TrimRight(line, "\r"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		switch {
		case !found:
			return nil, fmt.Errorf("line %d has no =", i+1)
		case !validName(name):
			return nil, fmt.Errorf("line %d has no valid name before its =", i+1)
		case seen[name]:
			return nil, fmt.Errorf("line %d sets %s a second time", i+1, name)
		}
		seen[name] = true
		out = append(out, assignment{name, value})
	}
	return out, nil
}
