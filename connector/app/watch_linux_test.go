package app_test

import (
	"os"
	"syscall"
	"testing"
)

// watch calls changed after writes to a file, or to files in a directory, until
// stop is called. https://man7.org/linux/man-pages/man7/inotify.7.html
func watch(t *testing.T, path string, changed func()) (stop func()) {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_MODIFY|syscall.IN_CREATE); err != nil {
		t.Fatal(err)
	}
	events, done := os.NewFile(uintptr(fd), "inotify"), make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4<<10)
		for {
			if _, err := events.Read(buffer); err != nil {
				return
			}
			changed()
		}
	}()
	return func() { events.Close(); <-done }
}
