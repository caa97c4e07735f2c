package state

import (
	"context"
	"errors"
	"io"
	"time"
)

// Conditions that a caller branches on.
var (
	ErrNotFound  = errors.New("not found")                            // no such event
	ErrReadOnly  = errors.New("state is opened read-only")            // a write on a read-only store
	ErrClosed    = errors.New("state is closed")                      // use after Close
	ErrFull      = errors.New("no space left for the state")          // disk full or size limit reached
	ErrBinding   = errors.New("state belongs to another CRM account") // Bind or Settle with another Binding
	ErrNotLeased = errors.New("event is not claimed")                 // Settle of an event without a lease
)

// Store is the durable memory. Methods may be called concurrently.
type Store interface {
	// Accept returns once m is on stable storage (I1). Calls share commits.
	//
	// The event id is m.ID, or the message id when m.ID is empty, or when m.ID
	// is known with another type, key or time. A duplicate is a known message
	// id, or a known event id with the same type, key and time; where the two
	// point to different events the message id decides. A duplicate of an event
	// that is dead, or skipped as filtered, unsupported_type or object_off, is
	// queued again with m's body, type, key, time and lanes; its records,
	// attempts and error start anew.
	Accept(ctx context.Context, m Message) (Receipt, error)

	// Wake receives a value when something may have become claimable.
	Wake() <-chan struct{}

	// Claim leases events that are pending, due, without a leased lane outside
	// this claim, and that have a lane that is neither settled nor paused (or no
	// lane at all). An event that is not due keeps its unsettled lanes from
	// events that have them to settle too, so that a claim sees all that was tried
	// for a record. One whose lanes are all settled can be claimed too: it has to
	// be ended. Leases end with Settle, Release or the process; a Claim that fails
	// leaves none.
	Claim(ctx context.Context, o ClaimOptions) (Claim, error)

	// Release gives back claimed events as if they had not been claimed, also
	// when ctx has ended or nothing can be stored.
	Release(ctx context.Context, seqs ...uint64) error

	// Settle commits all of b or nothing (I3). When ctx ends first, b may still
	// be read and committed: the caller must not change it any more.
	Settle(ctx context.Context, b Batch) error

	// MarkInDoubt notes, before they are sent, lanes whose records are about to be
	// created in a CRM without upsert. The last mark counts.
	MarkInDoubt(ctx context.Context, at time.Time, lanes ...Lane) error

	// Links returns what is remembered of the lanes; unknown ones are absent.
	Links(ctx context.Context, lanes ...Lane) (map[Lane]Link, error)

	// Waiting returns what waits for the targets.
	Waiting(ctx context.Context, targets ...Lane) ([]Waiting, error)

	// ReadyLinks returns up to max waiting links whose target is known.
	ReadyLinks(ctx context.Context, max int) ([]ReadyLink, error)

	// Bind fails with ErrBinding when the state is bound to something that b does
	// not fit. It binds nothing: Settle does, and the more particular of two
	// accounts stays.
	Bind(ctx context.Context, b Binding) error

	// Rebind frees the state from its CRM account: it forgets the binding, and of
	// every link the remote id, the hash, what was adopted or withheld and which
	// links to other records exist; nothing waits and nothing is in doubt any
	// more. Keys, versions and tombstones stay, and so does the ledger. Pending
	// events start anew, due at once. It is one transaction, for a state that
	// nobody works on.
	Rebind(ctx context.Context) error

	// SetPaused notes that writing to the CRM was stopped by hand at since, or
	// goes on when since is zero, and wakes. It outlives a restart.
	SetPaused(ctx context.Context, since time.Time) error

	// Paused returns since when writing has been stopped by hand; zero when it
	// has not. It is cheap.
	Paused(ctx context.Context) (since time.Time, err error)

	// CountRejected adds to the rejected requests by reason; a skew other than
	// zero is remembered.
	CountRejected(ctx context.Context, n map[string]int64, skew time.Duration) error

	Stats(ctx context.Context) (Stats, error)

	// Events returns ledger lines, newest first, without bodies.
	Events(ctx context.Context, f EventFilter) ([]Event, error)

	// Event finds one event by event id or message id, with its body, or
	// returns ErrNotFound.
	Event(ctx context.Context, id string) (Event, error)

	// Objects returns links ordered by object and key.
	Objects(ctx context.Context, f ObjectFilter) ([]Link, error)

	// OutOfReach counts, by object, those records of Stats.Behind for which the
	// payload of the event that wrote their present version is gone: no resync can
	// bring them up to the mapping. Objects without any are absent. It looks
	// through the links of the objects that have records behind, and at none else.
	OutOfReach(ctx context.Context, mappings map[string][]byte) (map[string]int64, error)

	// Requeue moves ended events back to pending; received stays. Naming neither
	// ids, a status, a time nor Resync is an error. A record whose event is to be
	// resynced and has no payload any more is reported by that event's id; when
	// the event's line is gone too, only without Since.
	Requeue(ctx context.Context, o RequeueOptions) (RequeueResult, error)

	// Discard ends dead events, by event or message ids, as skipped with
	// ReasonDiscarded, settled now; reason becomes their error. Records and
	// payload stay, so that Requeue can take it back.
	Discard(ctx context.Context, ids []string, reason string) (DiscardResult, error)

	// Prune removes old lines and payloads in small transactions. Payloads of
	// dead and pending events, links and totals stay; a payload that stays keeps
	// its line, because nothing else leads to it.
	Prune(ctx context.Context, o PruneOptions) (PruneResult, error)

	// Ready reports whether Accept can be expected to work.
	Ready(ctx context.Context) error

	// Verify looks for broken pages and broken invariants.
	Verify(ctx context.Context) ([]Finding, error)

	// Backup writes a consistent copy while the store is in use.
	Backup(ctx context.Context, w io.Writer) error

	Close() error
}
