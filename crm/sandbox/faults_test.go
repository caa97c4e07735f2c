package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmsync/crm/sandbox"
)

const upsertOp = "contacts/batch/upsert"

func contactBody() string { return inputs(input("u1", "t1", `"firstname":"Ann"`)) }

const contactPath = "/crm/objects/2026-09/contacts/batch/upsert"

func TestFault_Status(t *testing.T) {
	a := open(t, sandbox.Options{})
	remove := a.Fault(sandbox.Fault{Op: upsertOp, Status: 503, RetryAfter: "7"})
	got := a.objects("contacts", "upsert", contactBody())
	got.expect(t, 503, `"status":"error"`)
	if got.header.Get("Retry-After") != "7" {
		t.Error("the header is missing")
	}
	a.objects("companies", "upsert", inputs(input("c", "t", `"name":"x"`))).expect(t, 200)
	remove()
	a.objects("contacts", "upsert", contactBody()).expect(t, 200)
}

func TestFault_TimesAndOrder(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.Fault(sandbox.Fault{Times: 1, Status: 429, Policy: "DAILY"})
	a.Fault(sandbox.Fault{Times: 2, Status: 502, Body: "<html>bad gateway</html>"})
	a.objects("contacts", "upsert", contactBody()).expect(t, 429, `"policyName":"DAILY"`)
	for range 2 {
		got := a.objects("contacts", "upsert", contactBody())
		got.expect(t, 502, "<html>")
		if got.header.Get("Content-Type") != "text/html" {
			t.Error("HTML is not declared as such")
		}
	}
	a.objects("contacts", "upsert", contactBody()).expect(t, 200)
}

func TestFault_Match(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.Fault(sandbox.Fault{Status: 500, Match: func(r sandbox.Request) bool { return strings.Contains(string(r.Body), "poison") }})
	a.objects("contacts", "upsert", contactBody()).expect(t, 200)
	a.objects("contacts", "upsert", inputs(input("u2", "t", `"firstname":"poison"`))).expect(t, 500)
}

func TestFault_Cut(t *testing.T) {
	tests := []struct {
		name   string
		cut    sandbox.Cut
		writes int
	}{
		{"before the write", sandbox.CutBefore, 0},
		{"after the write", sandbox.CutAfter, 1},
		{"in the body", sandbox.CutBody, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := open(t, sandbox.Options{})
			a.Fault(sandbox.Fault{Times: 1, Cut: test.cut})
			if got, err := a.do("POST", contactPath, contactBody()); err == nil {
				t.Fatalf("got an answer: %s", got.text)
			} else if test.cut == sandbox.CutBody && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want a body cut short", err)
			}
			if got := a.Writes(); got != test.writes {
				t.Errorf("got %d writes, want %d", got, test.writes)
			}
			a.objects("contacts", "upsert", contactBody()).expect(t, 200)
			if n := len(a.Records("contacts")); n != 1 {
				t.Errorf("got %d records, want 1", n)
			}
		})
	}
}

func TestFault_SilentNoop(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.Fault(sandbox.Fault{Times: 1, SilentNoop: true})
	got := a.objects("contacts", "upsert", contactBody())
	got.expect(t, 200, `"status":"COMPLETE"`, `"results":[]`)
	if a.Writes() != 0 || got.errors() != nil {
		t.Errorf("it did something: %s", got.text)
	}
}

func TestFault_HangEndsWithTheClient(t *testing.T) {
	arrived := make(chan struct{})
	ended := make(chan struct{})
	a := open(t, sandbox.Options{Observe: func(e sandbox.Exchange) {
		if e.Status == 0 {
			close(ended)
		}
	}})
	a.Fault(sandbox.Fault{Hang: true, Match: func(sandbox.Request) bool { close(arrived); return true }})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", a.url+"/crm/owners/2026-09", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-arrived
		cancel()
	}()
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Fatal("a request that hangs was answered")
	}
	<-ended
}

func TestFault_HangEndsWithTheServer(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	url, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	s.Fault(sandbox.Fault{Hang: true, Match: func(sandbox.Request) bool { close(arrived); return true }})
	closed := make(chan error)
	go func() {
		<-arrived
		closed <- s.Close()
	}()
	res, err := http.Get(url + "/crm/owners/2026-09")
	if err == nil {
		res.Body.Close()
		t.Fatal("a request that hangs was answered")
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it still listens after Close")
	}
}

func TestLatency_EndsWithTheClient(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.SetLatency(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", a.url+"/crm/owners/2026-09", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Fatal("the latency has no effect")
	}
	a.SetLatency(0)
	a.must("GET", "/crm/owners/2026-09", "").expect(t, 200)
}

func TestObserve_SeesWhatWasSentAndAnswered(t *testing.T) {
	var seen []sandbox.Exchange
	a := open(t, sandbox.Options{Observe: func(e sandbox.Exchange) { seen = append(seen, e) }})
	a.objects("0-1", "upsert", contactBody()).expect(t, 200)
	a.Fault(sandbox.Fault{Times: 1, Cut: sandbox.CutBefore})
	if _, err := a.do("DELETE", "/crm/objects/2026-09/calls/17", ""); err == nil {
		t.Fatal("no cut")
	}
	a.must("GET", "/elsewhere", "").expect(t, 404)
	if len(seen) != 3 {
		t.Fatalf("got %d exchanges, want 3", len(seen))
	}
	if e := seen[0]; e.Op != "POST objects/contacts/batch/upsert" || string(e.Body) != contactBody() || e.Status != 200 || !strings.Contains(string(e.Response), "results") {
		t.Errorf("got %+v", e)
	}
	if e := seen[1]; e.Op != "DELETE objects/calls/{id}" || e.Status != 0 {
		t.Errorf("got %s with status %d", e.Op, e.Status)
	}
	want := map[string]int{"POST objects/contacts/batch/upsert": 1, "DELETE objects/calls/{id}": 1, "unknown": 1}
	for op, n := range want {
		if got := a.Requests()[op]; got != n {
			t.Errorf("got %d requests %q, want %d", got, op, n)
		}
	}
}
