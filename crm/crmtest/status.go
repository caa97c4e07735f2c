package crmtest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"crmsync/crm"
)

// KindOf is what a status means when the body says nothing: what is not known
// to be final is worth another try.
func KindOf(status int) crm.Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return crm.Unauthorized
	case http.StatusTooManyRequests:
		return crm.RateLimited
	case http.StatusNotFound:
		return crm.NotFound
	case http.StatusConflict:
		return crm.Conflict
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusUnprocessableEntity:
		return crm.Invalid
	}
	return crm.Unavailable
}

func (s *suite) kindOf(status int) crm.Kind {
	if kind, ok := s.Kinds[status]; ok {
		return kind
	}
	return KindOf(status)
}

// statuses answers every status and looks at the error of an upsert. They run
// side by side: some are repeated by the adapter, with pauses. Statuses that
// mean something come with each body, the others with one of them.
func (s *suite) statuses(t *testing.T) {
	bodies := []string{
		"",
		"<html><body>Request of " + address + " with " + s.Secret + "</body></html>",
		fmt.Sprintf(`{"message":%q,"error":%q}`, "refused "+address, "bad token "+s.Secret),
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, 100)
	for status := 100; status <= 599; status++ {
		for i, body := range bodies {
			if http.StatusText(status) == "" && status%len(bodies) != i {
				continue
			}
			places <- struct{}{}
			wg.Go(func() {
				defer func() { <-places }()
				if err := s.status(t, status, body); err != nil {
					t.Errorf("status %d with body %d: %v", status, i, err)
				}
			})
		}
	}
	wg.Wait()
}

// status says what is wrong with how an upsert fails. A 2xx may fail in any way
// but not succeed: no record was named.
func (s *suite) status(t *testing.T, status int, body string) error {
	server, err := listenRaw(statusAnswer(status, body), nil)
	if err != nil {
		return err
	}
	defer server.close()
	results, err := s.Dial(t, server.url).Upsert(t.Context(), crm.Company, s.records(crm.Company, 1))
	if err == nil && len(results) == 1 {
		err = results[0].Err
	}
	e, fault := s.inspect(err)
	if fault != nil {
		return fault
	}
	if want := s.kindOf(status); e.Kind != want && status/100 != 2 {
		return fmt.Errorf("got kind %s, want %s: %w", e.Kind, want, e)
	}
	return nil
}

func (s *suite) network(t *testing.T) {
	servers := map[string]string{ // raw answers
		"connection closed without an answer": "",
		"answer is not HTTP":                  "220 mail ready\r\n",
		"body cut short":                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{\"results\":[]",
	}
	tests := map[string]func(*testing.T){
		"nobody listens":                     func(t *testing.T) { s.unavailable(t, unusedURL) },
		"empty success is not an empty list": s.emptyLists,
		"cancelled while waiting":            s.cancelled,
	}
	for name, answer := range servers {
		tests[name] = func(t *testing.T) { s.unavailable(t, serveRaw(t, answer, nil)) }
	}
	together(t, tests)
}

// unusedURL is one where nobody listens. A port that was free a moment ago may
// be another test's by now.
const unusedURL = "http://127.0.0.1:1"

// unavailable tries everything that the client can do.
func (s *suite) unavailable(t *testing.T, url string) {
	tests := map[string]func(*testing.T){}
	for name, call := range s.calls(s.Dial(t, url)) {
		tests[name] = func(t *testing.T) { s.expect(t, call(t.Context()), crm.Unavailable) }
	}
	together(t, tests)
}

// calls lists what a client can do, each with its error.
func (s *suite) calls(client crm.Client) map[string]func(context.Context) error {
	ref := func(o crm.Object) crm.Ref { return crm.Ref{Object: o, Key: "k", RemoteID: "1"} }
	calls := map[string]func(context.Context) error{
		"ping": client.Ping,
		"upsert": func(ctx context.Context) error {
			_, err := client.Upsert(ctx, crm.Contact, s.records(crm.Contact, 2))
			return err
		},
	}
	if c, ok := client.(crm.Linker); ok {
		calls["link"] = func(ctx context.Context) error {
			_, err := c.Link(ctx, []crm.Link{{From: ref(crm.Activity), To: ref(crm.Contact)}})
			return err
		}
	}
	if c, ok := client.(crm.Archiver); ok {
		calls["archive"] = func(ctx context.Context) error {
			_, err := c.Archive(ctx, crm.Contact, []crm.Ref{ref(crm.Contact)})
			return err
		}
	}
	if c, ok := client.(crm.Provisioner); ok {
		calls["provision"] = func(ctx context.Context) error {
			_, err := c.Provision(ctx, crm.Provision{Fields: s.mapped()})
			return err
		}
	}
	for name, list := range s.lists(client) {
		calls[name] = list
	}
	return calls
}

// lists are the calls that read: what they do not find does not exist.
func (s *suite) lists(client crm.Client) map[string]func(context.Context) error {
	lists := map[string]func(context.Context) error{}
	if c, ok := client.(crm.OwnerFinder); ok {
		lists["owners"] = func(ctx context.Context) error {
			_, err := c.Owners(ctx)
			return err
		}
	}
	if c, ok := client.(crm.Previewer); ok {
		lists["preview"] = func(ctx context.Context) error {
			_, err := c.Preview(ctx, crm.Contact, s.records(crm.Contact, 2))
			return err
		}
	}
	if c, ok := client.(crm.Describer); ok {
		lists["describe"] = func(ctx context.Context) error {
			_, err := c.Describe(ctx, crm.Contact)
			return err
		}
	}
	return lists
}

// emptyLists holds that an answer without a list is a failure: "no owner" and
// "no such field" are never concluded from silence.
func (s *suite) emptyLists(t *testing.T) {
	for _, body := range []string{"", "{}", "<html></html>"} {
		client := s.Dial(t, serveRaw(t, statusAnswer(200, body), nil))
		for name, list := range s.lists(client) {
			if e, err := s.inspect(list(t.Context())); err != nil {
				t.Errorf("%s answered with %q: %v", name, body, err)
			} else if e.Kind != crm.Unavailable {
				t.Errorf("%s answered with %q: got kind %s", name, body, e.Kind)
			}
		}
	}
}

// cancelled never gets an answer.
func (s *suite) cancelled(t *testing.T) {
	begun := make(chan struct{})
	client := s.Dial(t, serveRaw(t, silence, sync.OnceFunc(func() { close(begun) })))
	err := promptly(t, begun, func(ctx context.Context) error {
		_, err := client.Upsert(ctx, crm.Contact, s.records(crm.Contact, 1))
		return err
	})
	if e := s.expect(t, err, crm.Unavailable); !isCancelled(e) {
		t.Errorf("the error does not say that the call was cancelled: %v", e)
	}
}
