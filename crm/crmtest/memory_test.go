package crmtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	"crmsync/crm"
	"crmsync/crm/crmtest"
)

const secret = "memory-secret"

// memory is a CRM unlike HubSpot: no upsert, no batches, links in the request
// that writes their record. It shows that the suite asks for nothing else.
type memory struct {
	client  *memoryClient
	mu      sync.Mutex
	records []memoryRecord
	writes  int
	revoked bool
	fault   crmtest.Fault
	times   int
	hit     chan struct{}
	once    *sync.Once
}

type memoryRecord struct {
	ID, Object, Key string
	Fields          map[string]string
	Links           map[string]string // id to object
}

// memoryRequest asks for the record of a key (find), with an id (update, list),
// or for a new one (create).
type memoryRequest struct {
	Verb, ID, Object, Key string
	Fields                map[string]string
	Links                 map[string]string
	Unlinks               []string
}

type memoryAnswer struct {
	ID, Code, Field string
	Found           []memoryRecord // of a list; never nil
}

func openMemory(t *testing.T, dial func(*testing.T, string) crm.Client) crmtest.Account {
	m := &memory{}
	closed := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, closed) }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(closed) })
	m.client, _ = dial(t, server.URL).(*memoryClient)
	return m
}

func (m *memory) serve(w http.ResponseWriter, r *http.Request, closed <-chan struct{}) {
	var in memoryRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fault, broken := m.next(in.Verb)
	switch {
	case broken && fault == crmtest.Hang:
		select {
		case <-r.Context().Done():
		case <-closed:
		}
		return
	case broken && fault == crmtest.CutBefore:
		panic(http.ErrAbortHandler)
	case broken && fault == crmtest.Outage:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case broken && fault == crmtest.Silent:
		_, _ = io.WriteString(w, "{}")
		return
	}
	status, out := m.apply(in)
	if broken {
		panic(http.ErrAbortHandler) // after the write
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// next returns the fault that a write meets.
func (m *memory) next(verb string) (crmtest.Fault, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.times == 0 || verb != "create" {
		return 0, false
	}
	m.times--
	m.once.Do(func() { close(m.hit) })
	return m.fault, true
}

func (m *memory) apply(in memoryRequest) (int, memoryAnswer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revoked {
		return http.StatusUnauthorized, memoryAnswer{}
	}
	if _, unknown := in.Fields["no_such_field"]; unknown {
		return http.StatusUnprocessableEntity, memoryAnswer{Code: "unknown", Field: "no_such_field"}
	}
	if in.Fields["note"] == "refused" {
		return http.StatusUnprocessableEntity, memoryAnswer{Code: "refused", Field: "note"}
	}
	at := slices.IndexFunc(m.records, func(r memoryRecord) bool {
		return r.ID == in.ID || in.Verb == "find" && r.Key == in.Key && r.Object == in.Object
	})
	switch {
	case in.Verb == "list" && at < 0:
		return http.StatusOK, memoryAnswer{Found: []memoryRecord{}}
	case in.Verb == "list":
		return http.StatusOK, memoryAnswer{Found: m.records[at : at+1]}
	case in.Verb == "find" && at < 0:
		return http.StatusOK, memoryAnswer{}
	case in.Verb == "update" && at < 0:
		return http.StatusNotFound, memoryAnswer{}
	case in.Verb == "create":
		at = len(m.records)
		m.records = append(m.records, memoryRecord{ID: strconv.Itoa(at + 1), Object: in.Object, Key: in.Key, Fields: map[string]string{}, Links: map[string]string{}})
	}
	r := m.records[at]
	maps.Copy(r.Fields, in.Fields)
	maps.Copy(r.Links, in.Links)
	for _, id := range in.Unlinks {
		delete(r.Links, id)
	}
	if in.Verb == "create" || in.Verb == "update" {
		m.writes++
	}
	return http.StatusOK, memoryAnswer{ID: r.ID}
}

// What the suite asks of an account.

func (m *memory) Client() crm.Client { return m.client }

func (m *memory) Records(o crm.Object) []crmtest.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []crmtest.Record
	for _, r := range m.records {
		if r.Object == string(o) {
			all = append(all, crmtest.Record{RemoteID: r.ID, Key: r.Key, Fields: maps.Clone(r.Fields)})
		}
	}
	return all
}

func (m *memory) Links(from, to crm.Object) [][2]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var pairs [][2]string
	for _, r := range m.records {
		for id, object := range r.Links {
			if r.Object == string(from) && object == string(to) {
				pairs = append(pairs, [2]string{r.ID, id})
			}
		}
	}
	return pairs
}

func (m *memory) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func (m *memory) Add(o crm.Object, _ crm.Fields) string {
	_, out := m.apply(memoryRequest{Verb: "create", Object: string(o)})
	return out.ID
}

func (m *memory) Delete(_ crm.Object, remoteID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.records {
		if r.ID == remoteID {
			m.records[i].ID, m.records[i].Object, m.records[i].Key = "", "", ""
		}
	}
}

func (m *memory) Break(f crmtest.Fault, times int) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault, m.times, m.hit, m.once = f, times, make(chan struct{}), &sync.Once{}
	return m.hit
}

func (m *memory) Revoke()             { m.setRevoked(true) }
func (m *memory) Restore()            { m.setRevoked(false) }
func (m *memory) Owners() []crm.Owner { return nil }

func (m *memory) setRevoked(revoked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked = revoked
}

// memoryClient is the adapter. mistake is one that it makes on purpose.
type memoryClient struct {
	url, mistake string
}

func (c *memoryClient) Properties() crm.Properties {
	return crm.Properties{Name: "memory", MaxBatch: 10, IDField: "key"}
}

func (c *memoryClient) Account(context.Context) (string, error) { return "memory", nil }

func (c *memoryClient) Ping(ctx context.Context) error {
	if _, err := c.do(ctx, memoryRequest{Verb: "find"}); err != nil {
		return err
	}
	return nil
}

func (c *memoryClient) Upsert(ctx context.Context, o crm.Object, records []crm.Record) ([]crm.Result, error) {
	results := make([]crm.Result, len(records))
	for i, r := range records {
		result, err := c.upsert(ctx, o, r)
		if err != nil && (err.Kind == crm.Unavailable || err.Kind == crm.Unauthorized) {
			return nil, err
		}
		if err != nil && c.mistake != "errors are dropped" {
			result.Err = err
		}
		results[i] = result
	}
	if c.mistake == "results are out of order" {
		slices.Reverse(results)
	}
	return results, nil
}

func (c *memoryClient) upsert(ctx context.Context, o crm.Object, r crm.Record) (crm.Result, *crm.Error) {
	in := memoryRequest{Verb: "update", ID: r.RemoteID, Object: string(o), Key: r.Key, Fields: map[string]string{}, Links: map[string]string{}}
	for name, value := range r.Fields {
		in.Fields[name] = fmt.Sprint(value)
	}
	for _, to := range r.Links {
		in.Links[to.RemoteID] = string(to.Object)
	}
	for _, to := range r.Unlinks {
		if c.mistake != "links are not removed" {
			in.Unlinks = append(in.Unlinks, to.RemoteID)
		}
	}
	if r.RemoteID == "" && r.InDoubt && c.mistake != "doubt is ignored" {
		found, err := c.do(ctx, memoryRequest{Verb: "find", Object: string(o), Key: r.Key})
		if err != nil {
			return crm.Result{}, err
		}
		in.ID = found.ID
	}
	action := crm.Updated
	if in.ID == "" {
		in.Verb, action = "create", crm.Created
	}
	out, err := c.do(ctx, in)
	if err == nil && out.ID == "" {
		err = &crm.Error{Message: "nothing was written"}
	}
	return crm.Result{RemoteID: out.ID, Action: action}, err
}

func (c *memoryClient) do(ctx context.Context, in memoryRequest) (out memoryAnswer, failure *crm.Error) {
	body, err := json.Marshal(in)
	if err != nil {
		return memoryAnswer{}, &crm.Error{Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return memoryAnswer{}, &crm.Error{Err: err}
	}
	req.Header.Set("Authorization", secret)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		if c.mistake == "a broken network is final" {
			return memoryAnswer{}, &crm.Error{Kind: crm.Invalid, Message: "no answer"}
		}
		// The error itself may quote what the server sent.
		return memoryAnswer{}, &crm.Error{Message: "no answer", Err: ctx.Err()}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return memoryAnswer{}, &crm.Error{Err: err}
	}
	malformed := json.Unmarshal(text, &out) != nil
	if res.StatusCode/100 == 2 && !malformed {
		return out, nil
	}
	return memoryAnswer{}, c.refused(res.StatusCode, out, text)
}

func (c *memoryClient) refused(status int, out memoryAnswer, text []byte) *crm.Error {
	e := &crm.Error{Kind: crmtest.KindOf(status), Status: status, Code: out.Code, Field: out.Field}
	if out.Code == "unknown" {
		e.Kind = crm.Misconfigured
	}
	if c.mistake == "the CRM's words are passed on" {
		e.Message = string(text)
	}
	return e
}
