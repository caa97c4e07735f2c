package app

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"crmsync/crm"
	"crmsync/state"
)

func parseStatus(text string) (state.Status, error) {
	if text == "" || slices.Contains(state.Statuses(), state.Status(text)) {
		return state.Status(text), nil
	}
	names := make([]string, 0, len(state.Statuses()))
	for _, s := range state.Statuses() {
		names = append(names, string(s))
	}
	return "", badRequest("status is %q: expected one of %s", text, strings.Join(names, ", "))
}

func parseObject(text string) (string, error) {
	if text == "" || slices.Contains(crm.Objects(), crm.Object(text)) {
		return text, nil
	}
	names := make([]string, 0, len(crm.Objects()))
	for _, o := range crm.Objects() {
		names = append(names, string(o))
	}
	return "", badRequest("object is %q: expected one of %s", text, strings.Join(names, ", "))
}

// count is a flag for a number of things, 1 or more.
type count int

// Decode implements kong.MapperValue. It sees also what begins with a hyphen,
// which kong takes for a flag: -1 is a mistake of its own.
func (c *count) Decode(ctx *kong.DecodeContext) error {
	n, err := strconv.Atoi(ctx.Scan.Pop().String())
	if err != nil || n < 1 {
		return errors.New("expected a whole number from 1, such as 20")
	}
	*c = count(n)
	return nil
}

// parseSince reads a moment: a time ago such as 36h or 7d, a date or an
// RFC 3339 time. Dates are in UTC. The empty text is the zero time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago).UTC(), nil
	}
	return time.Time{}, badRequest("since is %q: expected a time ago such as 36h or 7d, or a date such as 2026-11-18", text)
}

// parseAgo reads a positive duration that may start with days: 7d, 1d12h.
func parseAgo(text string) (time.Duration, bool) {
	const day, maxDays = 24 * time.Hour, 100 * 365
	var days int
	if head, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n > maxDays {
			return 0, false
		}
		if days = n; rest == "" {
			return time.Duration(days) * day, true
		}
		text = rest
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return 0, false
	}
	return time.Duration(days)*day + ago, true
}
