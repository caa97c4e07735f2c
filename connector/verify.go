package connector

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"

	svix "github.com/svix/svix-webhooks/go"
)

// The prefixes of a signing key as the sender shows it.
// https://docs.svix.com/receiving/verifying-payloads/how-manual
const (
	secretPrefix    = "whsec_" // shared secret: HMAC-SHA256, signatures "v1"
	publicKeyPrefix = "whpk_"  // public key: Ed25519, signatures "v1a"
	privatePrefix   = "whsk_"
)

// minSecretBytes is the least that the specification allows. The library takes
// anything but nothing, and a short secret can be guessed.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const minSecretBytes = 24

// maxEd25519Signatures bounds the work that a forged header can cause: a
// sender signs with its present key and at most ten rotated ones.
const maxEd25519Signatures = 11

// Key checks the signatures of one signing key. It never prints itself.
type Key struct {
	secret []byte            // of whsec_, or
	public ed25519.PublicKey // of whpk_
}

// Format implements fmt.Formatter, for every verb, so that no key reaches a log.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// ParseKey reads a signing key: "whsec_" and at least 24 bytes, or "whpk_" and
// an Ed25519 public key of 32 bytes, in standard base64. Space around it is
// ignored. The error says what is wrong without quoting the key.
func ParseKey(s string) (Key, error) {
	s = strings.TrimSpace(s)
	if text, ok := strings.CutPrefix(s, secretPrefix); ok {
		secret, err := decodeKey(text)
		if err != nil {
			return Key{}, err
		}
		if len(secret) < minSecretBytes {
			return Key{}, fmt.Errorf("has %d bytes, at least %d are required", len(secret), minSecretBytes)
		}
		return Key{secret: secret}, nil
	}
	if text, ok := strings.CutPrefix(s, publicKeyPrefix); ok {
		public, err := decodeKey(text)
		if err != nil {
			return Key{}, err
		}
		if len(public) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("has %d bytes, an Ed25519 public key has %d", len(public), ed25519.PublicKeySize)
		}
		return Key{public: public}, nil
	}
	if strings.HasPrefix(s, privatePrefix) {
		return Key{}, errors.New("is the sender's private key (whsk_), give the public one (whpk_)")
	}
	return Key{}, errors.New("begins with neither whsec_ nor whpk_")
}

// decodeKey is strict where the standard decoder is not: it skips line breaks,
// which would join two keys on two lines into one.
func decodeKey(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("contains a line break, separate keys by commas")
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil { // the decoder's error quotes nothing but says nothing more either
		return nil, errors.New("is not standard base64 with padding")
	}
	return key, nil
}

// Verifier checks the signature of a delivery against every configured key.
type Verifier struct {
	checks  []signatureCheck
	ed25519 bool // some key needs the signed bytes and the v1a signatures
	// slots holds a value per verification at work. Each copies the body, the
	// library twice over, for anybody who asks: more of them at once than there
	// are processors would be no faster and use more memory.
	slots chan struct{}
}

// signatureCheck is one key at work.
type signatureCheck interface {
	matches(signed signedDelivery) bool
}

// NewVerifier returns a Verifier for keys; a delivery verifies with any of them.
func NewVerifier(keys []Key) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("no signing key")
	}
	v := &Verifier{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for i, key := range keys {
		if key.public != nil {
			v.checks, v.ed25519 = append(v.checks, ed25519Check(key.public)), true
			continue
		}
		if len(key.secret) < minSecretBytes {
			return nil, fmt.Errorf("signing key %d has %d bytes, at least %d are required",
				i+1, len(key.secret), minSecretBytes)
		}
		webhook, err := svix.NewWebhookRaw(key.secret)
		if err != nil {
			return nil, fmt.Errorf("signing key %d: %w", i+1, err)
		}
		v.checks = append(v.checks, hmacCheck{webhook})
	}
	return v, nil
}

// signedDelivery is a delivery as the checks want it.
type signedDelivery struct {
	headers http.Header // the chosen header set alone, as svix-*
	body    []byte
	content []byte   // id.timestamp.body; nil when nobody needs it
	ed25519 [][]byte // decoded v1a signatures
}

// verify returns the position of the first key that signed the delivery. The
// caller has judged the form of the headers and the time already.
func (v *Verifier) verify(set headerSet, body []byte) (key int, ok bool) {
	v.slots <- struct{}{}
	defer func() { <-v.slots }()
	signed := signedDelivery{body: body, headers: http.Header{
		"Svix-Id":        {set.id},
		"Svix-Timestamp": {set.timestamp},
		"Svix-Signature": {set.signature},
	}}
	if v.ed25519 {
		signed.ed25519 = ed25519Signatures(set.signature)
	}
	if len(signed.ed25519) > 0 {
		signed.content = slices.Concat([]byte(set.id+"."+set.timestamp+"."), body)
	}
	for i, check := range v.checks {
		if check.matches(signed) {
			return i, true
		}
	}
	return 0, false
}

// hmacCheck verifies v1 signatures with the sender's own library.
type hmacCheck struct{ webhook *svix.Webhook }

// matches leaves the time out: it is judged once, at the door, by the clock of
// the receiver. Without it the library lets bytes move between id, timestamp
// and body; the patterns of the header set, which allow no dot, forbid that.
func (c hmacCheck) matches(signed signedDelivery) bool {
	return c.webhook.VerifyIgnoringTimestamp(signed.body, signed.headers) == nil
}

// ed25519Check verifies v1a signatures, which the library does not know.
type ed25519Check ed25519.PublicKey

func (c ed25519Check) matches(signed signedDelivery) bool {
	return slices.ContainsFunc(signed.ed25519, func(signature []byte) bool {
		return ed25519.Verify(ed25519.PublicKey(c), signed.content, signature)
	})
}

// ed25519Signatures returns the v1a entries of a signature header. Entries of
// other versions and of the wrong form are passed over, as senders may add some.
func ed25519Signatures(header string) [][]byte {
	var signatures [][]byte
	for entry := range strings.SplitSeq(header, " ") {
		text, ok := strings.CutPrefix(entry, "v1a,")
		if !ok {
			continue
		}
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(signature) != ed25519.SignatureSize {
			continue
		}
		if signatures = append(signatures, signature); len(signatures) == maxEd25519Signatures {
			break
		}
	}
	return signatures
}
