package bolt

import (
	"fmt"
	"time"

	"crmsync/state"
)

// linkBody is a state.Link; its lane is the key.
type linkBody struct {
	RemoteID  string       `cbor:"1,keyasint,omitempty"`
	Source    uint8        `cbor:"2,keyasint,omitempty"`
	At        packedTime   `cbor:"3,keyasint,omitempty"`
	Rank      uint8        `cbor:"4,keyasint,omitempty"`
	EventID   packedID     `cbor:"5,keyasint,omitempty"`
	Hash      []byte       `cbor:"6,keyasint,omitempty"`
	Deleted   bool         `cbor:"7,keyasint,omitempty"`
	Gone      bool         `cbor:"8,keyasint,omitempty"`
	Adopted   bool         `cbor:"9,keyasint,omitempty"`
	Withheld  string       `cbor:"10,keyasint,omitempty"`
	Targets   []targetBody `cbor:"11,keyasint,omitempty"`
	UpdatedAt packedTime   `cbor:"12,keyasint,omitempty"`
	Wrote     []wroteBody  `cbor:"13,keyasint,omitempty"`
	Mapping   []byte       `cbor:"14,keyasint,omitempty"`
}

// wroteBody is a state.Wrote.
type wroteBody struct {
	Field string `cbor:"1,keyasint"`
	Hash  []byte `cbor:"2,keyasint,omitempty"`
	Next  []byte `cbor:"3,keyasint,omitempty"`
}

// targetBody is a state.Target.
type targetBody struct {
	Lane laneBody `cbor:"1,keyasint"`
	Made bool     `cbor:"2,keyasint,omitempty"`
	Drop bool     `cbor:"3,keyasint,omitempty"`
}

func encodeLink(l *state.Link) ([]byte, error) {
	b := linkBody{
		RemoteID: l.RemoteID, Source: l.Version.Source, At: packedTime(l.Version.At), Rank: l.Version.Rank,
		EventID: packedID(l.Version.EventID), Hash: l.Hash, Deleted: l.Deleted, Gone: l.Gone, Adopted: l.Adopted,
		Withheld: l.Withheld, UpdatedAt: packedTime(l.UpdatedAt), Mapping: l.Mapping,
	}
	for _, t := range l.Targets {
		b.Targets = append(b.Targets, targetBody{Lane: packLane(t.Lane, l.Key), Made: t.Made, Drop: t.Drop})
	}
	for _, w := range l.Wrote {
		b.Wrote = append(b.Wrote, wroteBody(w))
	}
	return encode(b)
}

func decodeLink(lane state.Lane, value []byte) (state.Link, error) {
	var b linkBody
	if err := decode(value, &b); err != nil {
		return state.Link{}, fmt.Errorf("decode link: %w", err)
	}
	l := state.Link{
		Lane: lane, RemoteID: b.RemoteID,
		Version: state.Version{Source: b.Source, At: time.Time(b.At), Rank: b.Rank, EventID: string(b.EventID)},
		Hash:    b.Hash, Deleted: b.Deleted, Gone: b.Gone, Adopted: b.Adopted, Withheld: b.Withheld,
		UpdatedAt: time.Time(b.UpdatedAt), Mapping: b.Mapping,
	}
	for _, t := range b.Targets {
		target, err := t.Lane.lane(lane.Key)
		if err != nil {
			return l, err
		}
		l.Targets = append(l.Targets, state.Target{Lane: target, Made: t.Made, Drop: t.Drop})
	}
	for _, w := range b.Wrote {
		l.Wrote = append(l.Wrote, state.Wrote(w))
	}
	return l, nil
}
