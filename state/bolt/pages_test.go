package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// grownFile returns the bytes of a sound state file with branches, overflow
// pages and free pages.
func grownFile(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill := func(g *group) error {
		for i := range 2000 {
			g.put(links, binary.BigEndian.AppendUint64([]byte{1}, uint64(i)), make([]byte, 40))
		}
		g.put(singleton, keyProbe, make([]byte, 30_000))
		return nil
	}
	empty := func(g *group) error {
		for i := range 500 {
			g.delete(links, binary.BigEndian.AppendUint64([]byte{1}, uint64(i)))
		}
		return nil
	}
	for _, change := range []func(*group) error{fill, empty, accepting(s, "a")} {
		if err := s.write(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// walked returns what a walk finds in a file of these bytes.
func walked(t *testing.T, data []byte) []state.Finding {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	v := &verifier{ctx: t.Context()}
	if err := walkPages(t.Context(), path, v.addPage); err != nil {
		t.Fatal(err)
	}
	return v.findings
}

// pageOf returns the bytes of the first page of the type that is not in the list
// of free ones.
func pageOf(t *testing.T, data, list []byte, flags uint16) []byte {
	t.Helper()
	size := os.Getpagesize()
	free := map[uint64]bool{}
	for i := range int(binary.NativeEndian.Uint16(list[10:])) {
		free[binary.NativeEndian.Uint64(list[pageHeader+8*i:])] = true
	}
	for id := firstPage; (id+1)*size <= len(data); id++ {
		p := data[id*size : (id+1)*size]
		number, count := binary.NativeEndian.Uint64(p), binary.NativeEndian.Uint16(p[10:])
		if number == uint64(id) && !free[number] && binary.NativeEndian.Uint16(p[8:]) == flags && count > 2 {
			return p
		}
	}
	t.Fatalf("no page of type %#x", flags)
	return nil
}

func TestWalkPages_NamesWhatIsWrong(t *testing.T) {
	sound := grownFile(t)
	if found := walked(t, sound); len(found) > 0 {
		t.Fatalf("of a sound file: %v", found)
	}
	put16, put32, put64 := binary.NativeEndian.PutUint16, binary.NativeEndian.PutUint32, binary.NativeEndian.PutUint64
	tests := []struct {
		name   string
		flags  uint16
		damage func(page []byte)
		want   string
	}{
		{"a branch that leads to itself", flagBranch, func(p []byte) {
			put64(p[pageHeader+8:], binary.NativeEndian.Uint64(p))
		}, "in use already"},
		{"a branch that leads to one child twice", flagBranch, func(p []byte) {
			put64(p[pageHeader+elementSize+8:], binary.NativeEndian.Uint64(p[pageHeader+8:]))
		}, "in use already"},
		{"a branch that leads out of the file", flagBranch, func(p []byte) { put64(p[pageHeader+8:], 1<<60) }, "does not exist"},
		{"a branch of another type", flagBranch, func(p []byte) { put16(p[8:], 0x40) }, "expected a branch or a leaf, found a page of type 0x40"},
		{"a branch without children", flagBranch, func(p []byte) { put16(p[10:], 0) }, "without children"},
		{"too many entries", flagBranch, func(p []byte) { put16(p[10:], 0xffff) }, "do not fit"},
		{"a page with another number", flagBranch, func(p []byte) { put64(p, 3) }, "expected its own number"},
		{"a page that goes on for ever", flagBranch, func(p []byte) { put32(p[12:], 1<<31) }, "behind the end of the file"},
		{"a key behind the page", flagBranch, func(p []byte) { put32(p[pageHeader:], 1<<31) }, "key of entry 0 lies outside"},
		{"keys out of order", flagBranch, func(p []byte) {
			put32(p[pageHeader:], binary.NativeEndian.Uint32(p[pageHeader+elementSize:])+elementSize)
		}, "not in order"},
		{"a value behind the page", flagLeaf, func(p []byte) { put32(p[pageHeader+12:], 1<<31) }, "the value of entry 0 lies outside"},
		{"a key with which a leaf does not begin", flagLeaf, func(p []byte) {
			put32(p[pageHeader+elementSize+4:], binary.NativeEndian.Uint32(p[pageHeader+4:])-elementSize)
		}, "not in order"},
		{"a bucket that is none", flagRoot, func(p []byte) { put32(p[pageHeader+12:], bucketSize-1) }, "entry 0 is too short for a bucket"},
		{"a bucket that leads out of the file", flagRoot, func(p []byte) { put64(bucketIn(p, false), 1<<60) }, "does not exist"},
		{"a bucket that leads to the bucket of buckets", flagRoot, func(p []byte) {
			put64(bucketIn(p, false), binary.NativeEndian.Uint64(p))
		}, "in use already"},
		{"a small bucket that is no leaf", flagRoot, func(p []byte) { put16(bucketIn(p, true)[bucketSize+8:], flagBranch) }, "expected a leaf in entry"},
		{"a small bucket with too many entries", flagRoot, func(p []byte) { put16(bucketIn(p, true)[bucketSize+10:], 0xffff) }, "do not fit"},
		{"a list of free pages that is none", flagFreelist, func(p []byte) { put16(p[8:], flagLeaf) }, "expected the list of free pages, found a page of type 0x2"},
		{"a free page that is in use", flagFreelist, func(p []byte) {
			put64(p[pageHeader:], binary.NativeEndian.Uint64(p))
		}, "listed as free, but is in use"},
		{"free pages that do not exist", flagFreelist, func(p []byte) { put64(p[pageHeader:], 1<<60) }, "listed as free, but does not exist"},
		{"a free page twice", flagFreelist, func(p []byte) {
			put64(p[pageHeader:], binary.NativeEndian.Uint64(p[pageHeader+8:]))
		}, "free twice"},
		{"a lost page", flagFreelist, func(p []byte) { put16(p[10:], binary.NativeEndian.Uint16(p[10:])-1) }, "1 of "},
		{"more free pages than fit", flagFreelist, func(p []byte) { put16(p[10:], 0xfffe) }, "do not fit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := append([]byte(nil), sound...)
			tt.damage(livePage(t, data, tt.flags))
			found := walked(t, data)
			if len(found) == 0 || !strings.Contains(found[0].Message, tt.want) {
				t.Errorf("got %v, want %q", found, tt.want)
			}
		})
	}
}

// flagRoot stands for the leaf that holds the buckets.
const flagRoot = 0xff

// bucketIn returns what the leaf says of a bucket, of one that is inline or has
// pages of its own.
func bucketIn(leaf []byte, inline bool) []byte {
	for at := pageHeader; ; at += elementSize {
		start := at + int(binary.NativeEndian.Uint32(leaf[at+4:])+binary.NativeEndian.Uint32(leaf[at+8:]))
		if (binary.NativeEndian.Uint64(leaf[start:]) == 0) == inline {
			return leaf[start:]
		}
	}
}

// livePage is the page of the type that the newest meta page leads to.
func livePage(t *testing.T, data []byte, flags uint16) []byte {
	t.Helper()
	size := os.Getpagesize()
	a, _ := parseMeta(data[pageHeader:])
	b, _ := parseMeta(data[size+pageHeader:])
	newest := newestMeta([]meta{a, b})
	list := data[int(newest.freelist)*size:][:size]
	switch flags {
	case flagFreelist:
		return list
	case flagRoot:
		return data[int(newest.root)*size:][:size]
	}
	return pageOf(t, data, list, flags)
}

// With one meta page a file can be used, but is not what was committed last.
func TestVerifyFile_FindsADamagedMetaPage(t *testing.T) {
	sound := grownFile(t)
	for page := range firstPage {
		for _, at := range []int{0, 8, 16, 40, 48, 56} { // magic, page size, root, end, number, sum
			data := append([]byte(nil), sound...)
			data[page*os.Getpagesize()+pageHeader+at] ^= 1
			path := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := VerifyFile(t.Context(), path)
			if err != nil || len(found) == 0 || !strings.Contains(found[0].Message, "one of the two meta pages is not valid") {
				t.Errorf("page %d, byte %d: got %v, %v", page, at, found, err)
			}
			if s, err := Open(path, Options{CheckPages: true}); err != nil {
				t.Errorf("page %d, byte %d: cannot be used: %v", page, at, err)
			} else if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A file of which a bucket is gone is not taken for one that never held anything.
func TestVerifyFile_FindsAMissingBucket(t *testing.T) {
	for name := range buckets {
		path := filepath.Join(t.TempDir(), "state.db")
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = s.db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(name)) })
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		want := "bucket " + string(name) + " is missing"
		if name == singleton {
			want = "is not a crmsync state file"
		}
		if _, err := VerifyFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Whatever a file holds, looking at it ends without a fault.
func TestVerifyFile_EndsOnAnyDamage(t *testing.T) {
	sound := grownFile(t)
	path := filepath.Join(t.TempDir(), "state.db")
	noticed := 0
	for seed := range uint64(60) {
		data := append([]byte(nil), sound...)
		r := rand.New(rand.NewPCG(seed, 1))
		for range 1 + r.IntN(2000) {
			data[2*os.Getpagesize()+r.IntN(len(data)-2*os.Getpagesize())] ^= 1 << r.IntN(8)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := VerifyFile(t.Context(), path); err != nil || len(found) > 0 {
			noticed++
		}
	}
	if noticed < 30 { // some of it is in free pages
		t.Errorf("only %d of 60 damaged files are noticed", noticed)
	}
}

func TestVerifyFile_OfASoundFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := VerifyFile(t.Context(), path); err != nil || len(found) > 0 {
		t.Errorf("got %v, %v", found, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := VerifyFile(ended, path); err == nil {
		t.Error("it goes on after its context")
	}
}
