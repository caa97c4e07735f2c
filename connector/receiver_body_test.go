package connector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"pgregory.net/rapid"
)

// Whatever the length, the limit, the budget and the way it arrives, a body is
// read in full or refused, never cut; and what it holds is given back.
func TestReadBody_WholeOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 3*firstChunk).Draw(t, "limit")
		length := rapid.OneOf(rapid.Int64Range(0, 4*firstChunk), rapid.Int64Range(limit-1, limit+1)).Draw(t, "length")
		budget := newByteBudget(rapid.Int64Range(0, 8*firstChunk).Draw(t, "budget"))
		total := budget.free.Load()
		sent := bytes.Repeat([]byte("0123456789"), int(length/10)+1)[:length]

		var from io.Reader = bytes.NewReader(sent)
		if rapid.Bool().Draw(t, "half reads") {
			from = iotest.HalfReader(from)
		}
		if rapid.Bool().Draw(t, "data with EOF") {
			from = iotest.DataErrReader(from)
		}
		r := httptest.NewRequest(http.MethodPost, "/webhooks", from)
		r.ContentLength = -1
		if rapid.Bool().Draw(t, "declared") && length <= limit {
			r.ContentLength = length
		}

		body, refused := readBody(httptest.NewRecorder(), r, budget, limit)
		switch {
		case refused == nil && (length > limit || !bytes.Equal(body.data, sent)):
			t.Errorf("got %d bytes of %d, limit %d", len(body.data), length, limit)
		case refused == nil && int64(cap(body.data)) > body.held:
			t.Errorf("uses %d bytes, pays for %d", cap(body.data), body.held)
		case refused == tooLarge && length <= limit:
			t.Errorf("refused %d bytes as too large, limit %d", length, limit)
		case refused == busy && total > 2*max(length, firstChunk):
			t.Errorf("refused %d bytes as busy, budget %d", length, total)
		case refused == badBody:
			t.Error("refused as bad")
		}
		body.release()
		if free := budget.free.Load(); free != total {
			t.Errorf("free at the end: got %d, want %d", free, total)
		}
	})
}

func TestReadBody_BrokenConnection(t *testing.T) {
	for _, declared := range []int64{-1, 100} {
		budget := newByteBudget(firstChunk)
		cut := io.MultiReader(bytes.NewReader(make([]byte, 50)), iotest.ErrReader(errors.New("connection reset")))
		r := httptest.NewRequest(http.MethodPost, "/webhooks", cut)
		r.ContentLength = declared
		body, refused := readBody(httptest.NewRecorder(), r, budget, 1000)
		if refused != badBody {
			t.Errorf("declared %d: got %v, want bad_body", declared, refused)
		}
		body.release()
	}
}

func TestReceiver_FullBudgetAsksToComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committed := make(chan struct{})
		inbox := &fakeInbox{onAccept: func(context.Context) error { <-committed; return nil }}
		size := int64(len(exampleBody))
		rc := newTestReceiver(t, inbox, func(o *ReceiverOptions) { o.MaxBytes, o.Budget = size, size+1 })
		first := &statusWatch{}
		go rc.ServeHTTP(first, example())
		synctest.Wait() // the body of the first is in memory now

		for _, length := range []int64{size, -1} {
			r := signedRequest(svixFamily, "msg_second", exampleBody)
			r.ContentLength = length
			res := serve(rc, r)
			wantStatus(t, res, http.StatusServiceUnavailable)
			if res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		close(committed)
		synctest.Wait()
		if got := first.seen(); got != http.StatusNoContent {
			t.Errorf("first: got %d, want 204", got)
		}
		wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_second", exampleBody)), http.StatusNoContent)
	})
}

// A limit above the budget must not make bodies unacceptable for ever.
func TestReceiver_BudgetFitsTheLargestBody(t *testing.T) {
	large := string(bytes.Repeat([]byte("x"), 3*firstChunk))
	for _, declared := range []int64{int64(len(large)), -1} {
		rc := newTestReceiver(t, &fakeInbox{}, func(o *ReceiverOptions) { o.MaxBytes, o.Budget = int64(len(large)), 1 })
		r := signedRequest(svixFamily, exampleID, large)
		r.ContentLength = declared
		wantStatus(t, serve(rc, r), http.StatusNoContent)
	}
}

func TestReceiver_TooLongBodyOfUnknownLength(t *testing.T) {
	inbox := &fakeInbox{}
	rc := newTestReceiver(t, inbox, func(o *ReceiverOptions) { o.MaxBytes = int64(len(exampleBody)) - 1 })
	r := example()
	r.ContentLength = -1
	wantStatus(t, serve(rc, r), http.StatusRequestEntityTooLarge)
	if inbox.accepts != 0 {
		t.Error("the store was asked")
	}
}
