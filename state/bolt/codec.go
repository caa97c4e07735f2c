package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"crmsync/state"
)

// codecVersion is the first byte of a line, a link and the totals.
const codecVersion = 1

// A packed value encodes as its short form, and as nothing when it is zero.
type (
	packedID   string
	packedTime time.Time
)

func (id packedID) MarshalBinary() ([]byte, error) {
	if id == "" {
		return nil, nil
	}
	return packID(string(id)), nil
}

func (id *packedID) UnmarshalBinary(b []byte) error {
	s, err := unpackID(b)
	*id = packedID(s)
	return err
}

// MarshalBinary keeps any time exactly: a timestamp from outside may be of any
// year.
func (t packedTime) MarshalBinary() ([]byte, error) {
	u := time.Time(t)
	if u.IsZero() {
		return nil, nil
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(u.Unix()))
	if ns := u.Nanosecond(); ns != 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(ns))
	}
	return b, nil
}

func (t *packedTime) UnmarshalBinary(b []byte) error {
	var ns int64
	switch len(b) {
	case 8:
	case 12:
		ns = int64(binary.BigEndian.Uint32(b[8:]))
	default:
		return fmt.Errorf("time of %d bytes is malformed", len(b))
	}
	*t = packedTime(time.Unix(int64(binary.BigEndian.Uint64(b)), ns).UTC())
	return nil
}

// statuses by code. The codes are persisted: never renumber them.
var statuses = [...]state.Status{1: state.Pending, 2: state.Applied, 3: state.Unchanged, 4: state.Skipped, 5: state.Stale, 6: state.Dead}

// statusCode returns the code of a status, 0 for an unknown one.
func statusCode(s state.Status) byte { return byte(max(0, slices.Index(statuses[1:], s)+1)) }

func statusOf(code byte) (state.Status, error) {
	if code == 0 || int(code) >= len(statuses) {
		return "", fmt.Errorf("status code %d is unknown", code)
	}
	return statuses[code], nil
}

// cborEncode is deterministic, so that equal values are equal bytes; cborDecode
// takes any string, because a key from outside need not be UTF-8.
var (
	cborEncode = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic}.EncMode())
	cborDecode = must(cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options above are constants
	}
	return v
}

// encode returns v behind the version byte.
func encode(v any) ([]byte, error) {
	b, err := cborEncode.Marshal(v)
	return append([]byte{codecVersion}, b...), err
}

func decode(b []byte, v any) error {
	if len(b) == 0 || b[0] != codecVersion {
		return errCodec
	}
	return cborDecode.Unmarshal(b[1:], v)
}

var errCodec = fmt.Errorf("value is not of version %d", codecVersion)
