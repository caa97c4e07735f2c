package state

import (
	"cmp"
	"strings"
	"time"
)

// Status says where an event stands. Every event has exactly one (I2).
type Status string

// The statuses. All but Pending end an event.
const (
	Pending   Status = "pending"
	Applied   Status = "applied"
	Unchanged Status = "unchanged"
	Skipped   Status = "skipped"
	Stale     Status = "stale"
	Dead      Status = "dead"
)

// Statuses lists every status in the order in which people read them.
func Statuses() []Status { return []Status{Pending, Applied, Unchanged, Skipped, Stale, Dead} }

// Reasons of skipped and dead events.
const (
	ReasonFiltered        = "filtered"
	ReasonUnsupportedType = "unsupported_type"
	ReasonTestEvent       = "test_event"
	ReasonIgnoredDelete   = "ignored_delete"
	ReasonObjectOff       = "object_off"
	ReasonDiscarded       = "discarded"
	ReasonForgotten       = "forgotten"

	ReasonBadPayload     = "bad_payload"
	ReasonBadKey         = "bad_key"
	ReasonBadTimestamp   = "bad_timestamp"
	ReasonRefused        = "refused"
	ReasonAmbiguousMatch = "ambiguous_match"
	ReasonGaveUp         = "gave_up"
)

// Lane is one record key: the unit of order.
type Lane struct {
	Object string `json:"object"` // activity, contact or company
	Key    string `json:"key"`    // id of the call, user or organisation
}

// String returns "object:key".
func (l Lane) String() string { return l.Object + ":" + l.Key }

// Message is a delivery as the receiver hands it over: the bytes as signed,
// and the little that is read from them at the door.
type Message struct {
	ID         string    // event id: the envelope id, or "" to use the message id
	MessageID  string    // id of the verified header set
	Type       string    // as in the envelope, "" when unreadable
	Key        string    // natural key, "" when unreadable
	OccurredAt time.Time // envelope timestamp, zero when unreadable
	Lanes      []Lane    // the records that the event may write; empty when unreadable
	Body       []byte
	ReceivedAt time.Time
	SignedBy   Signer
}

// Signer is the webhook secret that verified a delivery, by its place: the
// number is enough to tell during a rotation which one the sender uses.
type Signer struct {
	Secret int `json:"secret"` // from 1; 0 when it is not known
	Of     int `json:"of"`     // how many there were
}

// Outcome of an Accept.
type Outcome uint8

// What Accept did with a message.
const (
	Added     Outcome = iota + 1 // a new event
	Duplicate                    // known; nothing changed but the count of duplicates
	Requeued                     // known, and pending again with the body just delivered
)

// Receipt answers an Accept.
type Receipt struct {
	Outcome Outcome
	ID      string // event id under which the message is known
}

// Record is what became of one record of an event.
type Record struct {
	Object       string   `json:"object"`
	Key          string   `json:"key"`
	RemoteID     string   `json:"remote_id"`
	Action       string   `json:"action"`               // a crm.Action; "" while unsettled
	Status       Status   `json:"status"`               // Pending while unsettled
	Reason       string   `json:"reason,omitempty"`     // of a dead record
	Error        string   `json:"error"`                // scrubbed: no personal value, no secret
	Field        string   `json:"field,omitempty"`      // CRM field at fault
	RequestID    string   `json:"request_id,omitempty"` // for the CRM's support
	Note         string   `json:"note,omitempty"`       // such as email_withheld
	Kept         []string `json:"kept,omitempty"`       // CRM fields left as a person wrote them
	SupersededBy string   `json:"superseded_by"`        // event id that beat this one
}

// Lane returns the record's lane.
func (r Record) Lane() Lane { return Lane{r.Object, r.Key} }

// Event is a ledger line. Body is set by Claim and Store.Event only.
type Event struct {
	Seq        uint64 // order of receipt, unique for the life of the state
	ID         string
	MessageID  string
	Type       string
	Key        string
	OccurredAt time.Time
	ReceivedAt time.Time
	SignedBy   Signer    // of the delivery that Body is from
	SettledAt  time.Time // zero while pending
	Status     Status
	Reason     string
	Error      string
	Attempts   int
	Lanes      []Lane
	Records    []Record // of a pending event: those already settled
	Force      bool     // write even what looks unchanged
	NotBefore  time.Time
	FailingFor time.Duration // how long its own failures have lasted, see Settlement
	Body       []byte        // nil when the payload is gone
	Size       int           // of the payload as received; 0 when it is gone
}

// Version orders the events of one record: the maximum wins.
type Version struct {
	Source  uint8     // user.* and org.* events (1) stand above call snapshots (0)
	At      time.Time // envelope timestamp, nanoseconds
	Rank    uint8     // deleted > updated > created > call
	EventID string
}

// IsZero reports whether no event has won yet.
func (v Version) IsZero() bool { return v.EventID == "" && v.At.IsZero() }

// Compare orders versions by source, time, rank and event id.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Source, w.Source),
		v.At.Compare(w.At),
		cmp.Compare(v.Rank, w.Rank),
		cmp.Compare(v.EventID, w.EventID),
	)
}

// Target is a record that another one links to.
type Target struct {
	Lane
	Made bool // the link exists in the CRM; otherwise it is still to be made
	Drop bool // the link is not wanted, and may exist: it is to be removed
}

// Link remembers which CRM record a lane became, and which event won it.
type Link struct {
	Lane
	RemoteID  string    // "" when no CRM record is known
	Version   Version   // of the winner, also of a tombstone
	Hash      []byte    // of fields and links as last written; nil forces a write
	Deleted   bool      // the user or organisation was deleted (tombstone)
	Gone      bool      // no CRM record stands for it any more: we archived it
	Adopted   bool      // a person had created the record
	Withheld  string    // CRM field that a living record of ours holds; "" usually
	Targets   []Target  // links as wanted by the winner, and those to be removed
	Mapping   []byte    // fingerprint of the mapping that wrote the record; nil when it is not known
	Wrote     []Wrote   // what we wrote into fields that a person's edit wins, by field
	UpdatedAt time.Time // last settlement
}

// Wrote remembers a value by its hash, to tell whether a person has changed it
// since.
type Wrote struct {
	Field string
	Hash  []byte // of the value last written; nil when none is known
	Next  []byte // of one that may have been written: it was sent
}

// WaitKind says what a Waiting is waiting for.
type WaitKind uint8

// The kinds of waiting.
const (
	WaitLink  WaitKind = iota + 1 // the target becomes known: make or remove the link as Record's Targets say
	WaitValue                     // the target gives up a unique value: write Record again
)

// Waiting is something to be done for Record when Target changes.
type Waiting struct {
	Kind   WaitKind
	Target Lane
	Record Lane
}

// ReadyLink is a Waiting of kind WaitLink whose target is known now.
type ReadyLink struct {
	Waiting
	RecordLink Link
	TargetLink Link
}

// ClaimOptions size and narrow a claim.
type ClaimOptions struct {
	Max      int      // events
	MaxBytes int      // of bodies, as received; at least one event is claimed; 0 for no bound
	Paused   []string // objects that may not be written now
}

// Claim is a set of leased events, oldest first, with bodies.
type Claim struct {
	Events []Event
	// Next is when something that is pending but not due yet may be claimed;
	// zero when there is nothing of the kind.
	Next time.Time
	// InDoubt says of the claimed lanes whose last create was never answered when
	// it was sent.
	InDoubt map[Lane]time.Time
}

// Settlement is the decision of one round about one claimed event.
type Settlement struct {
	Seq     uint64
	Status  Status // Pending leaves it queued
	Reason  string
	Error   string
	Records []Record // replace those known of the same lanes

	// For events that stay pending:
	Attempted  bool          // count an attempt
	NotBefore  time.Time     // not due earlier; zero: at once
	FailingFor time.Duration // new value of Event.FailingFor
}

// Batch is everything that one round changes: one transaction.
type Batch struct {
	Settlements []Settlement // also end the leases of their events
	Links       []Link       // put; one that says what became of the record clears its in-doubt mark
	NotCreated  []Lane       // clear the in-doubt mark: the CRM answered that it made no such record
	Waiting     []Waiting    // add; adding twice is once; the Record has a Link
	Drained     []Waiting    // remove
	// Requeue are records to be written again: the events that wrote them become
	// pending for these records alone. What became of their others stays, and the
	// action of these until they are settled again.
	Requeue []Lane
	Binding *Binding // set on the first successful write
}

// Binding ties a state to one CRM account. An Account is a path from the
// general to the particular, such as "crm.example/4711", and may end early
// where no more could be told.
type Binding struct {
	Kind      string `json:"kind"`
	Account   string `json:"account"`
	IDField   string `json:"id_field"`
	Namespace string `json:"namespace"` // of derived UUIDs; "" where unused
}

// Fits reports whether b and c can name the same account: all is equal as far
// as both tell.
func (b Binding) Fits(c Binding) bool {
	account, more := b.Account, c.Account
	if len(account) > len(more) {
		account, more = more, account
	}
	b.Account, c.Account = "", ""
	return b == c && (account == "" || account == more || strings.HasPrefix(more, account+"/"))
}

// Stats are running totals for the life of the state.
type Stats struct {
	Received      int64
	Duplicates    int64
	Rejected      map[string]int64 // by reason
	Counts        map[Status]int64
	Reasons       map[string]int64 // "skipped/filtered", "dead/refused", …
	Pruned        map[Status]int64 // of Counts, how many lines were pruned
	WaitingLinks  int64
	Mapped        map[MappedBy]int64 // records that the CRM holds, by the mapping that wrote them
	OldestPending time.Time          // receipt of the oldest pending event; zero when none
	LastEventAt   time.Time          // last accepted event, duplicates included
	LastTestAt    time.Time          // last test event
	ClockSkew     time.Duration      // as last seen on a request rejected for its time
	Binding       *Binding
}

// Balanced reports whether the counts add up (I9).
func (s Stats) Balanced() bool {
	var sum int64
	for _, n := range s.Counts {
		sum += n
	}
	return sum == s.Received
}

// MappedBy names the mapping that wrote records of an object.
type MappedBy struct {
	Object      string
	Fingerprint string // bytes, as in Link.Mapping; "" when it is not known
}

// Behind counts, by object, the records that the CRM holds as another mapping
// wrote them. Mappings are the fingerprints of those in force, by object; the
// records of other objects are not behind, and an object without any is absent.
func (s Stats) Behind(mappings map[string][]byte) map[string]int64 {
	behind := make(map[string]int64)
	for by, n := range s.Mapped {
		if now, on := mappings[by.Object]; on && string(now) != by.Fingerprint {
			behind[by.Object] += n
		}
	}
	return behind
}

// EventFilter selects ledger lines.
type EventFilter struct {
	Status Status    // "" for all
	Type   string    // "" for all
	Since  time.Time // by ReceivedAt
	Before uint64    // only Seq below; 0 for no bound
	Limit  int       // 0 for no limit
}

// ObjectFilter selects links.
type ObjectFilter struct {
	Object string // "" for all
	Key    string // "" for all
	After  Lane   // resume behind this lane; zero for the start
	Limit  int    // 0 for no limit
}

// RequeueOptions name the ended events to queue again: by IDs (event or message
// ids), by Resync, or by Status and Since together.
type RequeueOptions struct {
	IDs    []string
	Status Status
	Since  time.Time // by ReceivedAt
	Force  bool      // write even what looks unchanged

	// Resync names the events that a changed mapping may treat differently:
	// those that wrote the present version of a record, and those that ended
	// filtered or object_off. Object narrows them to the records and lanes of that
	// object, Since to those received since. A dead or discarded event is not
	// among them, whatever else it wrote: a person decides about it.
	Resync bool
	Object string
	// WrittenSince narrows Resync to the winners of records that were settled
	// since. Zero does not.
	WrittenSince time.Time
}

// RequeueResult says what was queued and why the rest was not.
type RequeueResult struct {
	Queued         int      `json:"queued"`
	AlreadyPending []string `json:"already_pending,omitempty"`
	PayloadGone    []string `json:"payload_gone,omitempty"`
	Unknown        []string `json:"unknown,omitempty"`
}

// DiscardResult says what was discarded and why the rest was not.
type DiscardResult struct {
	Discarded int      `json:"discarded"`
	NotDead   []string `json:"not_dead,omitempty"`
	Unknown   []string `json:"unknown,omitempty"`
}

// PruneOptions say what may go.
type PruneOptions struct {
	EventsBefore   time.Time // lines of events settled before; zero prunes none
	PayloadsBefore time.Time // payloads of events settled before; zero prunes none
	KeepWinners    bool      // keep the payload of the event that wrote a record's present version
}

// PruneResult counts what went.
type PruneResult struct {
	Events   int `json:"events"`
	Payloads int `json:"payloads"`
}

// Finding is one thing that Verify found wrong.
type Finding struct {
	Code    string `json:"code"` // such as dangling_index
	Message string `json:"message"`
}
