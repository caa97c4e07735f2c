package sandbox_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crmsync/crm/sandbox"
)

// TestModel holds batches of contacts against a plain list: who gets created,
// who is refused, and that a refused batch changes nothing.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, crm: sandbox.New(sandbox.Options{Custom: keyed()}), emails: map[string]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"upsert":          func(t *rapid.T) { m.upsert(true) },
			"upsert untraced": func(t *rapid.T) { m.upsert(false) },
			"archive":         func(*rapid.T) { m.archive() },
			"":                func(*rapid.T) { m.compare() },
		})
	})
}

// model is what should be true: the address of each key, "" for none.
type model struct {
	t      *rapid.T
	crm    *sandbox.Server
	emails map[string]string
}

func (m *model) post(verb, body string) int {
	r := httptest.NewRequest("POST", "/crm/objects/2026-09/contacts/batch/"+verb, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.crm.ServeHTTP(w, r)
	if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
		m.t.Fatalf("the answer is not JSON: %s", w.Body)
	}
	return w.Code
}

// upsert writes distinct keys with addresses of which some are taken or wrong.
func (m *model) upsert(traced bool) {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 1, 4, rapid.ID).Draw(m.t, "keys")
	after := maps.Clone(m.emails)
	var items []string
	refused := false
	for i, k := range keys {
		email := rapid.SampledFrom([]string{"", "1@example.com", "2@example.com", "3@example.com", "wrong"}).Draw(m.t, "email")
		trace := ""
		if traced {
			trace = fmt.Sprint("t", i)
		}
		items = append(items, input(k, trace, fmt.Sprintf(`"firstname":"x","email":%q`, email)))
		if email == "wrong" || email != "" && taken(after, k, email) {
			refused = true
			continue
		}
		after[k] = email
	}
	status := m.post("upsert", inputs(items...))
	if all := refused && !traced; all == (status == 200) {
		m.t.Fatalf("got status %d for a batch with refusals: %v", status, all)
	}
	if traced || !refused {
		m.emails = after
	}
}

func taken(emails map[string]string, by, email string) bool {
	for k, e := range emails {
		if k != by && e == email {
			return true
		}
	}
	return false
}

func (m *model) archive() {
	if len(m.emails) == 0 {
		return
	}
	key := rapid.SampledFrom(slices.Sorted(maps.Keys(m.emails))).Draw(m.t, "gone")
	for _, r := range m.crm.Records("contacts") {
		if !r.Archived && r.Properties["crmsync_id"] == key {
			if status := m.post("archive", `{"inputs":[{"id":"`+r.ID+`"}]}`); status != 204 {
				m.t.Fatalf("got status %d", status)
			}
		}
	}
	delete(m.emails, key)
}

func (m *model) compare() {
	got := map[string]string{}
	for _, r := range m.crm.Records("contacts") {
		if r.Archived {
			continue
		}
		k := r.Properties["crmsync_id"]
		if _, twice := got[k]; twice {
			m.t.Fatalf("two records have the key %s", k)
		}
		got[k] = r.Properties["email"]
	}
	if !maps.Equal(got, m.emails) {
		m.t.Fatalf("got %v, want %v", got, m.emails)
	}
}
