package app

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

var testSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a shared secret of 32 characters"))

func TestSender_SignsAsTheLibraryVerifies(t *testing.T) {
	verifier, err := svix.NewWebhook(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()

	sender, err := newSender(server.URL, []string{"whpk_AAAA", testSecret})
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.send(t.Context(), "msg_1", []byte(`{"id":"e1"}`)); err != nil {
		t.Error(err)
	}
	other, err := newSender(server.URL, []string{"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24))})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.send(t.Context(), "msg_1", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "CRMSYNC_WEBHOOK_SECRETS") {
		t.Errorf("with another secret: got %v", err)
	}
}

func TestSender_NeedsASharedSecret(t *testing.T) {
	if _, err := newSender("http://localhost", []string{"whpk_AAAA"}); err == nil || strings.Contains(err.Error(), "AAAA") {
		t.Errorf("got %v", err)
	}
}

func TestSender_TakesARedirectForAFailure(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusPermanentRedirect))
	defer server.Close()
	sender, err := newSender(server.URL, []string{testSecret})
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.send(t.Context(), "msg_1", nil); err == nil || !strings.Contains(err.Error(), "308") {
		t.Errorf("got %v", err)
	}
}

func TestMessageID_FollowsTheBody(t *testing.T) {
	a, again, b := messageID([]byte("a")), messageID([]byte("a")), messageID([]byte("b"))
	if a != again || a == b {
		t.Errorf("got %s, %s, %s", a, again, b)
	}
}

func TestAsNew_ChangesIdAndTimeOnly(t *testing.T) {
	const body = `{"id":"e1","timestamp":"2025-08-01T12:00:00.000Z","n":9007199254740993,"payload":{"x":1e400}}`
	got, err := asNew([]byte(body), testNow)
	if err != nil {
		t.Fatal(err)
	}
	var before, after map[string]json.RawMessage
	_ = json.Unmarshal([]byte(body), &before)
	if err := json.Unmarshal(got, &after); err != nil {
		t.Fatal(err)
	}
	if string(after["id"]) == `"e1"` || string(after["timestamp"]) != testNow.Format(`"2006-01-02T15:04:05.000Z"`) {
		t.Errorf("got id %s, timestamp %s", after["id"], after["timestamp"])
	}
	for _, name := range []string{"n", "payload"} {
		if string(before[name]) != string(after[name]) {
			t.Errorf("%s: got %s", name, after[name])
		}
	}
	for _, body := range []string{`[]`, `null`, `{"id"`} {
		if _, err := asNew([]byte(body), testNow); err == nil {
			t.Errorf("%s got a new id", body)
		}
	}
}

func TestSend_SaysWhatToDo(t *testing.T) {
	t.Setenv("CRMSYNC_WEBHOOK_SECRETS", testSecret)
	file := t.TempDir() + "/event.json"
	if err := os.WriteFile(file, []byte(`{"id":"e1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"127.0.0.1:8080/webhooks", "localhost", "ftp://localhost/webhooks", "http://", "://"} {
		if code, _, errOut := run(t, "send", file, "--to", to); code != exitUsage || !strings.Contains(errOut, "expected something like http://") {
			t.Errorf("to %s: exit code %d, %s", to, code, errOut)
		}
	}
	code, _, errOut := run(t, "send", file, "--to", "http://127.0.0.1:1/webhooks")
	if code != exitFailed || !strings.Contains(errOut, "nobody listens at http://127.0.0.1:1/webhooks: is the connector running") {
		t.Errorf("refused: exit code %d, %s", code, errOut)
	}
}
