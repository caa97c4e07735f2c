package connector

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// runReceiver runs rc; stop ends it and returns its error.
func runReceiver(t *testing.T, rc *Receiver) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- rc.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func forged() *http.Request {
	r := example()
	r.Header.Set("Svix-Signature", "v1,AAAA")
	return r
}

func TestReceiver_FloodOfForgedRequestsDoesNotReachTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		stop := runReceiver(t, rc)
		const flood = 10_000
		for range flood {
			wantStatus(t, serve(rc, forged()), http.StatusUnauthorized)
		}
		synctest.Wait()
		if calls, _, _ := inbox.counted(); calls != 1 {
			t.Errorf("after the flood: got %d counts, want 1", calls)
		}
		time.Sleep(countEvery)
		synctest.Wait()
		if calls, rejected, _ := inbox.counted(); rejected["bad_signature"] != flood || calls != 2 {
			t.Errorf("later: got %v in %d counts, want %d in 2", rejected, calls, flood)
		}
		if err := stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if inbox.counts != 2 || inbox.accepts != 0 {
			t.Errorf("at the end: got %d counts and %d accepts, want 2 and none", inbox.counts, inbox.accepts)
		}
	})
}

func TestReceiver_CountsRejectionsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		stop := runReceiver(t, rc)
		serve(rc, forged())
		synctest.Wait() // the first is counted at once
		serve(rc, forged())
		if err := stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if inbox.rejected["bad_signature"] != 2 {
			t.Errorf("rejected: got %v, want 2", inbox.rejected)
		}
	})
}

func TestReceiver_KeepsCountsThatTheStoreRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := &fakeInbox{err: errors.New("disk full")}
		rc := newTestReceiver(t, inbox)
		stop := runReceiver(t, rc)
		late := example()
		resign(exampleID, "1")(late)
		serve(rc, late)
		serve(rc, forged())
		synctest.Wait()
		inbox.fail(nil)
		time.Sleep(countEvery) // without another rejection
		synctest.Wait()
		_, rejected, skew := inbox.counted()
		if rejected["clock_skew"] != 1 || rejected["bad_signature"] != 1 || skew == 0 {
			t.Errorf("rejected: got %v, skew %v", rejected, skew)
		}
		if err := stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// What comes back after a 503 was not rejected.
func TestReceiver_TemporaryAnswersAreNotRejections(t *testing.T) {
	inbox := &fakeInbox{onAccept: func(context.Context) error { return errors.New("disk full") }}
	rc := newTestReceiver(t, inbox)
	serve(rc, example())
	rc.Drain()
	serve(rc, example())
	if err := rc.Flush(t.Context()); err != nil || inbox.counts != 0 {
		t.Errorf("got %v (%v), want no count", inbox.rejected, err)
	}
}

func TestReceiver_LogsRejectionsTogether(t *testing.T) {
	var log bytes.Buffer
	rc := newTestReceiver(t, &fakeInbox{}, func(o *ReceiverOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 100 {
		serve(rc, forged())
	}
	if err := rc.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "bad_signature=100") {
		t.Errorf("log: got %q, want one line", got)
	}
}

// The skew is noted before its request is counted; a flush in between must not
// drop it.
func TestRejections_SkewWaitsForItsCount(t *testing.T) {
	j := newRejections()
	j.noteSkew(time.Hour)
	if counts, skew := j.take(); len(counts) != 0 || skew != 0 {
		t.Errorf("without a count: got %v, %v", counts, skew)
	}
	j.add(clockSkew.result)
	if counts, skew := j.take(); counts[clockSkew.result] != 1 || skew != time.Hour {
		t.Errorf("with a count: got %v, %v, want 1 and 1h", counts, skew)
	}
}

// JSON logs would show a duration as nanoseconds.
func TestReceiver_LogsClockSkewForPeople(t *testing.T) {
	var log bytes.Buffer
	rc := newTestReceiver(t, &fakeInbox{}, func(o *ReceiverOptions) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	rc.rejections.noteSkew(90*time.Minute + 400*time.Millisecond)
	rc.rejections.add(clockSkew.result)
	if err := rc.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, `"clock_ahead":"1h30m0s"`) {
		t.Errorf("log: got %q", got)
	}
}
