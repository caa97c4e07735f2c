//go:build !linux

package app_test

import (
	"testing"
	"time"
)

// watch calls changed now and then, until stop is called.
func watch(_ *testing.T, _ string, changed func()) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				changed()
			}
		}
	}()
	return func() { close(ended); <-done }
}
