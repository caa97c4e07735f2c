package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// watch calls changed after writes to a file, or to files in a directory or in
// the directories that are made in it, until stop is called.
func watch(t *testing.T, path string, changed func()) (stop func()) {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	add := func(path string) error {
		_, err := syscall.InotifyAddWatch(fd, path, syscall.IN_MODIFY|syscall.IN_CREATE)
		return err
	}
	if err := add(path); err != nil {
		t.Fatal(err)
	}
	events, done := os.NewFile(uintptr(fd), "inotify"), make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4<<10)
		for {
			n, err := events.Read(buffer)
			if err != nil {
				return
			}
			for _, name := range newDirectories(buffer[:n]) {
				_ = add(filepath.Join(path, name)) // one that is gone again has nothing to tell
			}
			changed()
		}
	}()
	return func() { events.Close(); <-done }
}

// newDirectories decodes https://man7.org/linux/man-pages/man7/inotify.7.html
func newDirectories(events []byte) (names []string) {
	for len(events) >= syscall.SizeofInotifyEvent {
		e := (*syscall.InotifyEvent)(unsafe.Pointer(&events[0]))
		end := syscall.SizeofInotifyEvent + int(e.Len)
		name := events[syscall.SizeofInotifyEvent:end]
		if e.Mask&syscall.IN_ISDIR != 0 {
			names = append(names, string(bytes.TrimRight(name, "\x00")))
		}
		events = events[end:]
	}
	return names
}
