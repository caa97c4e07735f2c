//go:build !linux

package app

// limitMemory does nothing where a limit of the address space means something
// else or is not kept.
func limitMemory(string) error { return nil }
