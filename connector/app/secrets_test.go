package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// What must be in nothing that a connector says: values of people and secrets,
// in lower case.
var markedValues = []string{
	"lena.marked", "markedfirst", "mark%c3%abdl%c3%a4st", "markëdläst", `mark\u00eb`, "+49 171 5550",
	"pat-end-to-end-secret", strings.ToLower(strings.TrimPrefix(endToEndSecrets[0], "whsec_")), "marked-admin-token",
}

// markedUser holds all that a user says of a person.
const markedUser = `{"id":%q,"orgId":"o1","email":"Lena.Marked+%s@sales.example","name":"Markedfirst Markëdläst","role":"+49 171 5550 %s","status":"active"}`

// newQuotingCRM refuses records and quotes in its message, in many shapes, what it
// was sent; anything else goes to the CRM at target.
func newQuotingCRM(t *testing.T, target string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "contacts/batch") {
			proxy.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var sent struct {
			Inputs []struct{ Properties map[string]string }
		}
		_ = json.Unmarshal(body, &sent)
		var said strings.Builder
		for _, input := range sent.Inputs {
			for _, v := range input.Properties {
				fmt.Fprintf(&said, "%s | %s | %q | %+q | %s | %s; ", v, strings.ToUpper(v), v, v, url.QueryEscape(v), url.PathEscape(v))
			}
		}
		text, _ := json.Marshal(map[string]string{
			"status": "error", "category": "VALIDATION_ERROR", "message": said.String() + r.Header.Get("Authorization"),
		})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestI8_NothingMarkedIsSaid takes marked values through acceptance, refusal at
// the door, a CRM that quotes them, and payloads that cannot be read, and looks
// for them in all that the connector says (I8).
func TestI8_NothingMarkedIsSaid(t *testing.T) {
	t.Parallel() // it waits more than it works
	_, url := newCRM(t)
	admin := freeAddr(t)
	p := newConnector(t, url, "CRMSYNC_LOG_LEVEL=debug", "CRMSYNC_ADMIN_ADDR="+admin, "CRMSYNC_ADMIN_TOKEN=marked-admin-token")
	p.env = append(p.env, "CRMSYNC_HUBSPOT_BASE_URL="+newQuotingCRM(t, url))
	p.start()
	for i := range 6 {
		key := fmt.Sprint("u", i)
		user := fmt.Sprintf(markedUser, key, key, key)
		body := fmt.Sprintf(`{"id":"evt-%d","type":"user.created","timestamp":%q,"payload":{"user":%s}}`, i, time.Now().UTC().Format(time.RFC3339), user)
		if i == 5 {
			body = body[:len(body)-2] // cannot be decoded
		}
		d := delivery{id: fmt.Sprint("msg_", i), body: body, secret: endToEndSecrets[0], family: "svix"}
		if code := p.post(http.DefaultClient, d); code != http.StatusNoContent {
			t.Fatalf("answered %d", code)
		}
		d.secret = "whsec_" + strings.Repeat("QUFB", 8) // of somebody else
		if code := p.post(http.DefaultClient, d); code != http.StatusUnauthorized {
			t.Errorf("a bad signature is answered with %d", code)
		}
	}
	if status := p.settled(time.Minute); status.Dead != 6 {
		t.Fatalf("status %+v", status)
	}
	said := map[string]string{}
	for _, line := range []string{"status", "status --json", "events", "events --json", "objects", "objects --json", "check", "check --json",
		"config", "config --json", "state verify", "state export", "replay evt-0"} {
		_, said[line] = p.run(strings.Fields(line)...)
	}
	for _, path := range []string{"/metrics", "/api/v1/status", "/api/v1/events", "/api/v1/objects"} {
		for _, token := range []string{"marked-admin-token", "wrong"} {
			said[path+" as "+token] = readAs(t, "http://"+admin+path, token)
		}
	}
	p.stop()
	said["log"] = p.log.String()
	for where, text := range said {
		text = strings.ToLower(text)
		for _, mark := range markedValues {
			if i := strings.Index(text, mark); i >= 0 {
				t.Errorf("%s says %q: …%s", where, mark, text[max(0, i-80):min(len(text), i+80)])
			}
		}
	}
}

// readAs returns the answer to who has the token.
func readAs(t *testing.T, url, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
