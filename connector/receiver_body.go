package connector

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// firstChunk is what a body reserves before it is read. It is small because
// whoever can connect can reserve it: 16,000 senders that stall do not fill the
// default budget.
const firstChunk = 4 << 10

var errBusy = errors.New("too many bytes in flight")

// byteBudget bounds the memory of all bodies in flight together. It never
// waits: a sender that is refused comes again, a waiting one holds memory.
type byteBudget struct{ free atomic.Int64 }

func newByteBudget(n int64) *byteBudget {
	b := &byteBudget{}
	b.free.Store(n)
	return b
}

func (b *byteBudget) take(n int64) bool {
	for {
		free := b.free.Load()
		if n > free {
			return false
		}
		if b.free.CompareAndSwap(free, free-n) {
			return true
		}
	}
}

func (b *byteBudget) give(n int64) { b.free.Add(n) }

// requestBody is a body in memory, paid for from a budget.
type requestBody struct {
	data   []byte
	budget *byteBudget
	held   int64
}

// release returns what the body took. The data must not be used afterwards.
func (b *requestBody) release() { b.budget.give(b.held) }

// grow makes room for n more bytes, or returns errBusy.
func (b *requestBody) grow(n int64) error {
	if !b.budget.take(n) {
		return errBusy
	}
	b.held += n
	data := make([]byte, len(b.data), b.held)
	copy(data, b.data)
	b.data = data
	return nil
}

// readBody reads the body of r, at most maxBytes. The caller must release what
// it returns, also after an error.
func readBody(w http.ResponseWriter, r *http.Request, budget *byteBudget, maxBytes int64) (*requestBody, *verdict) {
	b := &requestBody{budget: budget}
	err := b.read(http.MaxBytesReader(w, r.Body, maxBytes), r.ContentLength, maxBytes)
	if err == nil {
		return b, nil
	}
	if errors.Is(err, errBusy) {
		return b, busy
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return b, tooLarge
	}
	return b, badBody // cut short, too slow, or malformed chunks
}

// read fills b, which pays for what has arrived and at most as much again, not
// for what was declared: a sender that stalls must not hold what others need.
// The byte beyond maxBytes is where a reader of unknown length finds out.
func (b *requestBody) read(from io.Reader, length, maxBytes int64) error {
	most := maxBytes + 1
	if length >= 0 {
		most = length
	}
	for int64(len(b.data)) < most {
		if len(b.data) == cap(b.data) {
			if err := b.grow(min(max(b.held, firstChunk), most-b.held)); err != nil {
				return err
			}
		}
		n, err := from.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case errors.Is(err, io.EOF) && length >= 0 && int64(len(b.data)) < length:
			return io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}
