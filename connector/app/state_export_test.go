package app

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"crmsync/state"
)

func TestExport_ReadsPageByPage(t *testing.T) {
	h := testAPI(&fakeLedger{list: someEvents(2*maxPage + 1)}).handler()
	var pages []int
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		pages = append(pages, strings.Count(answer.Body.String(), `"message_id"`))
		if link := answer.Header().Get("Link"); link != "" {
			w.Header().Set("Link", link)
		}
		_, _ = w.Write(answer.Body.Bytes())
	})
	var out strings.Builder
	c := &client{http: &http.Client{Transport: localTransport{counting}}}
	if err := export(t.Context(), c, &out); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(out.String(), "\n"), 2*maxPage+1; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
	for _, n := range pages {
		if n > maxPage {
			t.Errorf("a page has %d events", n)
		}
	}
}

// Retention goes on while an export reads: the event that ended a page may be
// gone when the next one is asked for.
func TestExport_GoesOnBehindAPrunedEvent(t *testing.T) {
	ledger := &fakeLedger{list: someEvents(2*maxPage + 1)}
	h := testAPI(ledger).handler()
	pruning := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if r.URL.Path == "/api/v1/events" {
			ledger.list = slices.DeleteFunc(slices.Clone(ledger.list), func(e state.Event) bool { return e.Seq == maxPage+2 || e.Seq < 10 })
		}
	})
	var out strings.Builder
	c := &client{http: &http.Client{Transport: localTransport{pruning}}}
	if err := export(t.Context(), c, &out); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(out.String(), "\n"), 2*maxPage+1-9; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
}
