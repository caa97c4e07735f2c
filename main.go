// Crmsync receives signed webhooks and writes contacts, companies and call
// activities into a CRM. Run crmsync --help for its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"crmsync/connector/app"
)

func main() { os.Exit(run()) }

// run turns the first SIGINT or SIGTERM into the end of the context. The
// second ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return app.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
