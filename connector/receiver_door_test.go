package connector

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// badRequest is a request that must be refused, made from the good example.
type badRequest struct {
	name   string
	change func(r *http.Request)
	want   *verdict
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func add(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func del(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(name) }
}

// resign gives the request another id and time, properly signed, so that
// nothing but their form is wrong.
func resign(id, timestamp string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Svix-Id", id)
		r.Header.Set("Svix-Timestamp", timestamp)
		r.Header.Set("Svix-Signature", signV1(exampleSecret, id, timestamp, exampleBody))
	}
}

func method(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }

func badRequests() []badRequest {
	now := strconv.Itoa(exampleTime)
	return []badRequest{
		{"GET", method("GET"), badMethod},
		{"HEAD", method("HEAD"), badMethod},
		{"DELETE", method("DELETE"), badMethod},
		{"PATCH", method("PATCH"), badMethod},
		{"OPTIONS", method("OPTIONS"), badMethod},

		{"declared too long", func(r *http.Request) { r.ContentLength = defaultMaxBytes + 1 }, tooLarge},

		{"gzip", set("Content-Encoding", "gzip"), badEncoding},
		{"identity, then gzip", set("Content-Encoding", "identity, gzip"), badEncoding},
		{"encoding on a second line", func(r *http.Request) {
			r.Header["Content-Encoding"] = []string{"identity", "br"}
		}, badEncoding},

		{"no id", del("Svix-Id"), badHeaders},
		{"no timestamp", del("Svix-Timestamp"), badHeaders},
		{"no signature", del("Svix-Signature"), badHeaders},
		{"empty signature", set("Svix-Signature", ""), badHeaders},
		{"two ids", add("Svix-Id", exampleID), badHeaders},
		{"two timestamps", add("Svix-Timestamp", now), badHeaders},
		{"two signature lines", add("Svix-Signature", exampleV1), badHeaders},
		{"a stray id of the other family", add("Webhook-Id", exampleID), badHeaders},
		{"a stray empty header of the other family", add("Webhook-Signature", ""), badHeaders},

		{"id with a dot", resign("msg_1.2", now), badHeaders},
		{"id with a space", resign("msg 1", now), badHeaders},
		{"id with a letter beyond ASCII", resign("msg_é", now), badHeaders},
		{"id with a line break", resign("msg_1\n", now), badHeaders},
		{"empty id", resign("", now), badHeaders},
		{"id of 129 characters", resign(strings.Repeat("x", 129), now), badHeaders},

		{"timestamp with a plus", resign(exampleID, "+"+now), badHeaders},
		{"timestamp with a minus", resign(exampleID, "-"+now), badHeaders},
		{"timestamp with a space", resign(exampleID, " "+now), badHeaders},
		{"timestamp in milliseconds", resign(exampleID, now+"000"), badHeaders},
		{"timestamp with a fraction", resign(exampleID, now+".0"), badHeaders},
		{"timestamp in hexadecimal", resign(exampleID, "0x6aa"), badHeaders},
		{"timestamp in RFC 3339", resign(exampleID, "2026-09-10T00:00:00Z"), badHeaders},
		{"empty timestamp", resign(exampleID, ""), badHeaders},

		{"too old", resign(exampleID, strconv.Itoa(exampleTime-301)), clockSkew},
		{"too new", resign(exampleID, strconv.Itoa(exampleTime+301)), clockSkew},
		{"from the beginning of time", resign(exampleID, "0"), clockSkew},
		{"from the end of time", resign(exampleID, "999999999999"), clockSkew},

		{"signature of another id", set("Svix-Id", "msg_other"), badSignature},
		{"signature of another time", set("Svix-Timestamp", strconv.Itoa(exampleTime+1)), badSignature},
		{"signature of another key", set("Svix-Signature",
			signV1("whsec_"+strings.Repeat("A", 32), exampleID, now, exampleBody)), badSignature},
		{"signature of an empty key", set("Svix-Signature", signV1("whsec_", exampleID, now, exampleBody)), badSignature},
		{"signature of an unknown version", set("Svix-Signature", "v2"+strings.TrimPrefix(exampleV1, "v1")), badSignature},
		{"signature without version", set("Svix-Signature", strings.TrimPrefix(exampleV1, "v1,")), badSignature},
		{"signature cut short", set("Svix-Signature", exampleV1[:len(exampleV1)-4]), badSignature},
		{"version alone", set("Svix-Signature", "v1,"), badSignature},
		{"signatures separated by a tab", set("Svix-Signature", "v1,AAAA\t"+exampleV1), badSignature},
		{"ed25519 signature called v1", set("Svix-Signature", strings.Replace(exampleV1a, "v1a", "v1", 1)), badSignature},
		{"HMAC signature called v1a", set("Svix-Signature", strings.Replace(exampleV1, "v1", "v1a", 1)), badSignature},

		{"body cut short", func(r *http.Request) { r.ContentLength++ }, badBody},
	}
}

func TestReceiver_RefusesBadRequests(t *testing.T) {
	for _, c := range badRequests() {
		t.Run(c.name, func(t *testing.T) {
			inbox := &fakeInbox{}
			rc := newTestReceiver(t, inbox)
			r := example()
			c.change(r)
			res := serve(rc, r)
			wantStatus(t, res, c.want.status)
			if body, _ := io.ReadAll(res.Body); len(body) > 0 {
				t.Errorf("body: got %q, want none", body)
			}
			if allow := res.Header.Get("Allow"); (allow == "POST, PUT") != (c.want == badMethod) {
				t.Errorf("Allow: got %q", allow)
			}
			if inbox.accepts != 0 {
				t.Error("the store was asked")
			}
			wantResults(t, rc, map[string]float64{c.want.result: 1})
			if err := rc.Flush(t.Context()); err != nil || inbox.rejected[c.want.result] != 1 {
				t.Errorf("rejected: got %v (%v), want one %s", inbox.rejected, err, c.want.result)
			}
		})
	}
}

func TestReceiver_RefusesChangedBodies(t *testing.T) {
	for _, body := range []string{"", `{"type":"user.created", "note":"Zoë 🙂"}`, exampleBody + " ", `{"type":"user.deleted","note":"Zoë 🙂"}`} {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		r := httptest.NewRequest("POST", "/webhooks", strings.NewReader(body))
		r.Header = example().Header
		wantStatus(t, serve(rc, r), http.StatusUnauthorized)
		if inbox.accepts != 0 {
			t.Error("the store was asked")
		}
	}
}

// A valid set of one family with anything of the other must not pass: which id
// would be remembered?
func TestReceiver_RefusesMixedFamilies(t *testing.T) {
	for _, member := range []string{"Id", "Timestamp", "Signature"} {
		for families, pair := range map[string][2]string{
			"svix set, webhook member": {svixFamily, whiteLabelFamily},
			"webhook set, svix member": {whiteLabelFamily, svixFamily},
		} {
			inbox := &fakeInbox{}
			rc := newTestReceiver(t, inbox)
			r := signedRequest(pair[0], exampleID, exampleBody)
			r.Header.Set(pair[1]+member, r.Header.Get(pair[0]+member))
			wantStatus(t, serve(rc, r), http.StatusBadRequest)

			r = signedRequest(pair[0], exampleID, exampleBody)
			r.Header.Set(pair[1]+member, r.Header.Get(pair[0]+member))
			r.Header.Del(pair[0] + member)
			wantStatus(t, serve(rc, r), http.StatusBadRequest)
			if inbox.accepts != 0 {
				t.Errorf("%s %s: the store was asked", families, member)
			}
		}
	}
}

func TestReceiver_AcceptsWhatIsUnusualButRight(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"identity encoding":             set("Content-Encoding", "Identity"),
		"empty encoding":                set("Content-Encoding", ""),
		"id of 128 characters":          resign(strings.Repeat("x", 128), strconv.Itoa(exampleTime)),
		"five minutes old":              resign(exampleID, strconv.Itoa(exampleTime-300)),
		"five minutes early":            resign(exampleID, strconv.Itoa(exampleTime+300)),
		"eleven signatures, ours last":  set("Svix-Signature", strings.Repeat("v1,AAAA ", 10)+exampleV1),
		"unknown version first":         set("Svix-Signature", "v9,AAAA junk "+exampleV1),
		"no content type":               del("Content-Type"),
		"body of unknown length":        func(r *http.Request) { r.ContentLength = -1 },
		"ed25519 signature":             set("Svix-Signature", exampleV1a),
		"both schemes, HMAC unknown":    set("Svix-Signature", "v1,AAAA "+exampleV1a),
		"both schemes, ed25519 unknown": set("Svix-Signature", "v1a,AAAA "+exampleV1),
	} {
		rc := newTestReceiver(t, &fakeInbox{})
		r := example()
		change(r)
		if res := serve(rc, r); res.StatusCode != http.StatusNoContent {
			t.Errorf("%s: got %d, want 204", name, res.StatusCode)
		}
	}
}

// unreadable is a body that must not be read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("read")
}

// A request with several faults is refused for the one that costs least to
// find, and its body stays unread.
func TestReceiver_JudgesCheapestFirst(t *testing.T) {
	faults := []badRequest{
		{"method", method("GET"), badMethod},
		{"length", func(r *http.Request) { r.ContentLength = defaultMaxBytes + 1 }, tooLarge},
		{"encoding", set("Content-Encoding", "gzip"), badEncoding},
		{"headers", set("Svix-Id", "msg.1"), badHeaders},
		{"time", set("Svix-Timestamp", "1"), clockSkew},
	}
	for first := range faults {
		rc := newTestReceiver(t, &fakeInbox{})
		r := example()
		r.Body = io.NopCloser(unreadable{t})
		for _, fault := range faults[first:] {
			fault.change(r)
		}
		serve(rc, r)
		wantResults(t, rc, map[string]float64{faults[first].want.result: 1})
	}
}

func TestReceiver_RemembersTheClockSkew(t *testing.T) {
	for _, ahead := range []int{-3600, 3600} {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		r := example()
		resign(exampleID, strconv.Itoa(exampleTime-ahead))(r)
		serve(rc, r)
		if err := rc.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := time.Duration(ahead) * time.Second; inbox.skew != want {
			t.Errorf("skew: got %v, want %v", inbox.skew, want)
		}
	}
}

// FuzzHeaders adds any header to a delivery that is signed for any id and time:
// whatever is stored carries the signed id, and the answer is one of the closed set.
func FuzzHeaders(f *testing.F) {
	now := strconv.Itoa(exampleTime)
	f.Add(exampleID, now, exampleBody, "Webhook-Id", "msg_other", true)
	f.Add(exampleID, "+"+now, exampleBody, "Content-Type", "application/json", true)
	f.Add("msg_1."+now, now, exampleBody, "Svix-Id", exampleID, true)
	f.Add(exampleID, now, exampleBody, "Svix-Signature", exampleV1a, false)
	f.Add(exampleID, now, "{}", "Content-Encoding", "identity", true)
	f.Fuzz(func(t *testing.T, id, timestamp, body, name, value string, replace bool) {
		inbox := &fakeInbox{}
		rc := newTestReceiver(t, inbox)
		r := httptest.NewRequest("POST", "/webhooks", strings.NewReader(body))
		resign(id, timestamp)(r)
		signature := signV1(exampleSecret, id, timestamp, body)
		r.Header.Set("Svix-Signature", signature)
		if replace {
			r.Header.Set(name, value)
		} else {
			r.Header.Add(name, value)
		}
		res := serve(rc, r)
		switch res.StatusCode {
		case http.StatusNoContent:
			genuine := r.Header.Get("Svix-Signature") == exampleV1a && id == exampleID
			if m := inbox.messages[0]; m.MessageID != id && !genuine || string(m.Body) != body {
				t.Errorf("stored %q %q, signed was %q %q", m.MessageID, m.Body, id, body)
			}
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusUnsupportedMediaType:
			if inbox.accepts != 0 {
				t.Errorf("status %d, but the store was asked", res.StatusCode)
			}
		default:
			t.Errorf("status: got %d", res.StatusCode)
		}
	})
}
