package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestBackupDir_RemovesTheDeadOnly(t *testing.T) {
	parent := t.TempDir()
	dead := filepath.Join(parent, backupDirName+"1")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "copy.db"), []byte("part"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := newBackupDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	second, err := newBackupDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead one: %v", err)
	}
	for _, d := range []*backupDir{first, second} {
		if _, err := os.Stat(d.path); err != nil {
			t.Error(err)
		}
		d.remove()
	}
	if left := names(t, parent); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Backups that begin together do not take each other's directories for dead.
func TestBackupDir_OfManyAtOnce(t *testing.T) {
	parent := t.TempDir()
	var backups sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		backups.Go(func() {
			for range 50 {
				d, err := newBackupDir(parent)
				if err == nil {
					err = os.WriteFile(filepath.Join(d.path, "copy.db"), nil, 0o600)
					runtime.Gosched()
					_, gone := os.Stat(filepath.Join(d.path, "copy.db"))
					err = errors.Join(err, gone)
					d.remove()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	backups.Wait()
	if left := names(t, parent); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// fullWriter is a disk without room.
type fullWriter struct{ io.Writer }

func (fullWriter) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "copy.db", Err: syscall.ENOSPC}
}

func TestSaveCopy_SaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	write := func(w io.Writer) error { _, err := fullWriter{w}.Write(nil); return err }
	_, err := saveCopy(context.Background(), filepath.Join(dir, "copy.db"), write)
	if err == nil || !strings.Contains(err.Error(), "make room in "+dir) {
		t.Errorf("got %v", err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for cause, want := range map[error]string{
		syscall.EACCES: "or run this as another user",
		syscall.EROFS:  "mount a volume at /backups",
		syscall.ENOENT: "make the directory /backups",
	} {
		if err := noCopy("/backups", &fs.PathError{Op: "mkdir", Path: "/backups/x", Err: cause}); !errors.Is(err, cause) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", cause, err)
		}
	}
}
