package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"crmsync/state"
)

// headerSize is the fixed part of a line: version, status, receipt,
// settlement, length of the type. The header is what lists are filtered by, so
// that a scan need not decode what it does not return.
const headerSize = 1 + 1 + 8 + 8 + 1

// header is the part of a line that is read without decoding the rest.
type header struct {
	status   byte
	received time.Time
	settled  time.Time
	kind     []byte // event type
	rest     []byte
}

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || b[0] != codecVersion || len(b) < headerSize+int(b[18]) {
		return header{}, errCodec
	}
	end := headerSize + int(b[18])
	return header{
		status:   b[1],
		received: fromNanos(int64(binary.BigEndian.Uint64(b[2:]))),
		settled:  fromNanos(int64(binary.BigEndian.Uint64(b[10:]))),
		kind:     b[headerSize:end],
		rest:     b[end:],
	}, nil
}

// lineBody is the rest of a line.
type lineBody struct {
	ID         packedID     `cbor:"1,keyasint"`
	MessageID  packedID     `cbor:"2,keyasint,omitempty"` // absent when it is the ID
	Key        packedID     `cbor:"3,keyasint,omitempty"`
	OccurredAt packedTime   `cbor:"4,keyasint,omitempty"`
	Reason     string       `cbor:"5,keyasint,omitempty"`
	Error      string       `cbor:"6,keyasint,omitempty"`
	Attempts   int          `cbor:"7,keyasint,omitempty"`
	Lanes      []laneBody   `cbor:"8,keyasint,omitempty"`
	Records    []recordBody `cbor:"9,keyasint,omitempty"`
	Force      bool         `cbor:"10,keyasint,omitempty"`
	NotBefore  packedTime   `cbor:"11,keyasint,omitempty"`
	FailingFor int64        `cbor:"12,keyasint,omitempty"` // nanoseconds
	Secret     int          `cbor:"13,keyasint,omitempty"`
	Secrets    int          `cbor:"14,keyasint,omitempty"`
}

// laneBody is a lane of an event.
type laneBody struct {
	Object byte     `cbor:"1,keyasint"`
	Key    packedID `cbor:"2,keyasint,omitempty"` // absent when it is the event's key
}

// recordBody is a state.Record of an event.
type recordBody struct {
	Lane         int       `cbor:"1,keyasint,omitempty"` // position in the event's lanes, from 1
	Other        *laneBody `cbor:"2,keyasint,omitempty"` // instead of Lane: one that the event does not name
	RemoteID     string    `cbor:"3,keyasint,omitempty"`
	Action       string    `cbor:"4,keyasint,omitempty"`
	Status       byte      `cbor:"5,keyasint,omitempty"`
	Reason       string    `cbor:"6,keyasint,omitempty"`
	Error        string    `cbor:"7,keyasint,omitempty"`
	Field        string    `cbor:"8,keyasint,omitempty"`
	RequestID    string    `cbor:"9,keyasint,omitempty"`
	Note         string    `cbor:"10,keyasint,omitempty"`
	SupersededBy packedID  `cbor:"11,keyasint,omitempty"`
	Kept         []string  `cbor:"12,keyasint,omitempty"`
}

// encodeEvent returns an event as a line: everything but Seq, Body and Size.
func encodeEvent(e *state.Event) ([]byte, error) {
	b := make([]byte, 0, 256)
	b = append(b, codecVersion, statusCode(e.Status))
	b = binary.BigEndian.AppendUint64(b, uint64(nanos(e.ReceivedAt)))
	b = binary.BigEndian.AppendUint64(b, uint64(nanos(e.SettledAt)))
	b = append(append(b, byte(len(e.Type))), e.Type...)

	body := lineBody{
		ID: packedID(e.ID), Key: packedID(e.Key), OccurredAt: packedTime(e.OccurredAt),
		Reason: e.Reason, Error: e.Error, Attempts: e.Attempts, Force: e.Force,
		NotBefore: packedTime(e.NotBefore), FailingFor: int64(e.FailingFor),
		Secret: e.SignedBy.Secret, Secrets: e.SignedBy.Of,
	}
	if e.MessageID != e.ID {
		body.MessageID = packedID(e.MessageID)
	}
	for _, lane := range e.Lanes {
		body.Lanes = append(body.Lanes, packLane(lane, e.Key))
	}
	for i := range e.Records {
		body.Records = append(body.Records, packRecord(&e.Records[i], e))
	}
	rest, err := cborEncode.Marshal(body)
	return append(b, rest...), err
}

// decodeEvent reverses encodeEvent.
func decodeEvent(seq uint64, line []byte) (state.Event, error) {
	h, err := parseHeader(line)
	if err != nil {
		return state.Event{}, err
	}
	var b lineBody
	if err := cborDecode.Unmarshal(h.rest, &b); err != nil {
		return state.Event{}, fmt.Errorf("decode line: %w", err)
	}
	e := state.Event{
		Seq: seq, ID: string(b.ID), MessageID: string(b.MessageID), Type: string(h.kind), Key: string(b.Key),
		OccurredAt: time.Time(b.OccurredAt), ReceivedAt: h.received, SettledAt: h.settled,
		Reason: b.Reason, Error: b.Error, Attempts: b.Attempts, Force: b.Force,
		NotBefore: time.Time(b.NotBefore), FailingFor: time.Duration(b.FailingFor),
		SignedBy: state.Signer{Secret: b.Secret, Of: b.Secrets},
	}
	if e.Status, err = statusOf(h.status); err != nil {
		return e, err
	}
	if e.MessageID == "" {
		e.MessageID = e.ID
	}
	if len(b.Lanes) > 0 {
		e.Lanes = make([]state.Lane, len(b.Lanes))
	}
	for i, l := range b.Lanes {
		if e.Lanes[i], err = l.lane(e.Key); err != nil {
			return e, err
		}
	}
	return e, unpackRecords(&e, b.Records)
}

func packLane(l state.Lane, eventKey string) laneBody {
	b := laneBody{Object: objectCode(l.Object)}
	if l.Key != eventKey {
		b.Key = packedID(l.Key)
	}
	return b
}

func (b laneBody) lane(eventKey string) (state.Lane, error) {
	if b.Object == 0 || int(b.Object) >= len(objects) {
		return state.Lane{}, fmt.Errorf("object code %d is unknown", b.Object)
	}
	lane := state.Lane{Object: objects[b.Object], Key: eventKey}
	if b.Key != "" {
		lane.Key = string(b.Key)
	}
	return lane, nil
}

func packRecord(r *state.Record, e *state.Event) recordBody {
	b := recordBody{
		Lane:     slices.Index(e.Lanes, r.Lane()) + 1,
		RemoteID: r.RemoteID, Action: r.Action, Status: statusCode(r.Status), Reason: r.Reason,
		Error: r.Error, Field: r.Field, RequestID: r.RequestID, Note: r.Note,
		SupersededBy: packedID(r.SupersededBy), Kept: r.Kept,
	}
	if b.Lane == 0 {
		other := packLane(r.Lane(), e.Key)
		b.Other = &other
	}
	return b
}

func unpackRecords(e *state.Event, records []recordBody) error {
	for _, b := range records {
		r := state.Record{
			RemoteID: b.RemoteID, Action: b.Action, Reason: b.Reason, Error: b.Error, Field: b.Field,
			RequestID: b.RequestID, Note: b.Note, SupersededBy: string(b.SupersededBy), Kept: b.Kept,
		}
		lane, err := b.lane(e)
		if err != nil {
			return err
		}
		r.Object, r.Key = lane.Object, lane.Key
		if r.Status, err = statusOf(b.Status); err != nil {
			return err
		}
		e.Records = append(e.Records, r)
	}
	return nil
}

func (b *recordBody) lane(e *state.Event) (state.Lane, error) {
	switch {
	case b.Lane > 0 && b.Lane <= len(e.Lanes):
		return e.Lanes[b.Lane-1], nil
	case b.Other != nil:
		return b.Other.lane(e.Key)
	}
	return state.Lane{}, fmt.Errorf("record names lane %d of %d", b.Lane, len(e.Lanes))
}
