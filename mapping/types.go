package mapping

import (
	"time"

	"crmsync/crm"
)

// Lane names a record that an event writes.
type Lane struct {
	Object crm.Object
	Key    string
}

// Envelope is the little that is read from a body at the door.
type Envelope struct {
	ID        string    // "" unless it matches ^[\x21-\x7e]{1,128}$
	Type      string    // as sent
	Timestamp time.Time // UTC, zero when unreadable
	Key       string    // natural key, "" when unreadable
	Lanes     []Lane    // the records that the event may write
}

// Delivery is a stored message, ready to be decoded.
type Delivery struct {
	ID         string // event id
	MessageID  string
	Body       []byte
	ReceivedAt time.Time
}

// EndedError is the error of Decode for an event that writes nothing: it ends
// with Status ("skipped" or "dead") and Reason. Detail says what is wrong with
// it and how to mend it, without quoting personal values.
type EndedError struct {
	Status string
	Reason string
	Detail string
}

func (e *EndedError) Error() string { return e.Reason + ": " + e.Detail }

// Verb is what happened to the subject of an event.
type Verb string

// The verbs, in the order of their rank: a later one wins a tie of times.
const (
	Completed Verb = "completed" // of calls
	Created   Verb = "created"
	Updated   Verb = "updated"
	Deleted   Verb = "deleted"
)

// Kind is the subject of an event.
type Kind string

// The kinds. Each is also the name of its variable in expressions.
const (
	KindCall Kind = "call"
	KindUser Kind = "user"
	KindOrg  Kind = "org"
)

// Expression is an expression and where it was configured.
type Expression struct {
	Source   string // expr-lang/expr
	Variable string // such as CRMSYNC_MAP_CONTACT_email, for errors
	Policy   Policy // "" means Always
}

// Policy says who wins where a person may have written to the same field.
type Policy string

// The policies.
const (
	Always      Policy = "always"       // we do
	IfEmpty     Policy = "if_empty"     // whoever wrote first: only an empty field is written
	IfUnchanged Policy = "if_unchanged" // the person: written only while the CRM holds what we wrote last
	OnCreate    Policy = "on_create"    // the person: written only with a new record
)

// Policies lists every policy.
func Policies() []Policy { return []Policy{Always, IfEmpty, IfUnchanged, OnCreate} }

// Config is what a Mapper is compiled from.
type Config struct {
	// Fields maps each object's CRM fields to expressions. An object without an
	// entry is switched off.
	Fields map[crm.Object]map[string]Expression
	// Filters holds boolean expressions by kind; a missing one lets all pass.
	Filters      map[Kind]Expression
	DurationUnit time.Duration  // of call.stats.duration; 0 means time.Second
	TimeZone     *time.Location // of isoDate; nil means UTC
}

// ExpressionError says what is wrong with one expression.
type ExpressionError struct {
	Variable   string
	Object     crm.Object // "" for filters
	Field      string     // "" for filters
	Source     string
	Line       int // from 1; 0 when the position is unknown
	Column     int // from 1; 0 when the position is unknown
	Message    string
	Suggestion string // what was probably meant; "" when nothing comes near
	// Names are those that there are in place of one that is not known, without
	// a Suggestion.
	Names []string
}

// Owners is the CRM's owner table: lower-case e-mail to owner id. Under "" it
// holds the owner of whoever has none, if there is one. nil means that the CRM
// has no owners.
type Owners map[string]string

// Target is a record to link to.
type Target struct {
	Lane
	// OnlyKnown says that the target is never created by this event or waited
	// for: link when it is known, else leave the link out.
	OnlyKnown bool
}

// Record is what one event says about one record.
type Record struct {
	Lane
	Fields   crm.Fields
	Targets  []Target
	Snapshot bool // from the user inside a call: loses to every user.* event
	Verb     Verb // Completed for activities and snapshots
	Filtered bool // a filter said no: written only when it is the deletion of a known record
}

// Withheld is a field whose expression failed at run time.
type Withheld struct {
	Object   crm.Object `json:"object"`
	Field    string     `json:"field"`
	Variable string     `json:"variable"`
	Error    string     `json:"error"` // quotes no value of the event
}

// Verdict is what a filter said about an event.
type Verdict struct {
	Kind Kind
	Expression
	Passes bool
	Error  string // why it could not decide, so that the event passes; "" when it did
}

// Lookup is one answer of owner().
type Lookup struct {
	Lane           // of the record; zero in a filter
	Field   string // "" in a filter
	Email   string // that was looked for, in lower case
	ID      string // "" when there is nobody
	Default bool   // ID is the owner of whoever has none
}

// Mapped is the outcome of mapping one event.
type Mapped struct {
	Skip        string // state reason ("filtered", "object_off") when the event as a whole writes nothing
	Records     []Record
	Withheld    []Withheld
	OwnerMisses []string  // e-mails that owner() did not find in the table
	Verdicts    []Verdict // of the filters that were asked
	Lookups     []Lookup  // in the owner table, when there is one
	Warnings    []string  // what looks wrong but is written; quotes no value of the event
}
