package app_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crmsync/crm/hubspot"
	"crmsync/crm/sandbox"
)

const (
	backlogged   = 10_000
	crmLatency   = 50 * time.Millisecond
	singleEvents = 100
)

// BenchmarkDeliver lets the program deliver calls that are queued already to a
// CRM that takes 50 ms for every request. The bound is a client that sends the
// same requests again, back to back and as many at once, and does nothing else.
func BenchmarkDeliver(b *testing.B) {
	crm := newRecorder(b)
	p := startProgram(b, crm.url)
	calls := newHammer(b, p.addr)
	var rates, perEvent, perSecond []float64
	for b.Loop() {
		p.run(b, "pause")
		calls.fill(b, backlogged)
		crm.sandbox.SetLatency(crmLatency)
		crm.reset()
		start := time.Now()
		p.run(b, "resume")
		crm.await("calls/batch/upsert", backlogged/hubspot.MaxBatch) // to ask for the status takes time from the program
		awaitTrue(b, "everything is delivered", 10*time.Millisecond, func() bool { return p.status(b).Pending == 0 })
		took := time.Since(start)
		requests, atOnce := crm.recorded()
		bound := crm.repeat(b, requests, atOnce)
		crm.sandbox.SetLatency(0)
		rates = append(rates, float64(bound)/float64(took))
		perEvent = append(perEvent, float64(len(requests))/backlogged)
		perSecond = append(perSecond, backlogged/took.Seconds())
	}
	if status := p.status(b); status.Applied != status.Received {
		b.Errorf("status %+v", status)
	}
	b.ReportMetric(median(rates), "rate-ratio")
	b.ReportMetric(median(perEvent), "requests/event")
	b.ReportMetric(median(perSecond), "events/s")
}

// BenchmarkOneEvent takes the time from sending one call to a program that has
// nothing else to do until the CRM holds its record.
func BenchmarkOneEvent(b *testing.B) {
	crm := newRecorder(b)
	p := startProgram(b, crm.url)
	calls := newHammer(b, p.addr)
	var took []float64
	for b.Loop() {
		for range singleEvents {
			crm.reset()
			start := time.Now()
			calls.fill(b, 1)
			crm.await("calls/batch/upsert", 1)
			took = append(took, time.Since(start).Seconds()*1000)
			awaitTrue(b, "nothing is pending", time.Millisecond, func() bool { return p.status(b).Pending == 0 })
		}
	}
	b.ReportMetric(median(took), "median-ms")
}

// recorder is a CRM that remembers what it was asked.
type recorder struct {
	sandbox *sandbox.Server
	url     string

	mu          sync.Mutex
	requests    []recordedRequest
	now, atOnce int
	answered    *sync.Cond // mu: a request more
	done        []string   // paths
}

type recordedRequest struct {
	method, uri string
	header      http.Header
	body        []byte
}

func newRecorder(b *testing.B) *recorder {
	b.Helper()
	r := &recorder{sandbox: sandbox.New(sandbox.Options{Token: "pat-end-to-end-secret"})}
	r.answered = sync.NewCond(&r.mu)
	server := httptest.NewServer(r)
	b.Cleanup(func() { server.Close(); r.sandbox.Close() })
	r.url = server.URL
	return r
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.requests = append(r.requests, recordedRequest{req.Method, req.URL.RequestURI(), req.Header.Clone(), body})
	r.now++
	r.atOnce = max(r.atOnce, r.now)
	r.mu.Unlock()
	r.sandbox.ServeHTTP(w, req)
	r.mu.Lock()
	r.now--
	r.done = append(r.done, req.URL.Path)
	r.mu.Unlock()
	r.answered.Broadcast()
}

// reset forgets the requests.
func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.done, r.atOnce = nil, nil, 0
}

// recorded returns the requests, and how many there were at once.
func (r *recorder) recorded() (requests []recordedRequest, atOnce int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests), r.atOnce
}

// repeat sends requests again, so many at once, and returns how long it took.
func (r *recorder) repeat(b *testing.B, requests []recordedRequest, atOnce int) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	next := make(chan recordedRequest)
	var wg sync.WaitGroup
	start := time.Now()
	for range atOnce {
		wg.Go(func() {
			for q := range next {
				if err := q.send(client, r.url); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, q := range requests {
		next <- q
	}
	close(next)
	wg.Wait()
	return time.Since(start)
}

func (q recordedRequest) send(client *http.Client, url string) error {
	req, err := http.NewRequest(q.method, url+q.uri, bytes.NewReader(q.body))
	if err != nil {
		return err
	}
	req.Header = q.header
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// await returns when so many requests whose paths end so have been answered.
func (r *recorder) await(path string, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.answers(path) < times {
		r.answered.Wait()
	}
}

func (r *recorder) answers(path string) (n int) {
	for _, done := range r.done {
		if strings.HasSuffix(done, path) {
			n++
		}
	}
	return n
}
