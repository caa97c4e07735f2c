package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// newest walks inbox and ledger together, backwards by seq.
type newest struct {
	from      bucket
	key, line []byte // of the present line; nil at the end
	lists     []*list
}

// list is one bucket's part of a walk.
type list struct {
	from      bucket
	cursor    *bbolt.Cursor
	key, line []byte
}

func newNewest(t *tables, f state.EventFilter) *newest {
	n := new(newest)
	for _, from := range []bucket{inbox, ledger} {
		if (f.Status == state.Pending && from == ledger) || (f.Status != "" && f.Status != state.Pending && from == inbox) {
			continue
		}
		b := t.bucket(from)
		if b == nil {
			return n
		}
		l := &list{from: from, cursor: b.Cursor()}
		l.key, l.line = l.cursor.Last()
		if f.Before > 0 {
			l.seekBefore(f.Before)
		}
		n.lists = append(n.lists, l)
	}
	n.next()
	return n
}

// seekBefore goes to the last line below seq.
func (l *list) seekBefore(seq uint64) {
	if k, _ := l.cursor.Seek(seqKey(seq)); k == nil {
		l.key, l.line = l.cursor.Last()
		return
	}
	l.key, l.line = l.cursor.Prev()
}

func (n *newest) next() {
	n.key, n.line = nil, nil
	var last *list
	for _, l := range n.lists {
		if l.key != nil && (last == nil || bytes.Compare(l.key, last.key) > 0) {
			last = l
		}
	}
	if last != nil {
		n.from, n.key, n.line = last.from, last.key, last.line
		last.key, last.line = last.cursor.Prev()
	}
}
