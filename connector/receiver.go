package connector

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"crmsync/mapping"
	"crmsync/state"
)

// The defaults of ReceiverOptions.
const (
	defaultMaxBytes = 5 << 20
	defaultBudget   = 64 << 20
)

const (
	// acceptTimeout leaves the answer time to arrive within the 15 s that a
	// sender waits.
	acceptTimeout = 10 * time.Second
	// readyTimeout is below the time-outs that probes usually have.
	readyTimeout = 2 * time.Second
	// retryAfter, in seconds, is about the time of a restart. Senders use it to
	// stretch their schedule, never to shorten it.
	retryAfter = "10"
)

// Inbox is what a Receiver needs of a state.Store.
type Inbox interface {
	Accept(ctx context.Context, m state.Message) (state.Receipt, error)
	CountRejected(ctx context.Context, n map[string]int64, skew time.Duration) error
	Ready(ctx context.Context) error
	// Room fails when an event of size bytes could not be stored now.
	Room(ctx context.Context, size int) error
}

// ReceiverOptions configure a Receiver. Store and Verifier are required.
type ReceiverOptions struct {
	Store    Inbox
	Verifier *Verifier
	MaxBytes int64            // of one body; 0 means 5 MiB
	Budget   int64            // of all bodies in flight, at least MaxBytes; 0 means 64 MiB
	Metrics  *Metrics         // nil: counted but not registered
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil discards
}

// Receiver is the handler of the public listener: /webhooks, /healthz and
// /readyz. A webhook is answered with 204 only after its event is on stable
// storage (I1), and no answer says why verification failed.
//
// Run keeps the count of rejected requests in the store and belongs to the
// Receiver's life: start it before serving, end it after the server is shut
// down and before the store is closed.
type Receiver struct {
	store    Inbox
	verifier *Verifier
	maxBytes int64
	budget   *byteBudget
	metrics  *Metrics
	now      func() time.Time
	log      *slog.Logger

	rejections *rejections
	draining   atomic.Bool
	failing    atomic.Bool // the store did not take the last event
	refused    shortage
}

// NewReceiver returns a Receiver.
func NewReceiver(o ReceiverOptions) *Receiver {
	maxBytes := cmp.Or(o.MaxBytes, defaultMaxBytes)
	rc := &Receiver{
		store:      o.Store,
		verifier:   o.Verifier,
		maxBytes:   maxBytes,
		budget:     newByteBudget(max(cmp.Or(o.Budget, defaultBudget), maxBytes+1)),
		metrics:    o.Metrics,
		now:        o.Now,
		log:        o.Log,
		rejections: newRejections(),
	}
	if rc.metrics == nil {
		rc.metrics = NewMetrics(nil)
	}
	if rc.now == nil {
		rc.now = time.Now
	}
	if rc.log == nil {
		rc.log = slog.New(slog.DiscardHandler)
	}
	rc.metrics.expectKeys(len(rc.verifier.checks))
	return rc
}

// Drain refuses new webhooks with 503 from now on and makes /readyz fail, so
// that balancers turn away. Requests in flight are finished; wait for them with
// the server's Shutdown.
func (rc *Receiver) Drain() { rc.draining.Store(true) }

var errDraining = errors.New("shutting down")

// Ready returns why events cannot be accepted now, nil when they can.
func (rc *Receiver) Ready(ctx context.Context) error {
	if rc.draining.Load() {
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := rc.store.Ready(ctx); err != nil {
		return err
	}
	return rc.checkRoom(ctx)
}

// ServeHTTP implements http.Handler. It routes by itself, because ServeMux
// answers an unclean path with a redirect, which senders count as a failure.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/webhooks":
		rc.serveWebhook(w, r)
	case "/healthz":
		serveProbe(w, r, nil)
	case "/readyz":
		serveProbe(w, r, rc.Ready(r.Context()))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// serveProbe answers a probe in one word; reasons are for the admin listener.
func serveProbe(w http.ResponseWriter, r *http.Request, err error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	word := "ok"
	switch {
	case errors.Is(err, errStandby):
		word = StandbyWord
	case err != nil:
		word = "unavailable"
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, word+"\n")
}

// serveWebhook judges a webhook and counts the verdict.
func (rc *Receiver) serveWebhook(w http.ResponseWriter, r *http.Request) {
	v := rc.receive(w, r)
	rc.metrics.webhooks.WithLabelValues(v.result).Inc()
	if v.rejected() {
		rc.rejections.add(v.result)
	}
	v.answer(w)
}

// receive judges what costs least first: a request that is refused for its
// headers never has its body read, and a forged one never touches the state.
func (rc *Receiver) receive(w http.ResponseWriter, r *http.Request) *verdict {
	if rc.draining.Load() {
		return draining
	}
	if v := judgeRequest(r, rc.maxBytes); v != nil {
		return v
	}
	set, ok := readHeaderSet(r.Header)
	if !ok {
		return badHeaders
	}
	received := rc.now()
	if ahead := received.Sub(set.sentAt()); ahead.Abs() > tolerance {
		rc.rejections.noteSkew(ahead)
		return clockSkew
	}
	body, refused := readBody(w, r, rc.budget, rc.maxBytes)
	defer body.release()
	if refused != nil {
		return refused
	}
	key, ok := rc.verifier.verify(set, body.data)
	if !ok {
		return badSignature
	}
	rc.metrics.keyMatches.WithLabelValues(keyLabel(key)).Inc()
	m := newMessage(set.id, body.data, received)
	m.SignedBy = state.Signer{Secret: key + 1, Of: len(rc.verifier.checks)}
	return rc.accept(r.Context(), m)
}

// newMessage reads at the door the little that identity and order need. A
// signed body that cannot be read is accepted all the same: a refusal would
// only bring it back, while a dead letter can be seen.
func newMessage(id string, body []byte, received time.Time) state.Message {
	envelope := mapping.Peek(body)
	m := state.Message{
		ID:         envelope.ID,
		MessageID:  id,
		Type:       envelope.Type,
		Key:        envelope.Key,
		OccurredAt: envelope.Timestamp,
		Body:       body,
		ReceivedAt: received,
	}
	for _, lane := range envelope.Lanes {
		m.Lanes = append(m.Lanes, state.Lane{Object: string(lane.Object), Key: lane.Key})
	}
	return m
}

// accept commits m. A sender that hangs up meanwhile does not undo it.
func (rc *Receiver) accept(ctx context.Context, m state.Message) *verdict {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptTimeout)
	defer cancel()
	receipt, err := rc.store.Accept(ctx, m)
	rc.logStore(err)
	rc.refused.note(len(m.Body), rc.now(), err)
	if err != nil {
		return storeFailed
	}
	switch receipt.Outcome {
	case state.Duplicate:
		return duplicate
	case state.Requeued:
		return requeued
	default:
		return accepted
	}
}

// logStore logs when the store begins to fail and when it works again, not
// every event in between.
func (rc *Receiver) logStore(err error) {
	if failing := err != nil; rc.failing.Swap(failing) == failing {
		return
	}
	if err != nil {
		rc.log.Error("events cannot be stored, senders are asked to come again", keyError, err)
		return
	}
	rc.log.Info("events are stored again")
}
