package connector

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestParseKey_RefusesWithoutQuoting(t *testing.T) {
	long := strings.Repeat("c2VjcmV0", 4) // 24 bytes
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "neither"},
		{"prefix alone", "whsec_", "has 0 bytes"},
		{"public prefix alone", "whpk_", "has 0 bytes"},
		{"short secret", "whsec_AAAA", "has 3 bytes"},
		{"one byte short", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "has 23 bytes"},
		{"no prefix", long, "neither"},
		{"version before the prefix", "v1,whsec_" + long, "neither"},
		{"upper-case prefix", "WHSEC_" + long, "neither"},
		{"no padding", "whsec_" + long + "AA", "base64"},
		{"URL alphabet", "whsec_-_" + long, "base64"},
		{"space inside", "whsec_" + long[:8] + " " + long[8:], "base64"},
		{"two keys on two lines", "whsec_" + long + "\n" + long, "line break"},
		{"private key", "whsk_" + long, "private"},
		{"public key too short", "whpk_" + long, "has 24 bytes"},
		{"private key called public", "whpk_" + base64.StdEncoding.EncodeToString(make([]byte, 64)), "has 64 bytes"},
	} {
		_, err := ParseKey(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one about %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "c2Vjc") {
			t.Errorf("%s: the error quotes the key: %v", c.name, err)
		}
	}
}

func TestParseKey_IgnoresSpaceAround(t *testing.T) {
	for _, text := range []string{" " + exampleSecret, exampleSecret + "\n", "\t" + examplePublic + "\r\n"} {
		if _, err := ParseKey(text); err != nil {
			t.Errorf("got %v, want no error", err)
		}
	}
}

func TestKey_NeverPrintsItself(t *testing.T) {
	key, err := ParseKey(exampleSecret)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&out, verb+"\n", key)
		fmt.Fprintf(&out, verb+"\n", []Key{key})
		fmt.Fprintf(&out, verb+"\n", &key)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "key", key)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "key", key)
	for _, form := range []string{"crmsync-example", "Y3Jtc3lu", fmt.Sprintf("%x", "crmsync"), "99 114 109"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("output shows the key as %q:\n%s", form, out.String())
		}
	}
}

func TestNewVerifier_RefusesKeysThatAnyoneCouldGuess(t *testing.T) {
	for name, keys := range map[string][]Key{
		"no keys":      nil,
		"zero key":     {{}},
		"empty secret": {{secret: []byte{}}},
		"short secret": {{secret: make([]byte, 23)}},
		"second empty": {{secret: make([]byte, 24)}, {}},
	} {
		if _, err := NewVerifier(keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVerifier_FindsTheKey(t *testing.T) {
	v := mustVerifier(t, otherSecret, exampleSecret, examplePublic)
	set := headerSet{id: exampleID, timestamp: "1789000000"}
	for _, c := range []struct {
		name, signature string
		key             int
	}{
		{"first secret", signV1(otherSecret, set.id, set.timestamp, exampleBody), 0},
		{"second secret", exampleV1, 1},
		{"public key", exampleV1a, 2},
		{"public key before secret", exampleV1a + " " + exampleV1, 1},
	} {
		set.signature = c.signature
		if key, ok := v.verify(set, []byte(exampleBody)); !ok || key != c.key {
			t.Errorf("%s: got key %d, %v, want %d", c.name, key, ok, c.key)
		}
	}
}

// A header full of signatures must not buy a thousand public-key operations.
func TestVerifier_BoundsEd25519Work(t *testing.T) {
	v := mustVerifier(t, examplePublic)
	junk := "v1a," + base64.StdEncoding.EncodeToString(make([]byte, ed25519.SignatureSize)) + " "
	for junkEntries, want := range map[int]bool{maxEd25519Signatures - 1: true, maxEd25519Signatures: false} {
		set := headerSet{exampleID, "1789000000", strings.Repeat(junk, junkEntries) + exampleV1a}
		if _, ok := v.verify(set, []byte(exampleBody)); ok != want {
			t.Errorf("after %d others: got %v, want %v", junkEntries, ok, want)
		}
	}
}

// stuckCheck does not end before it is told to.
type stuckCheck struct {
	running *atomic.Int64
	end     chan struct{}
}

func (c stuckCheck) matches(signedDelivery) bool {
	c.running.Add(1)
	<-c.end
	return true
}

func TestVerifier_BoundsCopiesOfBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := stuckCheck{new(atomic.Int64), make(chan struct{})}
		v := &Verifier{checks: []signatureCheck{check}, slots: make(chan struct{}, 2)}
		var verified atomic.Int64
		for range 5 {
			go func() {
				if _, ok := v.verify(headerSet{}, nil); ok {
					verified.Add(1)
				}
			}()
		}
		synctest.Wait()
		if got := check.running.Load(); got != 2 {
			t.Errorf("at once: got %d, want 2", got)
		}
		close(check.end)
		synctest.Wait()
		if got := verified.Load(); got != 5 {
			t.Errorf("verified: got %d, want 5", got)
		}
	})
}

func TestMetrics_ShowWhichKeyIsInUse(t *testing.T) {
	reg := prometheus.NewRegistry()
	rc := newTestReceiver(t, &fakeInbox{}, func(o *ReceiverOptions) {
		o.Verifier = mustVerifier(t, otherSecret, exampleSecret)
		o.Metrics = NewMetrics(reg)
	})
	serve(rc, example()) // during a rotation: still signed with the old key
	want := `
# HELP crmsync_webhook_key_matches_total Verified webhooks by position of the signing key in CRMSYNC_WEBHOOK_SECRETS, from 1. A rotated key that no longer grows can be removed.
# TYPE crmsync_webhook_key_matches_total counter
crmsync_webhook_key_matches_total{key="1"} 0
crmsync_webhook_key_matches_total{key="2"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "crmsync_webhook_key_matches_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "crmsync_webhooks_total"); err != nil || n != len(verdicts()) {
		t.Errorf("crmsync_webhooks_total: got %d series (%v), want %d", n, err, len(verdicts()))
	}
}
