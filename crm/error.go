package crm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind says what is to be done about an error. The zero value is the safe one.
type Kind uint8

// The kinds, and what the connector does about each.
const (
	Unavailable   Kind = iota // network, time-out, 5xx, anything unknown: retry with backoff
	RateLimited               // the account waits as a whole
	Unauthorized              // writing pauses, acceptance goes on; probe and resume
	Misconfigured             // the object pauses; probe and resume
	Invalid                   // this record's values are refused: dead letter
	Conflict                  // a unique value is held by another record
	NotFound                  // a remembered id is gone: forget it, upsert by key once
)

// String returns the kind as used in metrics and logs.
func (k Kind) String() string {
	names := [...]string{"unavailable", "rate_limited", "unauthorized", "misconfigured", "invalid", "conflict", "not_found"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unavailable"
}

// CodeSilentNoop marks an Unavailable in which the CRM reported success and left
// the record out.
const CodeSilentNoop = "silent_noop"

// CodeAmbiguous marks a Conflict in which two foreign records match.
const CodeAmbiguous = "ambiguous_match"

// CodeAdoptable marks a Conflict with a record that a person created and that
// is provably the same: Upsert adopts it, that is, gives it our key, when the
// record is sent again with Adopted set. The caller makes a durable note in
// between: behind an adoption nothing tells the record from one of ours.
const CodeAdoptable = "adoptable"

// CodeFurther marks a Conflict about a value that its holder has beside the one in
// the field, such as a second e-mail address: clearing the field frees nothing.
const CodeFurther = "further_value"

// CodeUnknownHolder marks a Conflict about a value that somebody holds whom the CRM
// does not name and who cannot be found. The record can do without it.
const CodeUnknownHolder = "unknown_holder"

// CodeForeign marks an answer that was not worded by the CRM: its address, or
// something on the way to it, is at fault.
const CodeForeign = "foreign_answer"

// Error is the only type of error that leaves an adapter.
type Error struct {
	Kind       Kind
	Op         string        // what we were doing, such as "upsert contacts"
	Status     int           // HTTP status; 0 when no answer came
	Code       string        // the CRM's code, such as PROPERTY_DOESNT_EXIST
	Field      string        // the CRM field at fault, when it is named
	Option     string        // Unauthorized: the adapter's option to look at, such as TOKEN
	Message    string        // the CRM's own words, at most 4 KiB, without secrets
	RequestID  string        // what the CRM's support asks for
	RetryAfter time.Duration // how long to wait, when the CRM says so
	Holder     *Ref          // Conflict: who holds the value; Key is "" for a record that is not ours
	Missing    *Ref          // NotFound of a link: the side that is gone
	Err        error         // the cause, when no answer came
}

// Error returns one line: what was done, the status unless it is that of a
// success, code, field and message.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(e.Kind.String())
	if e.Status >= http.StatusMultipleChoices {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	for _, part := range []string{e.Code, e.Field, e.Message} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an *Error. Any other error becomes Unavailable, so
// that a mistake in an adapter never costs a record.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Unavailable, Err: err}
}
