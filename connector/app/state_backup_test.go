package app

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestBackup_OfManyWithOneNameOneIsKept(t *testing.T) {
	dir := t.TempDir()
	to := filepath.Join(dir, "copy.db")
	var kept atomic.Pointer[string]
	var backups sync.WaitGroup
	for i := range 16 {
		text := fmt.Sprint("backup ", i)
		part := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(part, []byte(text), copyMode); err != nil {
			t.Fatal(err)
		}
		backups.Go(func() {
			if place(part, to) == nil && kept.Swap(&text) != nil {
				t.Error("two backups were told that they have the name")
			}
		})
	}
	backups.Wait()
	if got, err := os.ReadFile(to); err != nil || string(got) != *kept.Load() {
		t.Errorf("got %q, %v", got, err)
	}
}
