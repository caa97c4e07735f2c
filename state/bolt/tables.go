package bolt

import (
	"bytes"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"crmsync/state"
)

// bucket names a top-level bucket; doc.go says what is in it.
type bucket string

const (
	inbox     bucket = "inbox"
	ledger    bucket = "ledger"
	bodies    bucket = "payloads"
	ids       bucket = "ids"
	messages  bucket = "messages"
	queue     bucket = "queue"
	delayed   bucket = "delayed"
	links     bucket = "links"
	waiting   bucket = "waiting"
	ready     bucket = "ready"
	doubt     bucket = "doubt"
	singleton bucket = "crmsync"
)

// Keys of the singleton bucket.
var (
	keyFormat  = []byte("format")
	keyTotals  = []byte("totals")
	keyBinding = []byte("binding")
	keyProbe   = []byte("probe")  // see Store.Ready
	keyPaused  = []byte("paused") // see Store.SetPaused
)

// buckets lists every bucket with the share of a page that is filled before it
// is split. Keys that only grow can be packed; 0 leaves bbolt's half.
var buckets = map[bucket]float64{
	inbox: 0.9, ledger: 0.95, bodies: 0.9, ids: 0, messages: 0.8, queue: 0.9, delayed: 0,
	links: 0, waiting: 0, ready: 0, doubt: 0, singleton: 0,
}

// tables is a bbolt transaction seen as what it holds. The first error sticks
// and is checked once, by whoever began the transaction: until then reads find
// nothing and writes do nothing.
type tables struct {
	tx    *bbolt.Tx
	open  map[bucket]*bbolt.Bucket
	dirty bool
	err   error
}

func newTables(tx *bbolt.Tx) *tables {
	return &tables{tx: tx, open: make(map[bucket]*bbolt.Bucket, len(buckets))}
}

func (t *tables) fail(err error) {
	if t.err == nil && err != nil {
		t.err = err
	}
}

// bucket returns nil once something failed.
func (t *tables) bucket(name bucket) *bbolt.Bucket {
	if b, ok := t.open[name]; ok {
		return b
	}
	b := t.tx.Bucket([]byte(name))
	if b == nil {
		t.fail(fmt.Errorf("bucket %s is missing", name))
		return nil
	}
	if fill := buckets[name]; fill > 0 {
		b.FillPercent = fill
	}
	t.open[name] = b
	return b
}

func (t *tables) get(name bucket, key []byte) []byte {
	if b := t.bucket(name); b != nil {
		return b.Get(key)
	}
	return nil
}

func (t *tables) has(name bucket, key []byte) bool { return t.get(name, key) != nil }

func (t *tables) put(name bucket, key, value []byte) {
	if t.err != nil {
		return
	}
	if b := t.bucket(name); b != nil {
		t.dirty = true
		t.fail(b.Put(key, value))
	}
}

// delete reports whether there was something to delete.
func (t *tables) delete(name bucket, key []byte) bool {
	if t.err != nil || !t.has(name, key) {
		return false
	}
	t.dirty = true
	t.fail(t.bucket(name).Delete(key))
	return true
}

// scan yields the entries from key from on whose key starts with prefix. The
// bucket must not be changed meanwhile.
func (t *tables) scan(name bucket, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		b := t.bucket(name)
		if b == nil {
			return
		}
		if bytes.Compare(from, prefix) < 0 {
			from = prefix
		}
		c := b.Cursor()
		for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix) && t.err == nil; k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}

// all yields every entry of a bucket.
func (t *tables) all(name bucket) iter.Seq2[[]byte, []byte] { return t.scan(name, nil, nil) }

// event returns the line of seq from inbox or ledger, without body.
func (t *tables) event(from bucket, seq uint64) (state.Event, bool) {
	value := t.get(from, seqKey(seq))
	if value == nil {
		return state.Event{}, false
	}
	e, err := decodeEvent(seq, value)
	if err != nil {
		t.fail(&damage{bucket: from, seq: seq, err: err})
		return e, false
	}
	return e, true
}

// anyEvent returns the line of seq, pending or ended.
func (t *tables) anyEvent(seq uint64) (state.Event, bool) {
	if e, ok := t.event(inbox, seq); ok {
		return e, true
	}
	return t.event(ledger, seq)
}

func (t *tables) putEvent(to bucket, e *state.Event) {
	line, err := encodeEvent(e)
	t.fail(err)
	t.put(to, seqKey(e.Seq), line)
}

// seqOf looks an id up in ids or messages.
func (t *tables) seqOf(index bucket, id string) (uint64, bool) {
	value := t.get(index, packID(id))
	return parseSeq(value), value != nil
}

// find returns the event with this event id, else with this message id.
func (t *tables) find(id string) (state.Event, bool) {
	for _, index := range []bucket{ids, messages} {
		if seq, ok := t.seqOf(index, id); ok {
			return t.anyEvent(seq)
		}
	}
	return state.Event{}, false
}

// size returns the size of an event's payload, and whether it is there.
func (t *tables) size(seq uint64) (int, bool) {
	packed := t.get(bodies, seqKey(seq))
	return payloadSize(packed), packed != nil
}

// link returns what is remembered of a lane.
func (t *tables) link(lane state.Lane) (state.Link, bool) {
	value := t.get(links, laneKey(lane))
	if value == nil {
		return state.Link{Lane: lane}, false
	}
	l, err := decodeLink(lane, value)
	t.fail(err)
	return l, err == nil
}

// totals reads the running counts.
func (t *tables) totals() *totals {
	sums, err := decodeTotals(t.get(singleton, keyTotals))
	if err != nil {
		t.fail(err)
		return new(totals)
	}
	return sums
}

// binding returns nil while the state is not bound.
func (t *tables) binding() *state.Binding {
	value := t.get(singleton, keyBinding)
	if value == nil {
		return nil
	}
	var b bindingBody
	if err := decode(value, &b); err != nil {
		t.fail(fmt.Errorf("decode binding: %w", err))
		return nil
	}
	return (*state.Binding)(&b)
}

// bindingBody is a state.Binding.
type bindingBody struct {
	Kind      string `cbor:"1,keyasint"`
	Account   string `cbor:"2,keyasint"`
	IDField   string `cbor:"3,keyasint"`
	Namespace string `cbor:"4,keyasint,omitempty"`
}

// damage says which line cannot be read.
type damage struct {
	bucket bucket
	seq    uint64
	err    error
}

func (d *damage) Error() string {
	return fmt.Sprintf("%s line %d is damaged (run `crmsync state verify`, restore a backup): %v", d.bucket, d.seq, d.err)
}

func (d *damage) Unwrap() error { return d.err }
