package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// formatBody says what a file is.
type formatBody struct {
	Program string `cbor:"1,keyasint"`
	Version int    `cbor:"2,keyasint"`
}

const program = "crmsync"

// FileError says that a file cannot be used, and what to do about it.
type FileError struct {
	Path    string
	Problem string
	Remedy  string
	Fault   Fault
	Err     error // of the system; nil when the file's content is at fault
}

// Fault says what has to be mended.
type Fault int

// The faults of a [FileError].
const (
	OtherFault Fault = iota // such as a file without content, or a full disk
	Damage                  // of what is in the file
	Place                   // the path, or what it leads to: its kind, its rights, its file system
)

func (e *FileError) Error() string {
	return fmt.Sprintf("state file %s %s: %s", e.Path, e.Problem, e.Remedy)
}

func (e *FileError) Unwrap() error { return e.Err }

// VersionError says that a newer release wrote the file.
type VersionError struct {
	Path      string
	Found     int
	Supported int // the newest that this release reads
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("state file %s has format version %d, this release reads up to %d: "+
		"use the release that wrote it, or restore a backup made before the upgrade (%[1]s.v*.bak)", e.Path, e.Found, e.Supported)
}

func damaged(path, problem string) error {
	return &FileError{
		Path: path, Problem: "is damaged (" + problem + ")", Fault: Damage,
		Remedy: "keep a copy of it, then restore the newest backup in its place",
	}
}

func foreign(path string) error {
	return &FileError{
		Path: path, Problem: "is not a crmsync state file", Fault: Place,
		Remedy: "set CRMSYNC_STATE to another path, nothing was changed",
	}
}

// prepare creates the file, or checks that bbolt can map it: a file that is
// shorter than its pages say would kill the process with a memory fault.
func prepare(path string, o Options) error {
	_, err := Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !o.ReadOnly && !o.existing:
		return create(path)
	case err != nil:
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return refused(path, path, err)
	}
	defer f.Close()
	return inspect(path, f)
}

// Stat is [os.Stat] of a state file: it fails with a [*FileError] also for what
// is not a file.
func Stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, refused(path, path, err)
	case !info.Mode().IsRegular(): // to open a pipe would wait for its other end
		return nil, notRegular(path, info.IsDir())
	}
	return info, nil
}

// create makes an empty state under a temporary name and then links it into
// place, so that a crash leaves no half-made file and two processes that start
// together do not replace each other's.
func create(path string) error {
	if _, err := os.Readlink(path); err == nil {
		return dangling(path)
	}
	if err := createAndLink(path); err != nil {
		return refused(path, filepath.Dir(path), err)
	}
	return nil
}

func createAndLink(path string) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(tmp.Close(), initialise(tmp.Name()), syncDir(dir)); err != nil {
		return err
	}
	err = os.Link(tmp.Name(), path)
	switch {
	case errors.Is(err, os.ErrExist): // somebody else was faster
		err = nil
	case err != nil: // a file system without hard links
		err = os.Rename(tmp.Name(), path)
	}
	return errors.Join(err, syncDir(dir))
}

func initialise(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for name := range buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		t := newTables(tx)
		format, err := encode(formatBody{Program: program, Version: formatAfter(steps)})
		t.fail(err)
		t.put(singleton, keyFormat, format)
		sums, err := encode(totals{Mapped: map[mappedKey]int64{}})
		t.fail(err)
		t.put(singleton, keyTotals, sums)
		return t.err
	})
	return errors.Join(err, db.Close())
}

// syncDir makes a new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// formatOf returns the format version of our files, and refuses others.
func formatOf(path string, t *tables) (int, error) {
	b := t.tx.Bucket([]byte(singleton))
	if b == nil {
		return 0, foreign(path)
	}
	var format formatBody
	if err := decode(b.Get(keyFormat), &format); err != nil || format.Program != program || format.Version < 1 {
		return 0, foreign(path)
	}
	return format.Version, nil
}

// checkBuckets refuses a file of this format that is not whole.
func checkBuckets(path string, t *tables) error {
	for name := range buckets {
		if t.bucket(name) == nil {
			return damaged(path, "bucket "+string(name)+" is missing")
		}
	}
	return nil
}

// Layout of a bbolt meta page, behind a page header of 16 bytes:
// https://github.com/etcd-io/bbolt/blob/v1.5.0/internal/common/meta.go
const (
	metaSize  = 64
	metaMagic = 0xED0CDAED
)

// meta is what one of the two meta pages says.
type meta struct {
	pageSize int64
	root     uint64
	freelist uint64
	pages    int64 // high-water mark: no page is at or above it
	txid     uint64
}

// newestMeta returns the one in force of at least one valid meta page.
func newestMeta(metas []meta) meta {
	newest := metas[0]
	for _, m := range metas {
		if m.txid > newest.txid {
			newest = m
		}
	}
	return newest
}

// inspect compares the length of a file with what its meta pages say. It reads
// them first: a live file only grows.
func inspect(path string, f *os.File) error {
	metas, ours, err := readMetas(f)
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("open state: %w", err)
	case info.Size() == 0:
		return &FileError{
			Path: path, Problem: "is empty",
			Remedy: "restore a backup in its place, or delete it to start with no memory of past events",
		}
	case len(metas) == 0 && !ours:
		return foreign(path)
	case len(metas) == 0:
		return damaged(path, "no valid meta page")
	}
	newest := newestMeta(metas)
	if want := newest.pages * newest.pageSize; info.Size() < want {
		return damaged(path, fmt.Sprintf("truncated to %d of %d bytes", info.Size(), want))
	}
	return nil
}

// readMetas returns the valid meta pages. The second one stands at the page
// size, which only the first one tells: every size is tried, as bbolt does.
// Ours reports whether a bbolt file was seen at all.
func readMetas(f *os.File) (metas []meta, ours bool, err error) {
	offsets := []int64{0}
	for size := int64(1 << 10); size <= 1<<16; size <<= 1 {
		offsets = append(offsets, size)
	}
	for _, offset := range offsets {
		var page [16 + metaSize]byte
		n, err := f.ReadAt(page[:], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		if n < len(page) || binary.NativeEndian.Uint32(page[16:]) != metaMagic {
			continue
		}
		ours = true
		if m, ok := parseMeta(page[16:]); ok {
			metas = append(metas, m)
		}
	}
	return metas, ours, nil
}

func parseMeta(b []byte) (meta, bool) {
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	if sum.Sum64() != binary.NativeEndian.Uint64(b[metaSize-8:]) {
		return meta{}, false
	}
	return meta{
		pageSize: int64(binary.NativeEndian.Uint32(b[8:])),
		root:     binary.NativeEndian.Uint64(b[16:]),
		freelist: binary.NativeEndian.Uint64(b[32:]),
		pages:    int64(binary.NativeEndian.Uint64(b[40:])),
		txid:     binary.NativeEndian.Uint64(b[48:]),
	}, true
}
