package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
	"crmsync/state/bolt"
)

// large returns the path of a closed state of some megabytes that are free,
// with one pending event.
func large(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, bolt.Options{})
	noise := rand.NewChaCha8([32]byte{})
	for i := range 3 {
		m := delivery(fmt.Sprint(i))
		m.Body = make([]byte, 1<<20)
		_, _ = noise.Read(m.Body)
		if _, err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	claim, err := s.Claim(t.Context(), state.ClaimOptions{Max: 8})
	if err == nil {
		err = s.Settle(t.Context(), applied(claim.Events))
	}
	if err == nil {
		_, err = s.Prune(t.Context(), state.PruneOptions{PayloadsBefore: time.Now().Add(time.Hour)})
	}
	if err == nil {
		m := delivery("pending")
		m.Body = make([]byte, 1<<13) // too large to stand beside the bucket's name
		_, _ = noise.Read(m.Body)
		_, err = s.Accept(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
	closeClean(t, s)
	return path
}

func TestCompact_keepsEverythingButTheFreePages(t *testing.T) {
	path := large(t)
	want := entries(t, path)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := errors.Join(os.Symlink(path, link), os.Chmod(path, 0o640),
		os.WriteFile(path+".compacting", []byte("of one that was killed"), 0o600)); err != nil {
		t.Fatal(err)
	}
	before, after, err := bolt.Compact(link)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != after || info.Mode() != 0o640 {
		t.Errorf("file %v, %v, said to have %d bytes", info, err, after)
	}
	if before < 3<<20 || after > 1<<18 {
		t.Errorf("from %d to %d bytes", before, after)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q %v", to, err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if got := entries(t, path); got != want {
		t.Error("the entries are not the same")
	}
	s := open(t, path, bolt.Options{})
	defer closeClean(t, s)
	if _, err := s.Accept(t.Context(), delivery("later")); err != nil {
		t.Error(err)
	}
}

// entries returns everything in a file but how it lies in pages.
func entries(t *testing.T, path string) string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			fmt.Fprintf(&b, "%s %d\n", name, bucket.Sequence())
			return bucket.ForEach(func(k, v []byte) error {
				_, err := fmt.Fprintf(&b, "%x %x\n", k, v)
				return err
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompact_leavesAFileInUse(t *testing.T) {
	path := filled(t)
	s := open(t, path, bolt.Options{})
	defer closeClean(t, s)
	_, _, err := bolt.Compact(path)
	if locked, ok := errors.AsType[*bolt.LockedError](err); !ok || locked.Holder.PID != os.Getpid() {
		t.Errorf("got %v", err)
	}
}

func TestCompact_createsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if _, _, err := bolt.Compact(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

func TestCompact_leavesTheFileWhenItFails(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(t *testing.T, path string)
		want   string
		remain string
	}{
		{"no place for the copy", func(t *testing.T, path string) {
			if err := os.MkdirAll(path+".compacting/x", 0o700); err != nil {
				t.Fatal(err)
			}
		}, "directory not empty", "state.db.compacting"},
		{"an entry that leads nowhere", func(t *testing.T, path string) {
			editFile(t, path, func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte("messages")).Put([]byte("\x00msg_x"), []byte("\x00\x00\x00\x00\x00\x00\x00\x63"))
			})
		}, "not sound (dangling_index", ""},
		{"a page that is another one", renumberPage, "is damaged", ""},
		{"another program's file", func(t *testing.T, path string) {
			editFile(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("crmsync")) })
		}, "is not a crmsync state file", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := large(t)
			tt.spoil(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := bolt.Compact(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed: %v", err)
			}
			left, _ := filepath.Glob(path + ".*")
			if len(left) > 0 && filepath.Base(left[0]) != tt.remain {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// renumberPage damages the page of the payloads.
func renumberPage(t *testing.T, path string) {
	t.Helper()
	var offset int64
	editFile(t, path, func(tx *bbolt.Tx) error {
		offset = int64(tx.Bucket([]byte("payloads")).Root()) * int64(tx.DB().Info().PageSize)
		return nil
	})
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil || offset == 0 {
		t.Fatal("no page of payloads", err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, 8), offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
