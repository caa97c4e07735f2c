package connector

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// verdict is the answer to a webhook: what the sender is told, and under which
// name it is counted. The set is closed: the names are metric labels.
type verdict struct {
	status int
	result string
}

// The verdicts. A 4xx is the sender's fault and counted as rejected in the
// ledger; after a 503 the sender comes again.
var (
	accepted  = &verdict{http.StatusNoContent, "accepted"}
	duplicate = &verdict{http.StatusNoContent, "duplicate"}
	requeued  = &verdict{http.StatusNoContent, "requeued"}

	badMethod    = &verdict{http.StatusMethodNotAllowed, "bad_method"}
	tooLarge     = &verdict{http.StatusRequestEntityTooLarge, "too_large"}
	badEncoding  = &verdict{http.StatusUnsupportedMediaType, "bad_encoding"}
	badHeaders   = &verdict{http.StatusBadRequest, "bad_headers"}
	clockSkew    = &verdict{http.StatusBadRequest, "clock_skew"}
	badBody      = &verdict{http.StatusBadRequest, "bad_body"}
	badSignature = &verdict{http.StatusUnauthorized, "bad_signature"}

	busy        = &verdict{http.StatusServiceUnavailable, "busy"}
	draining    = &verdict{http.StatusServiceUnavailable, "draining"}
	standby     = &verdict{http.StatusServiceUnavailable, "standby"}
	storeFailed = &verdict{http.StatusServiceUnavailable, "store_failed"}
)

// verdicts lists all of them, for metrics that start at zero.
func verdicts() []*verdict {
	return []*verdict{
		accepted, duplicate, requeued,
		badMethod, tooLarge, badEncoding, badHeaders, clockSkew, badBody, badSignature,
		busy, draining, standby, storeFailed,
	}
}

// rejected reports whether the sender has to change something.
func (v *verdict) rejected() bool { return v.status >= 400 && v.status < 500 }

// answer tells the sender the status alone.
func (v *verdict) answer(w http.ResponseWriter) {
	switch v.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", webhookMethods)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(v.status)
}

// tolerance is how far the time of a delivery may be from ours. Each attempt
// is signed anew, so a late retry never exceeds it; a replayed request does.
// https://docs.svix.com/receiving/verifying-payloads/how-manual
const tolerance = 5 * time.Minute

// webhookMethods are allowed: a transformation at the sender may choose PUT.
const webhookMethods = "POST, PUT"

// The forms of a message id and of a time. Without a dot in either, the signed
// bytes "id.timestamp.body" can be read in one way only.
var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	timePattern = regexp.MustCompile(`^[0-9]{1,12}$`)
)

// headerSet is one complete set of signature headers.
type headerSet struct {
	id        string
	timestamp string
	signature string
}

// sentAt returns the time of the delivery attempt.
func (s headerSet) sentAt() time.Time {
	seconds, _ := strconv.ParseInt(s.timestamp, 10, 64) // at most 12 digits
	return time.Unix(seconds, 0)
}

// judgeRequest refuses what can be refused before the headers of the signature
// are looked at; nil lets it pass.
func judgeRequest(r *http.Request, maxBytes int64) *verdict {
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		return badMethod
	case r.ContentLength > maxBytes:
		return tooLarge
	case encoded(r.Header):
		return badEncoding
	}
	return nil
}

// encoded reports whether the body is not sent as it was signed.
func encoded(h http.Header) bool {
	for _, line := range h.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			coding = strings.TrimSpace(coding)
			if coding != "" && !strings.EqualFold(coding, "identity") {
				return true
			}
		}
	}
	return false
}

// readHeaderSet returns the one signature header set of a request, or false
// when there is none, more than one, a repeated line or a malformed value. A
// library that falls back from one family to the other would verify one id
// while its caller remembers another, so nothing is chosen here.
func readHeaderSet(h http.Header) (headerSet, bool) {
	set, found := readFamily(h, "Svix-")
	whiteLabel, foundWhiteLabel := readFamily(h, "Webhook-")
	if found && foundWhiteLabel {
		return headerSet{}, false
	}
	if foundWhiteLabel {
		set = whiteLabel
	}
	ok := set.signature != "" && idPattern.MatchString(set.id) && timePattern.MatchString(set.timestamp)
	return set, ok
}

// readFamily returns the header set of a family, empty unless every member has
// exactly one line, and whether there is any member at all.
func readFamily(h http.Header, prefix string) (set headerSet, found bool) {
	ids, times, signatures := h[prefix+"Id"], h[prefix+"Timestamp"], h[prefix+"Signature"]
	if len(ids) == 1 && len(times) == 1 && len(signatures) == 1 {
		set = headerSet{id: ids[0], timestamp: times[0], signature: signatures[0]}
	}
	return set, len(ids)+len(times)+len(signatures) > 0
}
