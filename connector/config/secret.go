package config

import "log/slog"

// Secret is a text that is never printed, logged or encoded. Convert it to a
// string where it is used.
type Secret string

const redacted = "‹redacted›"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder, for %#v.
func (Secret) GoString() string { return redacted }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder, for JSON and every other encoding.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
