package sandbox_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"crmsync/crm/sandbox"
)

// FuzzServe holds that whatever is sent is answered, with JSON or nothing, and
// that no refusal has an effect.
func FuzzServe(f *testing.F) {
	const upsert = "/crm/objects/2026-09/contacts/batch/upsert"
	f.Add("POST", upsert, inputs(input("a", "t", `"firstname":"x"`)))
	f.Add("POST", upsert, `{"inputs":[{"id":null,"properties":{"a":[{}]}}]}`)
	f.Add("POST", upsert, `{"inputs":[1e999,"\ud800"]}`)
	f.Add("POST", "/crm/v3/objects/0-48", `{"properties":{"hs_timestamp":"-9223372036854775808"}}`)
	f.Add("POST", "/crm/v4/associations/calls/contacts/batch/create", `{"inputs":[{"from":{"id":"1"},"to":{"id":""},"types":[]}]}`)
	f.Add("POST", "/crm/properties/2026-03/calls", property("x", `"type":"bool","fieldType":"x","options":[]`))
	f.Add("GET", "/crm/owners/2026-09/?after=%00&limit=0x1", "")
	f.Add("GET", "//crm/../crm/objects/2026-09/contacts/?limit=-1", "")
	f.Add("CONNECT", "*", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		crm := sandbox.New(sandbox.Options{Custom: keyed()})
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, u.Path, u.RawQuery
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		crm.ServeHTTP(w, r)
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("the answer is not JSON: %q", w.Body)
		}
		if w.Code >= 300 && crm.Writes() > 0 {
			t.Errorf("status %d and %d writes", w.Code, crm.Writes())
		}
	})
}
