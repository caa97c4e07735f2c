package connector

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// foreignDelivery was signed by a program that shares no code with this one.
type foreignDelivery struct {
	Name      string      `json:"name"`
	Family    string      `json:"family"`
	ID        string      `json:"id"`
	Timestamp int64       `json:"timestamp"`
	Body      string      `json:"body"`
	Received  *string     `json:"received"` // what arrives instead of Body
	SignedBy  [][2]string `json:"signed_by"`
	Clock     int64       `json:"clock"` // seconds that our clock is ahead
	Want      int         `json:"want"`
	Signature string      `json:"signature"`
}

func readDeliveries(t *testing.T) (raw []byte, deliveries []foreignDelivery) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "signers", "deliveries.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &deliveries); err != nil {
		t.Fatal(err)
	}
	if len(deliveries) == 0 {
		t.Fatal("no deliveries")
	}
	return raw, deliveries
}

func (d foreignDelivery) request() *http.Request {
	body := d.Body
	if d.Received != nil {
		body = *d.Received
	}
	r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set(d.Family+"-id", d.ID)
	r.Header.Set(d.Family+"-timestamp", strconv.FormatInt(d.Timestamp, 10))
	r.Header.Set(d.Family+"-signature", d.Signature)
	return r
}

func TestInterop_ForeignSignatures(t *testing.T) {
	_, deliveries := readDeliveries(t)
	for _, d := range deliveries {
		t.Run(d.Name, func(t *testing.T) {
			rc := newTestReceiver(t, &fakeInbox{}, func(o *ReceiverOptions) {
				o.Now = func() time.Time { return time.Unix(d.Timestamp+d.Clock, 0) }
			})
			wantStatus(t, serve(rc, d.request()), d.Want)
		})
	}
}

// TestInterop_SignersAgree signs the deliveries again, with the packages in
// $SIGNERS_NODE/node_modules.
func TestInterop_SignersAgree(t *testing.T) {
	dir := os.Getenv("SIGNERS_NODE")
	if dir == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("SIGNERS_NODE is not set")
		}
		t.Skip("SIGNERS_NODE is not set: testdata/signers/sign.mjs says what to install there")
	}
	raw, want := readDeliveries(t)
	got := signAgain(t, dir, raw)
	if len(got) != len(want) {
		t.Fatalf("got %d deliveries, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Signature != want[i].Signature {
			t.Errorf("%s: got signature %q, want %q", want[i].Name, got[i].Signature, want[i].Signature)
		}
	}
}

// signAgain runs the script beside the packages, where imports find them.
func signAgain(t *testing.T, dir string, deliveries []byte) (signed []foreignDelivery) {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "signers", "sign.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "sign.mjs"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "node_modules"), filepath.Join(work, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "sign.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = work, bytes.NewReader(deliveries), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	if err := json.Unmarshal(out, &signed); err != nil {
		t.Fatalf("output of node: %v", err)
	}
	return signed
}
