package app

import (
	"context"
	"errors"
	"log/slog"

	"crmsync/connector/config"
)

// serveCommand runs the connector.
type serveCommand struct{}

// Help implements kong.HelpProvider.
func (*serveCommand) Help() string {
	return `Runs the connector: accepts webhooks on CRMSYNC_LISTEN_ADDR and writes them into the CRM. SIGTERM or SIGINT let what is in
flight finish, at most 8 seconds; a second one ends it at once. crmsync check says beforehand whether it will start.

Exit codes: 0 stopped by a signal, 1 it could not go on, 2 wrong configuration.

Examples:
  crmsync serve
  crmsync                                     the same`
}

// Run serves until the context ends.
func (c *serveCommand) Run(s *session) error {
	cfg, err := soundConfig(s)
	if err != nil {
		return err
	}
	log := newLogger(s.stderr, cfg)
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "variable", w.Variable, "problem", w.Message)
	}
	v, err := startService(s.ctx, cfg, log)
	if errors.Is(err, context.Canceled) && s.ctx.Err() != nil {
		log.Info("stopped before the state file was free")
		return nil //nolint:nilerr // somebody asked for it
	}
	if err != nil {
		return err
	}
	log.Info("started", startAttrs(v, cfg)...)
	err = v.wait(s.ctx)
	log.Info("stopping")
	err = errors.Join(err, v.stop())
	if err == nil {
		log.Info("stopped")
	}
	return err
}

func startAttrs(v *service, cfg *config.Config) []any {
	attrs := []any{
		slog.String("version", buildVersion().Version),
		slog.String("crm", cfg.CRM),
		slog.String("state", cfg.State),
		slog.String("webhooks", v.public.address().String()),
	}
	if v.admin != nil {
		attrs = append(attrs, slog.String("admin", v.admin.address().String()))
	}
	return attrs
}
