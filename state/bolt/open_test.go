package bolt_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"crmsync/state"
	"crmsync/state/bolt"
)

// filled returns the path of a closed state with some events.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, bolt.Options{})
	for _, name := range []string{"a", "b", "c"} {
		if _, err := s.Accept(t.Context(), delivery(name)); err != nil {
			t.Fatal(err)
		}
	}
	claim, err := s.Claim(t.Context(), state.ClaimOptions{Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), applied(claim.Events)); err != nil {
		t.Fatal(err)
	}
	closeClean(t, s)
	return path
}

func TestOpen_createsPrivateFileAndLeavesNothingElse(t *testing.T) {
	path := filled(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v", entries, err)
	}
}

func TestOpen_namesTheHolderOfTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, bolt.Options{Socket: "/run/crmsync.sock"})
	defer closeClean(t, s)
	for _, readOnly := range []bool{false, true} {
		_, err := bolt.Open(path, bolt.Options{LockTimeout: time.Millisecond, ReadOnly: readOnly})
		locked, ok := errors.AsType[*bolt.LockedError](err)
		if !ok || locked.Holder.PID != os.Getpid() || locked.Holder.Host == "" || locked.Holder.Socket != "/run/crmsync.sock" {
			t.Errorf("read-only %t: got %v", readOnly, err)
		}
	}
}

func TestOpen_refusesWhatItCannotUse(t *testing.T) {
	whole, err := os.ReadFile(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(whole)
	for _, offset := range []int{40, 4096 + 40} {
		broken[offset] ^= 0xff
	}
	tests := []struct {
		name    string
		content []byte
		want    string
	}{
		{"nothing in it", nil, "empty"},
		{"a text", []byte(strings.Repeat("not a database\n", 1000)), "not a crmsync state file"},
		{"a short text", []byte("x"), "not a crmsync state file"},
		{"broken meta pages", broken, "damaged"},
		{"cut to half", whole[:len(whole)/2], "truncated"},
		{"cut to the meta pages", whole[:2*4096], "truncated"},
		{"cut in the first page", whole[:1000], "truncated"},
		{"cut by a page", whole[:usedBytes(t, whole)-1], "truncated"},
	}
	for _, tt := range tests {
		for _, readOnly := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "state.db")
				if err := os.WriteFile(path, tt.content, 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := bolt.Open(path, bolt.Options{ReadOnly: readOnly})
				if _, ok := errors.AsType[*bolt.FileError](err); !ok || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				after, err := os.ReadFile(path)
				if err != nil || !bytes.Equal(after, tt.content) {
					t.Errorf("file was changed: %v", err)
				}
			})
		}
	}
}

// usedBytes is the length below which pages are missing.
func usedBytes(t *testing.T, whole []byte) int64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	return tx.Size()
}

// editFile changes a state file behind the store's back.
func editFile(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_refusesOtherFormats(t *testing.T) {
	newer := filled(t)
	editFile(t, newer, func(tx *bbolt.Tx) error {
		// version byte, then {1: "crmsync", 2: 9} in CBOR
		return tx.Bucket([]byte("crmsync")).Put([]byte("format"), append([]byte{1, 0xa2, 1, 0x67}, "crmsync\x02\x09"...))
	})
	_, err := bolt.Open(newer, bolt.Options{})
	if v, ok := errors.AsType[*bolt.VersionError](err); !ok || v.Found != 9 || v.Supported != 1 {
		t.Errorf("newer: got %v", err)
	}
	foreign := filepath.Join(t.TempDir(), "other.db")
	editFile(t, foreign, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("other"))
		return err
	})
	_, err = bolt.Open(foreign, bolt.Options{})
	if _, ok := errors.AsType[*bolt.FileError](err); !ok || !strings.Contains(err.Error(), "not a crmsync state file") {
		t.Errorf("foreign: got %v", err)
	}
	partial := filled(t)
	editFile(t, partial, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("queue")) })
	if _, err = bolt.Open(partial, bolt.Options{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("partial: got %v", err)
	}
}

func TestOpen_readOnly(t *testing.T) {
	path := filled(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, path, bolt.Options{ReadOnly: true})
	ctx := t.Context()
	if e, err := s.Event(ctx, "evt-a"); err != nil || e.Status != state.Applied || len(e.Body) == 0 {
		t.Errorf("event: %+v, %v", e, err)
	}
	if events, err := s.Events(ctx, state.EventFilter{}); err != nil || len(events) != 3 {
		t.Errorf("events: %d, %v", len(events), err)
	}
	if objects, err := s.Objects(ctx, state.ObjectFilter{}); err != nil || len(objects) != 2 {
		t.Errorf("objects: %d, %v", len(objects), err)
	}
	for name, err := range writes(t, s) {
		if !errors.Is(err, state.ErrReadOnly) {
			t.Errorf("%s: got %v, want ErrReadOnly", name, err)
		}
	}
	closeClean(t, s)
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("file was changed: %v", err)
	}
}

func writes(t *testing.T, s state.Store) map[string]error {
	ctx := t.Context()
	_, accept := s.Accept(ctx, delivery("x"))
	_, claim := s.Claim(ctx, state.ClaimOptions{Max: 1})
	_, requeueID := s.Requeue(ctx, state.RequeueOptions{IDs: []string{"evt-a"}})
	_, requeueStatus := s.Requeue(ctx, state.RequeueOptions{Status: state.Dead})
	_, prune := s.Prune(ctx, state.PruneOptions{EventsBefore: time.Now()})
	return map[string]error{
		"accept": accept, "claim": claim, "requeue ids": requeueID, "requeue status": requeueStatus, "prune": prune,
		"settle": s.Settle(ctx, state.Batch{}), "release": s.Release(ctx, 1), "mark": s.MarkInDoubt(ctx, time.Now()),
		"count": s.CountRejected(ctx, nil, 0), "ready": s.Ready(ctx),
	}
}

func TestOpen_readOnlyCreatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if _, err := bolt.Open(path, bolt.Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was created")
	}
}

func TestBackup_isAStateOfItsOwn(t *testing.T) {
	s := open(t, filled(t), bolt.Options{})
	defer closeClean(t, s)
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Backup(t.Context(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), delivery("later")); err != nil {
		t.Fatal(err)
	}
	b := open(t, path, bolt.Options{ReadOnly: true})
	defer closeClean(t, b)
	if stats, err := b.Stats(t.Context()); err != nil || stats.Received != 3 {
		t.Errorf("backup: %+v, %v", stats, err)
	}
}

func TestOpen_fromManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	opened := make(chan *bolt.Store)
	for range 8 {
		go func() {
			s, err := bolt.Open(path, bolt.Options{LockTimeout: time.Millisecond})
			if _, locked := errors.AsType[*bolt.LockedError](err); err != nil && !locked {
				t.Error(err)
			}
			opened <- s
		}()
	}
	var holders []*bolt.Store
	for range 8 {
		if s := <-opened; s != nil {
			holders = append(holders, s)
		}
	}
	if len(holders) != 1 {
		t.Errorf("%d of them have it open", len(holders))
	}
	for _, s := range holders {
		closeClean(t, s)
	}
}

// limitedWriter is a disk with room for so many bytes.
type limitedWriter int

func (w *limitedWriter) Write(b []byte) (int, error) {
	if *w -= limitedWriter(len(b)); *w < 0 {
		return 0, syscall.ENOSPC
	}
	return len(b), nil
}

// Wherever the copy breaks off, the caller can tell why.
func TestBackup_onAFullDisk(t *testing.T) {
	s := open(t, filled(t), bolt.Options{ReadOnly: true})
	defer closeClean(t, s)
	for room := range 4 {
		w := limitedWriter(room * os.Getpagesize())
		if err := s.Backup(t.Context(), &w); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("with room for %d pages: got %v", room, err)
		}
	}
}
