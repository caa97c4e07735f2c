package app

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"crmsync/state"
	"crmsync/state/bolt"
)

// grownState returns the bytes of a state file with so many events that its
// pages make trees.
func grownState(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmsync.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for i := range 400 {
		senders.Go(func() {
			m := state.Message{MessageID: fmt.Sprintf("msg_%d", i), Type: "user.created", Body: []byte("{}"), ReceivedAt: testNow}
			if _, err := store.Accept(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// eachPage calls damage for every page of the type: 1 is a branch, 2 a leaf.
// https://github.com/etcd-io/bbolt/blob/v1.5.0/internal/common/page.go
func eachPage(text []byte, flags uint16, damage func(page []byte)) []byte {
	text = slices.Clone(text)
	for page := range slices.Chunk(text, os.Getpagesize()) {
		if binary.NativeEndian.Uint16(page[8:]) == flags {
			damage(page)
		}
	}
	return text
}

// What bbolt would follow for ever, or into memory that is not there, ends no
// command with a stack trace: it says what is damaged and what to do.
func TestState_WithDamagedPages(t *testing.T) {
	sound := grownState(t)
	put16, put32 := binary.NativeEndian.PutUint16, binary.NativeEndian.PutUint32
	for _, tt := range []struct {
		name string
		text []byte
	}{
		{"branches that lead to themselves", eachPage(sound, 1, func(p []byte) { copy(p[16+8:16+16], p[:8]) })},
		{"branches that lead nowhere", eachPage(sound, 1, func(p []byte) { put32(p[16+8:], 1<<30) })},
		{"leaves that are branches", eachPage(sound, 2, func(p []byte) { put16(p[8:], 1) })},
		{"leaves with entries elsewhere", eachPage(sound, 2, func(p []byte) { put32(p[16+4:], 1<<30) })},
		{"leaves with many entries", eachPage(sound, 2, func(p []byte) { put16(p[10:], 0xffff) })},
		{"leaves of zeros", eachPage(sound, 2, func(p []byte) { clear(p) })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			path := filepath.Join(t.TempDir(), "crmsync.db")
			if err := os.WriteFile(path, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			useSandbox(t, path)
			for _, args := range stateCommandLines {
				if args[0] == "serve" { // has to be ready before it could have read a large file
					continue
				}
				code, out, errOut := runLimited(t, args...)
				if said := out + errOut; code != exitFailed || strings.Contains(said, "goroutine") ||
					!strings.Contains(said, "page") || !strings.Contains(said, "restore the newest backup") {
					t.Errorf("%v: exit code %d\n%s", args, code, said)
				}
			}
		})
	}
}
