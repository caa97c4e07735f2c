package app

import (
	"encoding/json"
	"time"

	"crmsync/connector"
	"crmsync/crm"
	"crmsync/mapping"
	"crmsync/state"
)

// The views are the JSON of the API and of --json. A time that is not known is
// null, a list is never null.

// statusView answers GET /api/v1/status.
type statusView struct {
	Received             int64              `json:"received"`
	Pending              int64              `json:"pending"`
	Applied              int64              `json:"applied"`
	Unchanged            int64              `json:"unchanged"`
	Skipped              int64              `json:"skipped"`
	Stale                int64              `json:"stale"`
	Dead                 int64              `json:"dead"`
	Balanced             bool               `json:"balanced"`
	Duplicates           int64              `json:"duplicates"`
	Rejected             int64              `json:"rejected"`
	WaitingLinks         int64              `json:"waiting_links"`
	OldestPendingSeconds int64              `json:"oldest_pending_seconds"`
	LastEventAt          *time.Time         `json:"last_event_at"`
	CRM                  connector.CRMState `json:"crm"`

	Behind map[string]behindView `json:"behind"` // by object; null when no mapping can be read

	PausedByHandSince *time.Time        `json:"paused_by_hand_since"`
	DryRun            *connector.DryRun `json:"dry_run"` // null when events are written

	Running          bool             `json:"running"` // a connector answers, not a file
	Ready            bool             `json:"ready"`   // events can be accepted now
	ReadyReason      string           `json:"ready_reason"`
	LastTestEventAt  *time.Time       `json:"last_test_event_at"`
	Reasons          map[string]int64 `json:"reasons"`            // such as "dead/refused"
	RejectedReasons  map[string]int64 `json:"rejected_reasons"`   // such as "bad_signature"
	ClockSkewSeconds float64          `json:"clock_skew_seconds"` // last seen on a request refused for its time
}

// eventView is one line of the ledger.
type eventView struct {
	ID         string         `json:"id"`
	MessageID  string         `json:"message_id"`
	Type       string         `json:"type"`
	Status     state.Status   `json:"status"`
	Reason     string         `json:"reason"`
	Error      string         `json:"error"`
	Attempts   int            `json:"attempts"`
	ReceivedAt time.Time      `json:"received_at"`
	OccurredAt *time.Time     `json:"occurred_at"`
	SettledAt  *time.Time     `json:"settled_at"`
	Records    []state.Record `json:"records"`
}

// explainView is one event's whole story. It is the only view with values.
type explainView struct {
	eventView
	Records       []recordView    `json:"records"`
	Signature     string          `json:"signature"` // always "ok": nothing else is stored
	SignedBy      *state.Signer   `json:"signed_by"` // null when it was not noted
	NextAttemptAt *time.Time      `json:"next_attempt_at"`
	PayloadBytes  int             `json:"payload_bytes"`
	Payload       json.RawMessage `json:"payload"` // null when it is gone or no JSON
	Decoded       *decodedView    `json:"decoded"` // null when the payload is gone
	Filters       []filterView    `json:"filters"` // that were asked, as they are now
	Mapped        []mappedView    `json:"mapped"`  // with the mapping in force now
	// Withheld are the expressions that failed; one without a field is a
	// filter, which let the event pass.
	Withheld []mapping.Withheld `json:"withheld"`
	// Preview is how the event would end now; null unless it is pending in a dry run.
	Preview *connector.EventPreview `json:"preview"`
	Note    string                  `json:"note"` // why something above is missing, or has not happened yet
}

// recordView is what became of one record of an event.
type recordView struct {
	state.Record
	URL string `json:"url"` // of its page in the CRM; "" when that is not known
}

// filterView is what a filter says about an event.
type filterView struct {
	Kind       mapping.Kind `json:"kind"`
	Variable   string       `json:"variable"`
	Expression string       `json:"expression"`
	Verdict    string       `json:"verdict"` // true, false, failed (the event passes) or unknown (it depends on owners)
	Error      string       `json:"error"`
}

// decodedView is what was understood of a payload.
type decodedView struct {
	Type      string     `json:"type"`
	Key       string     `json:"key"`
	Timestamp *time.Time `json:"timestamp"`
	Ended     string     `json:"ended"` // why it writes nothing; "" when it does
	Warnings  []string   `json:"warnings"`
}

// mappedView is one record as the mapping in force makes it of an event.
type mappedView struct {
	Object crm.Object  `json:"object"`
	Key    string      `json:"key"`
	Links  []refView   `json:"links"`
	Fields []fieldView `json:"fields"`
}

// refView names a record.
type refView struct {
	Object crm.Object `json:"object"`
	Key    string     `json:"key"`
}

// fieldView is one mapped field: its expression, what that gave, and what is
// made of it. A null value leaves the CRM's own alone.
type fieldView struct {
	Field      string         `json:"field"`
	Variable   string         `json:"variable"`
	Expression string         `json:"expression"`
	Value      any            `json:"value"`
	Error      string         `json:"error"`
	Unknown    bool           `json:"unknown"`     // the value depends on owners, which are not known here
	Sent       *string        `json:"sent"`        // the value as the CRM gets it; null when there is none, or its notation is not known here
	FullLength int            `json:"full_length"` // in characters, of a value that is cut; else 0
	Policy     mapping.Policy `json:"policy"`
	Kept       bool           `json:"kept"`   // it was not written: what the CRM held stayed
	Owners     []ownerView    `json:"owners"` // that were looked up for it
}

// ownerView is one answer of owner().
type ownerView struct {
	Email   string `json:"email"`   // that was looked for
	ID      string `json:"id"`      // "" when nobody has it
	Default bool   `json:"default"` // nobody has it: ID is CRMSYNC_DEFAULT_OWNER
}

// objectView is one user, call or organisation and its CRM record.
type objectView struct {
	Object     string     `json:"object"`
	Key        string     `json:"key"`
	RemoteID   string     `json:"remote_id"`
	OccurredAt *time.Time `json:"occurred_at"`
	Deleted    bool       `json:"deleted"`
	EventID    string     `json:"event_id"` // the event that the record comes from
	Adopted    bool       `json:"adopted"`  // a person had created the record
	Gone       bool       `json:"gone"`     // no CRM record stands for it any more
}

// verifyView answers GET /api/v1/state/verify.
type verifyView struct {
	OK       bool            `json:"ok"`
	Findings []state.Finding `json:"findings"`
}

// replayRequest is the body of POST /api/v1/replay: IDs, or the others.
type replayRequest struct {
	IDs    []string `json:"ids,omitempty"`
	Status string   `json:"status,omitempty"`
	Since  string   `json:"since,omitempty"`
	Force  bool     `json:"force,omitempty"`
}

// problemView is the body of every answer that is not a success.
type problemView struct {
	Error string `json:"error"`
}

func newStatusView(s state.Stats, now time.Time) statusView {
	v := statusView{
		Received:         s.Received,
		Pending:          s.Counts[state.Pending],
		Applied:          s.Counts[state.Applied],
		Unchanged:        s.Counts[state.Unchanged],
		Skipped:          s.Counts[state.Skipped],
		Stale:            s.Counts[state.Stale],
		Dead:             s.Counts[state.Dead],
		Balanced:         s.Balanced(),
		Duplicates:       s.Duplicates,
		WaitingLinks:     s.WaitingLinks,
		LastEventAt:      known(s.LastEventAt),
		LastTestEventAt:  known(s.LastTestAt),
		Reasons:          orEmpty(s.Reasons),
		RejectedReasons:  orEmpty(s.Rejected),
		ClockSkewSeconds: s.ClockSkew.Seconds(),
	}
	for _, n := range s.Rejected {
		v.Rejected += n
	}
	if !s.OldestPending.IsZero() {
		v.OldestPendingSeconds = int64(max(0, now.Sub(s.OldestPending)).Seconds())
	}
	return v
}

func newEventView(e state.Event) eventView {
	v := eventView{
		ID: e.ID, MessageID: e.MessageID, Type: e.Type,
		Status: e.Status, Reason: e.Reason, Error: e.Error, Attempts: e.Attempts,
		ReceivedAt: e.ReceivedAt.UTC(), OccurredAt: known(e.OccurredAt), SettledAt: known(e.SettledAt),
		Records: e.Records,
	}
	if v.Records == nil {
		v.Records = []state.Record{}
	}
	return v
}

func newVerifyView(findings []state.Finding) verifyView {
	if findings == nil {
		findings = []state.Finding{}
	}
	return verifyView{OK: len(findings) == 0, Findings: findings}
}

func newObjectView(l state.Link) objectView {
	return objectView{
		Object: l.Object, Key: l.Key, RemoteID: l.RemoteID, OccurredAt: known(l.Version.At), Deleted: l.Deleted,
		EventID: l.Version.EventID, Adopted: l.Adopted, Gone: l.Gone,
	}
}

// known returns t in UTC, nil when it is zero.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}
