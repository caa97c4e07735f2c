package connector

// Keys of log attributes. Bodies and field values are never logged (I8).
const (
	keyEventID = "event_id"
	keyObject  = "object"
	keyKind    = "kind"
	keyReason  = "reason"
	keyCode    = "code"
	keyField   = "field"
	keyError   = "error"
	keyCount   = "count"
)
