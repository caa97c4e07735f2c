// Package app is the program around the connector: the command line, the
// wiring of a running connector, the admin API and the list of CRMs.
//
// [Run] executes one command line and returns its exit code: 0 fine, 1 a check
// failed or the operation did not succeed, 2 wrong usage or configuration.
//
// There is one way to look at a state, the JSON API under /api/v1. A running
// connector serves it on the admin listener and on a Unix socket beside the
// state file; for a stopped file or a backup a command serves it to itself.
// So every command prints the same about all three.
//
//	app.go      grammar of the command line; one file per command
//	session.go  how a command gets at the API
//	api.go      /api/v1; view.go holds its JSON
//	admin.go    guards of the admin listener
//	service.go  a running connector: start, wait, stop
//	standby.go  one that waits for the state that another process has
//	adapters.go the CRMs on offer
//
// Example:
//
//	func main() {
//		os.Exit(app.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
//	}
package app
