package connector

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// firstChunk is what a body of unknown length reserves before it is read.
const firstChunk = 32 << 10

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

// read fills b. A body of known length pays before it is read, one of unknown
// length as it grows; the byte beyond maxBytes is where the reader finds out.
func (b *requestBody) read(from io.Reader, length, maxBytes int64) error {
	if length >= 0 {
		if err := b.grow(length); err != nil {
			return err
		}
		b.data = b.data[:length]
		_, err := io.ReadFull(from, b.data)
		return err
	}
	for {
		if len(b.data) == cap(b.data) {
			room := min(max(b.held, firstChunk), maxBytes+1-b.held)
			if err := b.grow(room); err != nil {
				return err
			}
		}
		n, err := from.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
