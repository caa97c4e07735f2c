package bolt

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"crmsync/state"
)

// Limits on what comes from outside.
const (
	maxID   = 512 // bytes of a message id or an event id
	maxKey  = 255 // bytes of a natural key: its length fits one byte
	maxType = 255 // bytes of an event type; the rest is cut off
)

// Forms of a packed id, its first byte.
const (
	idRaw  = 0 // the id itself
	idUUID = 1 // 16 bytes, printed in lower case with hyphens
)

// packID shortens an id without losing anything: most are UUIDs.
func packID(id string) []byte {
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil && u.String() == id {
			return append([]byte{idUUID}, u[:]...)
		}
	}
	return append([]byte{idRaw}, id...)
}

// unpackID reverses packID. Nothing stands for "".
func unpackID(b []byte) (string, error) {
	switch {
	case len(b) == 0:
		return "", nil
	case b[0] == idRaw:
		return string(b[1:]), nil
	case b[0] == idUUID && len(b) == 17:
		return uuid.UUID(b[1:]).String(), nil
	}
	return "", fmt.Errorf("id of unknown form %d", b[0])
}

// objects are the names by code, in alphabetical order so that keys sort as
// names do. The codes are persisted: never renumber them.
var objects = [...]string{1: "activity", 2: "company", 3: "contact"}

// objectCode returns the code of an object, 0 for an unknown one.
func objectCode(name string) byte {
	for code, n := range objects {
		if n == name && code > 0 {
			return byte(code)
		}
	}
	return 0
}

// checkLane refuses what cannot be stored.
func checkLane(l state.Lane) error {
	if objectCode(l.Object) == 0 {
		return fmt.Errorf("unknown object %q", l.Object)
	}
	if l.Key == "" || len(l.Key) > maxKey {
		return fmt.Errorf("key of %s has %d bytes, want 1 to %d", l.Object, len(l.Key), maxKey)
	}
	return nil
}

// laneKey is a lane as a key: it sorts by object and key.
func laneKey(l state.Lane) []byte {
	return append([]byte{objectCode(l.Object)}, l.Key...)
}

// parseLane reverses laneKey.
func parseLane(b []byte) (state.Lane, error) {
	if len(b) < 2 || b[0] == 0 || int(b[0]) >= len(objects) {
		return state.Lane{}, fmt.Errorf("lane of %d bytes is malformed", len(b))
	}
	return state.Lane{Object: objects[b[0]], Key: string(b[1:])}, nil
}

// mask is a set of objects.
type mask byte

// masks is the number of different masks.
const masks = 1 << (len(objects) - 1)

// maskOf returns the set of the named objects; unknown names count for nothing.
func maskOf(names ...string) mask {
	var m mask
	for _, name := range names {
		if code := objectCode(name); code > 0 {
			m |= 1 << (code - 1)
		}
	}
	return m
}

// unsettled returns the objects of the event's records that are not settled.
func unsettled(e *state.Event) mask {
	var m mask
	for _, lane := range e.Lanes {
		if !laneSettled(e, lane) {
			m |= maskOf(lane.Object)
		}
	}
	return m
}

func laneSettled(e *state.Event, lane state.Lane) bool {
	for _, r := range e.Records {
		if r.Lane() == lane {
			return r.Status != state.Pending && r.Status != ""
		}
	}
	return false
}

// open reports whether an event with this mask may be claimed while the given
// objects are paused. One with nothing left to write waits only for its end.
func (m mask) open(paused mask) bool { return m == 0 || m&^paused != 0 }

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func parseSeq(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func queueKey(m mask, seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(m)}, seq)
}

func delayedKey(m mask, due time.Time, seq uint64) []byte {
	k := binary.BigEndian.AppendUint64([]byte{byte(m)}, uint64(max(0, nanos(due))))
	return binary.BigEndian.AppendUint64(k, seq)
}

// parseDelayed returns the due time and the seq of a delayedKey.
func parseDelayed(k []byte) (time.Time, uint64) {
	if len(k) != 17 {
		return time.Time{}, 0
	}
	return fromNanos(int64(binary.BigEndian.Uint64(k[1:]))), binary.BigEndian.Uint64(k[9:])
}

// Kinds of waiting sort within their target.
func waitingPrefix(target state.Lane, kind state.WaitKind) []byte {
	return append(waitingTarget(target), byte(kind))
}

// waitingTarget starts with the length, so that no target is the prefix of
// another one.
func waitingTarget(target state.Lane) []byte {
	return append([]byte{byte(len(target.Key))}, laneKey(target)...)
}

func waitingKey(w state.Waiting) []byte {
	return append(waitingPrefix(w.Target, w.Kind), laneKey(w.Record)...)
}

func parseWaiting(k []byte) (state.Waiting, error) {
	if len(k) < 1 || len(k) < int(k[0])+5 {
		return state.Waiting{}, fmt.Errorf("waiting entry of %d bytes is malformed", len(k))
	}
	n := int(k[0]) + 2
	target, err := parseLane(k[1:n])
	if err != nil {
		return state.Waiting{}, err
	}
	record, err := parseLane(k[n+1:])
	return state.Waiting{Kind: state.WaitKind(k[n]), Target: target, Record: record}, err
}

// nanos returns t as Unix nanoseconds, 0 for the zero time, and the nearest
// value for a time that does not fit.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
