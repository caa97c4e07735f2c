package app

import (
	"io"
	"log/slog"

	"crmsync/connector/config"
)

// newLogger writes to w, as JSON for machines or as text for people.
func newLogger(w io.Writer, cfg *config.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.LogText {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
