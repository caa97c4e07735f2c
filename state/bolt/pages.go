package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// Layout of bbolt's pages. A page starts with its header, then come count
// elements, then what they point to.
// https://github.com/etcd-io/bbolt/blob/v1.5.0/internal/common/page.go
const (
	pageHeader  = 16 // id uint64, flags uint16, count uint16, overflow uint32
	elementSize = 16 // branch: pos, ksize uint32, child uint64; leaf: flags, pos, ksize, vsize uint32
	bucketSize  = 16 // root uint64, sequence uint64; an inline page follows when root is 0

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf element

	noFreelist = math.MaxUint64
	manyFree   = 0xFFFF // a count in the header of a freelist that stands behind it
	firstPage  = 2      // behind the meta pages
)

// pageWalk looks at every page that a commit left in a file, while nobody writes
// to those. It reads the file instead of its mapping and visits a page once:
// unlike bbolt's own check it ends whatever the pages say, never faults, and
// shows no keys, which hold ids of people.
type pageWalk struct {
	ctx  context.Context
	path string
	file *os.File
	meta meta       // of the commit
	both bool       // the file has two valid meta pages
	role []pageRole // by page
	add  func(format string, args ...any)
}

// pageRole says what a page is used for.
type pageRole uint8

const (
	roleNone pageRole = iota
	roleUsed
	roleFree
)

// page is one page with its overflow.
type page struct {
	id       int64
	flags    uint16
	count    int
	overflow int64
	data     []byte // header included
}

// walkPages reports to add what is wrong with the pages of the file at path,
// which nobody writes to.
func walkPages(ctx context.Context, path string, add func(format string, args ...any)) error {
	w, err := newPageWalk(ctx, path, add)
	if err != nil {
		return err
	}
	defer w.file.Close()
	return w.run()
}

// newPageWalk returns a walk through the last commit of the file at path. The
// caller closes its file.
func newPageWalk(ctx context.Context, path string, add func(format string, args ...any)) (*pageWalk, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	metas, _, err := readMetas(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read pages: %w", err), f.Close())
	}
	w := &pageWalk{ctx: ctx, path: path, file: f, add: add}
	if len(metas) > 0 {
		w.meta, w.both = newestMeta(metas), len(metas) > 1
	}
	return w, nil
}

// verify is run, and more: a file can be used with one meta page, until the next
// commit makes the other one anew, but what the other one said is lost.
func (w *pageWalk) verify() error {
	if w.meta.pages > 0 && !w.both {
		w.add("one of the two meta pages is not valid: the last commit may be missing")
	}
	return w.run()
}

// run reports what is wrong.
func (w *pageWalk) run() error {
	if w.meta.pages == 0 {
		w.add("there is no valid meta page")
		return nil
	}
	if err := inspect(w.path, w.file); err != nil {
		w.add("%v", err)
		return nil
	}
	w.role = make([]pageRole, w.meta.pages)
	w.tree(w.meta.root, "the meta page", span{})
	w.freelist()
	w.unaccounted()
	return w.ctx.Err()
}

// read returns page id if it is where from says; nil after a finding.
func (w *pageWalk) read(id uint64, from string) *page {
	if w.ctx.Err() != nil {
		return nil
	}
	if id < firstPage || id >= uint64(w.meta.pages) {
		w.add("%s leads to page %d, which does not exist", from, id)
		return nil
	}
	p := &page{id: int64(id)}
	header := make([]byte, pageHeader)
	if !w.readAt(header, p.id) {
		return nil
	}
	p.flags = binary.NativeEndian.Uint16(header[8:])
	p.count = int(binary.NativeEndian.Uint16(header[10:]))
	p.overflow = int64(binary.NativeEndian.Uint32(header[12:]))
	switch number := binary.NativeEndian.Uint64(header); {
	case number != id:
		w.add("page %d: expected its own number in its header, found %d", id, number)
		return nil
	case p.id+p.overflow >= w.meta.pages:
		w.add("page %d: it goes on for %d pages, behind the end of the file", id, p.overflow)
		return nil
	}
	if !w.use(p, from) {
		return nil
	}
	p.data = make([]byte, (1+p.overflow)*w.meta.pageSize)
	if !w.readAt(p.data, p.id) {
		return nil
	}
	return p
}

func (w *pageWalk) readAt(b []byte, id int64) bool {
	_, err := w.file.ReadAt(b, id*w.meta.pageSize)
	if errors.Is(err, io.EOF) {
		w.add("page %d: the file ends within it", id)
	} else if err != nil {
		w.add("page %d: cannot be read: %v", id, err)
	}
	return err == nil
}

// use notes that the page is in use; it must not have been before, which also
// ends a circle of pages.
func (w *pageWalk) use(p *page, from string) bool {
	for id := p.id; id <= p.id+p.overflow; id++ {
		if w.role[id] != roleNone {
			w.add("page %d: %s leads to it, but it is in use already", id, from)
			return false
		}
		w.role[id] = roleUsed
	}
	return true
}

// span is where the keys of a page must lie: from low on and below high. nil
// is no bound.
type span struct{ low, high []byte }

// tree checks the pages of a bucket, or of a part of one.
func (w *pageWalk) tree(root uint64, from string, s span) {
	p := w.read(root, from)
	if p == nil {
		return
	}
	switch p.flags {
	case flagBranch:
		w.branch(p, s)
	case flagLeaf:
		w.leaf(p, p.data, s)
	default:
		w.add("page %d: expected a branch or a leaf, found a page of type %#x", p.id, p.flags)
	}
}

// branch checks the elements of a branch, then the pages that they lead to.
func (w *pageWalk) branch(p *page, s span) {
	if p.count == 0 {
		w.add("page %d: a branch without children", p.id)
	}
	keys := w.keys(p, p.data, p.count, func(e []byte) (pos, size uint32) {
		return binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:])
	}, s)
	for i, key := range keys {
		child := span{key, s.high}
		if i+1 < len(keys) {
			child.high = keys[i+1]
		}
		e := p.data[pageHeader+i*elementSize:]
		w.tree(binary.NativeEndian.Uint64(e[8:]), fmt.Sprintf("page %d", p.id), child)
	}
}

// leaf checks the elements of a leaf, which may also be an inline page in p.
func (w *pageWalk) leaf(p *page, data []byte, s span) {
	count := int(binary.NativeEndian.Uint16(data[10:]))
	keys := w.keys(p, data, count, func(e []byte) (pos, size uint32) {
		return binary.NativeEndian.Uint32(e[4:]), binary.NativeEndian.Uint32(e[8:])
	}, s)
	for i, key := range keys {
		at := pageHeader + i*elementSize
		e := data[at:]
		start := at + int(binary.NativeEndian.Uint32(e[4:])) + len(key)
		value, ok := within(data, start, int(binary.NativeEndian.Uint32(e[12:])))
		if !ok {
			w.add("page %d: the value of entry %d lies outside of the page", p.id, i)
			continue
		}
		if binary.NativeEndian.Uint32(e)&flagBucket != 0 {
			w.bucket(p, i, value)
		}
	}
}

// keys returns the keys of the count elements in data up to the first one that
// is wrong; place says where in the page an element's key is.
func (w *pageWalk) keys(p *page, data []byte, count int, place func(element []byte) (pos, size uint32), s span) [][]byte {
	if _, ok := within(data, pageHeader, count*elementSize); !ok {
		w.add("page %d: it says that it has %d entries, which do not fit", p.id, count)
		return nil
	}
	keys := make([][]byte, 0, count)
	for i := range count {
		at := pageHeader + i*elementSize
		pos, size := place(data[at:])
		key, ok := within(data, at+int(pos), int(size))
		switch {
		case !ok:
			w.add("page %d: the key of entry %d lies outside of the page", p.id, i)
		case i > 0 && bytes.Compare(keys[i-1], key) >= 0:
			w.add("page %d: the keys of entries %d and %d are not in order", p.id, i-1, i)
			ok = false
		case s.low != nil && bytes.Compare(key, s.low) < 0, s.high != nil && bytes.Compare(key, s.high) >= 0:
			w.add("page %d: the key of entry %d does not belong there", p.id, i)
			ok = false
		}
		if !ok {
			return keys
		}
		keys = append(keys, key)
	}
	return keys
}

// bucket checks what element i of a leaf says about a bucket.
func (w *pageWalk) bucket(p *page, i int, value []byte) {
	head, ok := within(value, 0, bucketSize)
	if !ok {
		w.add("page %d: entry %d is too short for a bucket", p.id, i)
		return
	}
	if root := binary.NativeEndian.Uint64(head); root != 0 {
		w.tree(root, fmt.Sprintf("page %d", p.id), span{})
		return
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		w.add("page %d: expected a leaf in entry %d, found something else", p.id, i)
		return
	}
	w.leaf(p, inline, span{})
}

// freelist checks the list of free pages against those in use.
func (w *pageWalk) freelist() {
	if w.meta.freelist == noFreelist {
		return
	}
	p := w.read(w.meta.freelist, "the meta page")
	if p == nil {
		return
	}
	if p.flags != flagFreelist {
		w.add("page %d: expected the list of free pages, found a page of type %#x", p.id, p.flags)
		return
	}
	at, count := pageHeader, uint64(p.count)
	if count == manyFree {
		count = binary.NativeEndian.Uint64(p.data[at:])
		at += 8
	}
	if count > uint64(len(p.data)-at)/8 {
		w.add("page %d: it says that there are %d free pages, which do not fit", p.id, count)
		return
	}
	for ; count > 0; count-- {
		w.free(binary.NativeEndian.Uint64(p.data[at:]))
		at += 8
	}
}

func (w *pageWalk) free(id uint64) {
	switch {
	case id < firstPage || id >= uint64(w.meta.pages):
		w.add("page %d is listed as free, but does not exist", id)
	case w.role[id] == roleUsed:
		w.add("page %d is listed as free, but is in use", id)
	case w.role[id] == roleFree:
		w.add("page %d is listed as free twice", id)
	default:
		w.role[id] = roleFree
	}
}

// unaccounted reports pages that were lost. Behind a damaged page they are
// many, so they are counted.
func (w *pageWalk) unaccounted() {
	if w.meta.freelist == noFreelist || w.ctx.Err() != nil {
		return
	}
	lost := 0
	for _, role := range w.role[firstPage:] {
		if role == roleNone {
			lost++
		}
	}
	if lost > 0 {
		w.add("%d of %d pages are neither in use nor free", lost, len(w.role))
	}
}

// within returns the size bytes of data at offset at, if they are all there.
func within(data []byte, at, size int) ([]byte, bool) {
	if at < 0 || size < 0 || at > len(data) || size > len(data)-at {
		return nil, false
	}
	return data[at : at+size], true
}
