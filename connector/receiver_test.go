package connector

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"crmsync/state"
)

// The published example: one delivery, and its signatures by two keys.
const (
	exampleID        = "msg_crmsyncexample0000000000001"
	exampleTime      = 1789000000
	exampleBody      = `{"type":"user.created","note":"Zoë 🙂"}`
	exampleSecret    = "whsec_Y3Jtc3luYy1leGFtcGxlLWtleS0wMTIzNDU2Nzg5YWI="
	otherSecret      = "whsec_c2Vjb25kLWV4YW1wbGUta2V5LTAxMjM0NTY3ODk="
	examplePublic    = "whpk_rIijmsJWwpbaWi3yihNpUNsRFzV9OuzgsIydiT1qE80="
	exampleV1        = "v1,KvDMIfnYy1sPuRrkYHaltA9qGWcMLj+H/Np/WyD8Yzw="
	exampleV1a       = "v1a,yrdqogue0lMD7XOHrZ48OMfS4p1HYHS0JGdaDC+TWoLECY0Q0mONaU6jF/MKK195N6Dual2QvZrHzam4o/D9AQ=="
	exampleSeed      = "crmsync-ed25519-example-seed-32b"
	svixFamily       = "Svix-"
	whiteLabelFamily = "Webhook-"
)

func mustVerifier(t testing.TB, keys ...string) *Verifier {
	t.Helper()
	var parsed []Key
	for _, text := range keys {
		key, err := ParseKey(text)
		if err != nil {
			t.Fatalf("parse key: %v", err)
		}
		parsed = append(parsed, key)
	}
	verifier, err := NewVerifier(parsed)
	if err != nil {
		t.Fatalf("make verifier: %v", err)
	}
	return verifier
}

// newTestReceiver returns a Receiver whose clock stands at exampleTime, and
// checks at the end that no request kept bytes of the budget.
func newTestReceiver(t testing.TB, inbox Inbox, change ...func(*ReceiverOptions)) *Receiver {
	t.Helper()
	o := ReceiverOptions{
		Store:    inbox,
		Verifier: mustVerifier(t, exampleSecret, otherSecret, examplePublic),
		Now:      func() time.Time { return time.Unix(exampleTime, 0) },
	}
	for _, f := range change {
		f(&o)
	}
	rc := NewReceiver(o)
	total := rc.budget.free.Load()
	t.Cleanup(func() {
		if free := rc.budget.free.Load(); free != total {
			t.Errorf("budget at the end: got %d bytes free, want %d", free, total)
		}
	})
	return rc
}

// signV1 signs by hand, independent of the library under test.
func signV1(secret, id, timestamp, body string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signedRequest returns a request as the sender makes it.
func signedRequest(family, id, body string) *http.Request {
	timestamp := strconv.Itoa(exampleTime)
	r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set(family+"Id", id)
	r.Header.Set(family+"Timestamp", timestamp)
	r.Header.Set(family+"Signature", signV1(exampleSecret, id, timestamp, body))
	return r
}

func example() *http.Request { return signedRequest(svixFamily, exampleID, exampleBody) }

func serve(rc http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	rc.ServeHTTP(w, r)
	return w.Result()
}

func wantStatus(t testing.TB, res *http.Response, want int) {
	t.Helper()
	if res.StatusCode != want {
		t.Errorf("status: got %d, want %d", res.StatusCode, want)
	}
}

func TestReceiver_StoresWhatWasSigned(t *testing.T) {
	for _, family := range []string{svixFamily, whiteLabelFamily} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			inbox := &fakeInbox{}
			rc := newTestReceiver(t, inbox)
			r := signedRequest(family, exampleID, exampleBody)
			r.Method = method
			wantStatus(t, serve(rc, r), http.StatusNoContent)
			if inbox.stored() != 1 {
				t.Fatalf("%s %s: got %d messages, want 1", method, family, inbox.stored())
			}
			m := inbox.messages[0]
			if m.MessageID != exampleID || string(m.Body) != exampleBody || m.Type != "user.created" {
				t.Errorf("message: got %q %q %q", m.MessageID, m.Type, m.Body)
			}
			if !m.ReceivedAt.Equal(time.Unix(exampleTime, 0)) {
				t.Errorf("received at: got %v", m.ReceivedAt)
			}
		}
	}
}

func TestReceiver_ReadsIdentityAtTheDoor(t *testing.T) {
	inbox := &fakeInbox{}
	rc := newTestReceiver(t, inbox)
	body := `{"id":"evt-1","type":"user.updated","timestamp":"2026-09-10T00:00:00Z","payload":{"user":{"id":"u-1"}}}`
	wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_1", body)), http.StatusNoContent)
	got := inbox.messages[0]
	if got.ID != "evt-1" || got.Key != "u-1" || got.OccurredAt.IsZero() {
		t.Errorf("identity: got id %q, key %q, time %v", got.ID, got.Key, got.OccurredAt)
	}
	want := state.Lane{Object: "contact", Key: "u-1"}
	if len(got.Lanes) != 1 || got.Lanes[0] != want {
		t.Errorf("lanes: got %v, want %v", got.Lanes, want)
	}
}

func TestReceiver_AcceptsSignedBodiesThatCannotBeRead(t *testing.T) {
	for i, body := range []string{"", "{", "[]", "null", "\xff\xfe", `{"type":7}`, strings.Repeat("[", 20_000)} {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_"+strconv.Itoa(i), body)), http.StatusNoContent)
		if inbox.stored() != 1 {
			t.Errorf("body %d: not stored", i)
		}
	}
}

// statusWatch is a ResponseWriter that can be asked while a request runs.
type statusWatch struct {
	mu     sync.Mutex
	status int
}

func (w *statusWatch) Header() http.Header         { return http.Header{} }
func (w *statusWatch) Write(p []byte) (int, error) { return len(p), nil }
func (w *statusWatch) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = status
}

func (w *statusWatch) seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func TestI1_NothingIsAcknowledgedBeforeTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committed := make(chan struct{})
		inbox := &fakeInbox{onAccept: func(context.Context) error { <-committed; return nil }}
		rc := newTestReceiver(t, inbox)
		w := &statusWatch{}
		go rc.ServeHTTP(w, example())
		synctest.Wait()
		if got := w.seen(); got != 0 {
			t.Errorf("before the commit: got status %d, want none", got)
		}
		close(committed)
		synctest.Wait()
		if got := w.seen(); got != http.StatusNoContent {
			t.Errorf("after the commit: got status %d, want 204", got)
		}
	})
}

func TestReceiver_SenderThatHangsUpDoesNotUndoTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hungUp := make(chan struct{})
		inbox := &fakeInbox{onAccept: func(ctx context.Context) error { <-hungUp; return ctx.Err() }}
		rc := newTestReceiver(t, inbox)
		ctx, hangUp := context.WithCancel(t.Context())
		go rc.ServeHTTP(&statusWatch{}, example().WithContext(ctx))
		synctest.Wait()
		hangUp()
		close(hungUp)
		synctest.Wait()
		if inbox.stored() != 1 {
			t.Error("the event is lost")
		}
	})
}

func TestReceiver_StoreThatHangsIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := &fakeInbox{onAccept: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		rc := newTestReceiver(t, inbox)
		start := time.Now()
		res := serve(rc, example())
		wantStatus(t, res, http.StatusServiceUnavailable)
		if waited := time.Since(start); waited != acceptTimeout {
			t.Errorf("waited: got %v, want %v", waited, acceptTimeout)
		}
	})
}

func TestReceiver_StoreFailureAsksTheSenderToComeAgain(t *testing.T) {
	var log bytes.Buffer
	inbox := &fakeInbox{err: state.ErrFull}
	rc := newTestReceiver(t, inbox, func(o *ReceiverOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 3 {
		res := serve(rc, example())
		wantStatus(t, res, http.StatusServiceUnavailable)
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	inbox.fail(nil)
	wantStatus(t, serve(rc, example()), http.StatusNoContent)
	if got := strings.Count(log.String(), "\n"); got != 2 {
		t.Errorf("log lines: got %d, want one for the failure and one for its end:\n%s", got, log.String())
	}
	if strings.Contains(log.String(), "Zoë") || strings.Contains(log.String(), exampleSecret) {
		t.Errorf("log shows what it must not: %s", log.String())
	}
}

func TestReceiver_IdenticalRequestsAtOnceAreBothAcknowledged(t *testing.T) {
	inbox := &fakeInbox{}
	rc := newTestReceiver(t, inbox)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { wantStatus(t, serve(rc, example()), http.StatusNoContent) })
	}
	wg.Wait()
	if inbox.stored() != 1 {
		t.Errorf("stored: got %d, want 1", inbox.stored())
	}
	wantResults(t, rc, map[string]float64{"accepted": 1, "duplicate": 1})
}

func TestReceiver_CountsRequeuedEventsApart(t *testing.T) {
	inbox := &fakeInbox{outcomeFor: map[string]state.Outcome{exampleID: state.Requeued}}
	rc := newTestReceiver(t, inbox)
	for range 2 {
		wantStatus(t, serve(rc, example()), http.StatusNoContent)
	}
	wantResults(t, rc, map[string]float64{"accepted": 1, "requeued": 1})
}

// wantResults compares crmsync_webhooks_total with want; others must be 0.
func wantResults(t testing.TB, rc *Receiver, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	for _, v := range verdicts() {
		if n := testutil.ToFloat64(rc.metrics.webhooks.WithLabelValues(v.result)); n != 0 {
			got[v.result] = n
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("crmsync_webhooks_total: got %v, want %v", got, want)
	}
}

func TestReceiver_DrainRefusesNewRequestsAndFinishesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committed := make(chan struct{})
		inbox := &fakeInbox{onAccept: func(context.Context) error { <-committed; return nil }}
		rc := newTestReceiver(t, inbox)
		inFlight := &statusWatch{}
		go rc.ServeHTTP(inFlight, example())
		synctest.Wait()

		rc.Drain()
		res := serve(rc, signedRequest(svixFamily, "msg_late", "{}"))
		wantStatus(t, res, http.StatusServiceUnavailable)
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		wantStatus(t, serve(rc, httptest.NewRequest("GET", "/readyz", nil)), http.StatusServiceUnavailable)
		wantStatus(t, serve(rc, httptest.NewRequest("GET", "/healthz", nil)), http.StatusOK)

		close(committed)
		synctest.Wait()
		if got := inFlight.seen(); got != http.StatusNoContent {
			t.Errorf("request in flight: got %d, want 204", got)
		}
	})
}

func TestReceiver_ProbesSayNothingButYesOrNo(t *testing.T) {
	inbox := &fakeInbox{}
	rc := newTestReceiver(t, inbox)
	probe := func(method, path string, want int, text string) {
		t.Helper()
		res := serve(rc, httptest.NewRequest(method, path, nil))
		wantStatus(t, res, want)
		if body, _ := io.ReadAll(res.Body); string(body) != text {
			t.Errorf("%s %s: got body %q, want %q", method, path, body, text)
		}
	}
	probe("GET", "/healthz", 200, "ok\n")
	probe("GET", "/readyz", 200, "ok\n")
	probe("POST", "/readyz", 405, "")
	inbox.fail(errors.New("disk /dev/sda1 is full"))
	probe("GET", "/healthz", 200, "ok\n")
	probe("GET", "/readyz", 503, "unavailable\n")
	if err := rc.Ready(t.Context()); err == nil {
		t.Error("Ready hides the reason")
	}
}

// A store that is nearly full takes small events and refuses large ones.
func TestReceiver_IsNotReadyUntilARefusedEventWouldFit(t *testing.T) {
	inbox := &fakeInbox{room: 100}
	now := time.Unix(exampleTime, 0)
	rc := newTestReceiver(t, inbox, func(o *ReceiverOptions) { o.Now = func() time.Time { return now } })
	ready := func(want int) {
		t.Helper()
		wantStatus(t, serve(rc, httptest.NewRequest("GET", "/readyz", nil)), want)
	}
	large := `{"id":"` + strings.Repeat("x", 200) + `"}`
	wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_1", large)), http.StatusServiceUnavailable)
	ready(http.StatusServiceUnavailable)
	wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_2", "{}")), http.StatusNoContent)
	ready(http.StatusServiceUnavailable)
	now = now.Add(refusalHolds)
	ready(http.StatusServiceUnavailable) // there is no room yet
	inbox.limit(1000)
	ready(http.StatusOK) // by itself, without an event

	inbox.limit(100)
	ready(http.StatusOK) // nothing was refused since
	wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_1", large)), http.StatusServiceUnavailable)
	ready(http.StatusServiceUnavailable)
	inbox.limit(0)
	wantStatus(t, serve(rc, signedRequest(svixFamily, "msg_1", large)), http.StatusNoContent)
	inbox.limit(100)
	ready(http.StatusOK) // it was taken: the refusal is history
}

func TestReceiver_NeverRedirects(t *testing.T) {
	rc := newTestReceiver(t, &fakeInbox{})
	for _, path := range []string{"/", "//webhooks", "/webhooks/", "/./webhooks", "/WEBHOOKS", "/metrics", "/api/v1/status"} {
		r := example()
		r.URL.Path = path
		wantStatus(t, serve(rc, r), http.StatusNotFound)
	}
}

// During a rotation it has to be seen which secret the sender uses.
func TestReceiver_NotesWhichSecretSigned(t *testing.T) {
	inbox := &fakeInbox{}
	rc := newTestReceiver(t, inbox)
	rc.verifier = mustVerifier(t, otherSecret, exampleSecret)
	wantStatus(t, serve(rc, example()), http.StatusNoContent)
	if got, want := inbox.messages[0].SignedBy, (state.Signer{Secret: 2, Of: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
