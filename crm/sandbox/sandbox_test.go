package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"crmsync/crm/sandbox"
	"crmsync/crm/sandbox/apispec"
)

// account is a sandbox with a client that knows nothing but HTTP.
type account struct {
	*sandbox.Server
	t       *testing.T
	url     string
	token   string
	version string
}

const key = "crmsync_id"

func keyed() map[string][]sandbox.Property {
	custom := map[string][]sandbox.Property{}
	for _, object := range []string{"contacts", "companies", "calls"} {
		custom[object] = []sandbox.Property{{Name: key, HasUniqueValue: true}}
	}
	return custom
}

func open(t *testing.T, opts sandbox.Options) *account {
	t.Helper()
	if opts.Custom == nil {
		opts.Custom = keyed()
	}
	observe := opts.Observe
	opts.Observe = func(e sandbox.Exchange) {
		checkAgainstSpec(t, e)
		if observe != nil {
			observe(e)
		}
	}
	s := sandbox.New(opts)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		server.Close()
	})
	return &account{Server: s, t: t, url: server.URL, token: "token", version: "2026-09"}
}

var spec = sync.OnceValues(apispec.Load)

// checkAgainstSpec holds every answer, and every request that was accepted,
// against the definition of the API.
func checkAgainstSpec(t *testing.T, e sandbox.Exchange) {
	spec, err := spec()
	if err != nil {
		t.Error(err)
		return
	}
	if e.Op == "unknown" || strings.HasPrefix(string(e.Response), "<") {
		return
	}
	if err := spec.CheckResponse(e); err != nil {
		t.Error(err)
	}
	if e.Status >= 200 && e.Status < 300 {
		if err := spec.CheckRequest(e); err != nil {
			t.Error(err)
		}
	}
}

// answer is what came back; body is decoded JSON.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (a *account) do(method, path, body string) (answer, error) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	out := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if len(text) > 0 && bytes.HasPrefix(text, []byte("{")) {
		if err := json.Unmarshal(text, &out.body); err != nil {
			a.t.Fatalf("%s %s: the answer is not JSON: %v", method, path, err)
		}
	}
	return out, nil
}

func (a *account) must(method, path, body string) answer {
	a.t.Helper()
	out, err := a.do(method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return out
}

// objects posts to a batch endpoint of an object.
func (a *account) objects(object, verb, body string) answer {
	a.t.Helper()
	path := "/crm/objects/" + a.version + "/" + object + "/batch/" + verb
	if a.version == "v3" {
		path = "/crm/v3/objects/" + object + "/batch/" + verb
	}
	return a.must("POST", path, body)
}

func (a *account) associations(from, to, verb, body string) answer {
	a.t.Helper()
	path := "/crm/associations/" + a.version + "/" + from + "/" + to + "/batch/" + verb
	if a.version == "v3" {
		path = "/crm/v4/associations/" + from + "/" + to + "/batch/" + verb
	}
	return a.must("POST", path, body)
}

// input writes one input of an upsert; properties is a JSON object's inside.
func input(id, trace, properties string) string {
	return fmt.Sprintf(`{"idProperty":"crmsync_id","id":%q,"objectWriteTraceId":%q,"properties":{"crmsync_id":%q,%s}}`, id, trace, id, properties)
}

func inputs(items ...string) string { return `{"inputs":[` + strings.Join(items, ",") + `]}` }

func (a answer) results() []map[string]any { return a.items("results") }
func (a answer) errors() []map[string]any  { return a.items("errors") }

func (a answer) items(name string) []map[string]any {
	list, _ := a.body[name].([]any)
	var out []map[string]any
	for _, item := range list {
		m, _ := item.(map[string]any)
		out = append(out, m)
	}
	return out
}

// expect fails the test unless the answer has the status and contains words.
func (a answer) expect(t *testing.T, status int, words ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got status %d, want %d: %s", a.status, status, a.text)
	}
	for _, word := range words {
		if !strings.Contains(a.text, word) {
			t.Errorf("the answer lacks %q: %s", word, a.text)
		}
	}
}

func TestUpsert_CreatesOnceAndUpdates(t *testing.T) {
	a := open(t, sandbox.Options{})
	body := inputs(input("u1", "t1", `"email":"Ann@Example.com","firstname":"Ann"`), input("u2", "t2", `"firstname":"Bob"`))
	first := a.objects("contacts", "upsert", body)
	first.expect(t, 200, `"new":true`)
	second := a.objects("0-1", "upsert", body)
	second.expect(t, 200, `"new":false`)

	records := a.Records("contacts")
	if len(records) != 2 {
		t.Fatalf("got %d records, want 2", len(records))
	}
	if got := records[0].Properties["email"]; got != "ann@example.com" {
		t.Errorf("got e-mail %q, want it in lower case", got)
	}
	for _, r := range first.results() {
		if r["objectWriteTraceId"] == "" || r["properties"].(map[string]any)[key] == nil {
			t.Errorf("a result names neither its trace id nor its key: %v", r)
		}
	}
	if got := a.Writes(); got != 4 {
		t.Errorf("got %d writes, want 4", got)
	}
}

func TestUpsert_KeepsAndClears(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.objects("contacts", "upsert", inputs(input("u1", "t", `"firstname":"Ann","lastname":"Lee","jobtitle":"Rep"`))).expect(t, 200)
	a.objects("contacts", "upsert", inputs(input("u1", "t", `"lastname":"","jobtitle":"Lead"`))).expect(t, 200)
	got := a.Records("contacts")[0].Properties
	if got["firstname"] != "Ann" || got["jobtitle"] != "Lead" {
		t.Errorf("an absent member was not kept or a new one not set: %v", got)
	}
	if _, ok := got["lastname"]; ok {
		t.Errorf("an empty value did not clear: %v", got)
	}
}

func TestUpsert_ShufflesResults(t *testing.T) {
	var items []string
	for i := range 100 {
		items = append(items, input(fmt.Sprint("k", i), fmt.Sprint("t", i), `"firstname":"x"`))
	}
	order := func(seed uint64) string {
		a := open(t, sandbox.Options{Seed: seed})
		var traces []string
		for _, r := range a.objects("contacts", "upsert", inputs(items...)).results() {
			traces = append(traces, fmt.Sprint(r["objectWriteTraceId"]))
		}
		return strings.Join(traces, " ")
	}
	first, again, other := order(1), order(1), order(2)
	if first != again {
		t.Error("one seed gave two orders")
	}
	if first == other || strings.HasPrefix(first, "t0 t1 t2") {
		t.Error("the results are not shuffled")
	}
}

func TestHideTraceIDs_LeavesTheKeyInResults(t *testing.T) {
	a := open(t, sandbox.Options{HideTraceIDs: true})
	got := a.objects("contacts", "upsert", inputs(input("u1", "t1", `"firstname":"Ann"`), input("u2", "t2", `"email":"x"`)))
	got.expect(t, 200, `"crmsync_id":"u1"`, `"objectWriteTraceId":["t2"]`)
	if strings.Contains(got.text, `"t1"`) {
		t.Errorf("a result names its trace id: %s", got.text)
	}
}

func TestBatch_PartialOnlyWithTraceIDs(t *testing.T) {
	good, bad := input("u1", "t1", `"firstname":"Ann"`), input("u2", "t2", `"email":"no address"`)
	untraced := strings.ReplaceAll(inputs(good, bad), `"objectWriteTraceId":"t2",`, "")
	same := strings.ReplaceAll(inputs(good, bad), `"t2"`, `"t1"`)
	for version, partial := range map[string]int{"2026-09": 200, "2026-03": 207, "v3": 207} {
		t.Run(version, func(t *testing.T) {
			a := open(t, sandbox.Options{})
			a.version = version
			for _, body := range []string{untraced, same} {
				a.objects("contacts", "upsert", body).expect(t, 400, "VALIDATION_ERROR", "INVALID_EMAIL")
				if n := len(a.Records("contacts")); n != 0 || a.Writes() != 0 {
					t.Fatalf("a refused batch left %d records", n)
				}
			}
			got := a.objects("contacts", "upsert", inputs(good, bad))
			got.expect(t, partial, `"numErrors":1`, `"objectWriteTraceId":["t2"]`, "INVALID_EMAIL")
			if len(got.results()) != 1 || len(a.Records("contacts")) != 1 {
				t.Errorf("the good input was not written: %s", got.text)
			}
		})
	}
}

func TestUpsert_RefusedBatchRestoresWhatItOverwrote(t *testing.T) {
	a := open(t, sandbox.Options{})
	a.objects("contacts", "upsert", inputs(input("u1", "t1", `"email":"ann@example.com"`))).expect(t, 200)
	body := inputs(input("u1", "", `"email":"new@example.com"`), input("u2", "", `"nonsense":"x"`))
	a.objects("contacts", "upsert", body).expect(t, 400, "PROPERTY_DOESNT_EXIST")
	if got := a.Records("contacts")[0].Properties["email"]; got != "ann@example.com" {
		t.Errorf("got e-mail %q after a refused batch", got)
	}
	a.objects("contacts", "upsert", inputs(input("u3", "t1", `"email":"new@example.com"`))).expect(t, 200, `"new":true`)
}
