package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
