package app_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"go.etcd.io/bbolt"
)

const (
	senders     = 64
	users       = 200
	sliceTime   = 300 * time.Millisecond
	acceptPairs = 15
)

// BenchmarkAccept sends signed calls of 8 KB over 64 connections, in turns to
// the program, whose writing to the CRM is paused, and to a bare server, which
// does what cannot be left out: verify, and commit in groups.
func BenchmarkAccept(b *testing.B) {
	p := startProgram(b, newRecorder(b).url)
	p.run(b, "pause")
	ours, bare := newHammer(b, p.addr), newHammer(b, startBare(b))
	for _, h := range []*hammer{ours, bare} {
		h.strike(b, sliceTime) // warm
	}
	var rates, tails, perSecond []float64
	for b.Loop() {
		for range acceptPairs {
			theirs, mine := bare.strike(b, sliceTime), ours.strike(b, sliceTime)
			rates = append(rates, mine.rate/theirs.rate)
			tails = append(tails, float64(mine.p99)/float64(theirs.p99))
			perSecond = append(perSecond, mine.rate)
		}
	}
	b.ReportMetric(median(rates), "rate-ratio")
	b.ReportMetric(median(tails), "p99-ratio")
	b.ReportMetric(median(perSecond), "events/s")
	if received := p.status(b).Received; received != int(ours.accepted.Load()) {
		b.Errorf("%d events are in the state, %d were accepted", received, ours.accepted.Load())
	}
}

// hammer sends calls over connections of its own.
type hammer struct {
	addr     string
	bodies   *callBodies
	webhook  *svix.Webhook
	next     atomic.Int64
	accepted atomic.Int64
}

// strength is what a server made of one strike.
type strength struct {
	rate float64 // accepted per second
	p99  time.Duration
}

func newHammer(b *testing.B, addr string) *hammer {
	b.Helper()
	webhook, err := svix.NewWebhook(endToEndSecrets[0])
	if err != nil {
		b.Fatal(err)
	}
	return &hammer{addr: addr, bodies: newCallBodies(), webhook: webhook}
}

// strike sends for a while over all connections.
func (h *hammer) strike(b *testing.B, duration time.Duration) strength {
	end := time.Now().Add(duration)
	return h.send(b, func() bool { return time.Now().Before(end) })
}

// fill sends n calls.
func (h *hammer) fill(b *testing.B, n int) {
	var sent atomic.Int64
	h.send(b, func() bool { return sent.Add(1) <= int64(n) })
}

// send sends over all connections, on each the next call when the last one is
// answered, as long as there is more to send.
func (h *hammer) send(b *testing.B, more func() bool) strength {
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	start := time.Now()
	for range senders {
		wg.Go(func() {
			mine, err := h.converse(more)
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	wg.Wait()
	if len(took) == 0 {
		b.Fatal("nothing was accepted")
	}
	elapsed := time.Since(start)
	h.accepted.Add(int64(len(took)))
	slices.Sort(took)
	return strength{float64(len(took)) / elapsed.Seconds(), took[len(took)*99/100]}
}

// converse sends over one connection, as long as there is more to send, and
// returns how long each answer took.
func (h *hammer) converse(more func() bool) (took []time.Duration, err error) {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for more() {
		req, err := h.request()
		if err != nil {
			return took, err
		}
		start := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return took, err
		}
		resp.Body.Close()
		took = append(took, time.Since(start))
		if resp.StatusCode != http.StatusNoContent {
			return took, fmt.Errorf("answer %s", resp.Status)
		}
	}
	return took, nil
}

// request is the next call, signed.
func (h *hammer) request() (*http.Request, error) {
	n := int(h.next.Add(1))
	body, now := h.bodies.call(n, users), time.Now()
	id := fmt.Sprintf("msg_%027x", n)
	signature, err := h.webhook.Sign(id, now, body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+h.addr+"/webhooks", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Svix-Id": {id}, "Svix-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Svix-Signature": {signature},
	}
	return req, nil
}

// bareServer verifies and commits, and does nothing else.
type bareServer struct {
	webhook *svix.Webhook
	db      *bbolt.DB
	bodies  chan bareBody
}

type bareBody struct {
	data      []byte
	committed chan error
}

// startBare serves until b ends and returns the address.
func startBare(b *testing.B) string {
	b.Helper()
	webhook, err := svix.NewWebhook(endToEndSecrets[0])
	if err != nil {
		b.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bbolt.Options{
		FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30,
	})
	if err != nil {
		b.Fatal(err)
	}
	s := &bareServer{webhook: webhook, db: db, bodies: make(chan bareBody)}
	ctx, stop := context.WithCancel(context.Background())
	var committing sync.WaitGroup
	committing.Go(func() { s.commitLoop(ctx) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(listener) }() // ends with Close
	b.Cleanup(func() {
		server.Close()
		stop()
		committing.Wait()
		db.Close()
	})
	return listener.Addr().String()
}

// ServeHTTP answers when the body is on stable storage.
func (s *bareServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if s.webhook.Verify(data, r.Header) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body := bareBody{data, make(chan error)}
	s.bodies <- body
	if <-body.committed != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// commitLoop commits together what waits at the same time.
func (s *bareServer) commitLoop(ctx context.Context) {
	for {
		var group []bareBody
		select {
		case first := <-s.bodies:
			group = append(group, first)
		case <-ctx.Done():
			return
		}
		for waiting := true; waiting; {
			select {
			case more := <-s.bodies:
				group = append(group, more)
			default:
				waiting = false
			}
		}
		err := s.commit(group)
		for _, body := range group {
			body.committed <- err
		}
	}
}

func (s *bareServer) commit(group []bareBody) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte("bodies"))
		if err != nil {
			return err
		}
		bucket.FillPercent = 0.9 // keys only grow
		for _, body := range group {
			n, err := bucket.NextSequence()
			if err != nil {
				return err
			}
			if err := bucket.Put(binary.BigEndian.AppendUint64(nil, n), body.data); err != nil {
				return err
			}
		}
		return nil
	})
}
