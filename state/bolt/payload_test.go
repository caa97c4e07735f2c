package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

func TestPayloads_comeBackExactly(t *testing.T) {
	p := openPayloads(t)
	rapid.Check(t, func(t *rapid.T) {
		body := bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "part"), rapid.IntRange(1, 40).Draw(t, "times"))
		packed, err := p.pack(body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.unpack(packed)
		if err != nil || got == nil || !bytes.Equal(got, body) || payloadSize(packed) != len(body) {
			t.Fatalf("%x became %x, size %d, %v", body, got, payloadSize(packed), err)
		}
	})
}

// Every byte counts: a body that cannot be trusted is none.
func TestPayloads_noticeEveryDamage(t *testing.T) {
	p := openPayloads(t)
	body := callBody(1)[:500]
	packed, err := p.pack(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packed {
		bad := bytes.Clone(packed)
		bad[i] ^= 0x10
		if got, err := p.unpack(bad); !errors.Is(err, errPayload) && !bytes.Equal(got, body) {
			t.Errorf("byte %d: %q, %v", i, got, err)
		}
		if got, err := p.unpack(packed[:i]); !errors.Is(err, errPayload) {
			t.Errorf("cut after %d: %q, %v", i, got, err)
		}
	}
}

// Files of earlier builds hold zstd frames.
func TestPayloads_readFrames(t *testing.T) {
	p := openPayloads(t)
	enc, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{{}, []byte("{}"), callBody(1)} {
		frame := enc.EncodeAll(body, binary.AppendUvarint(nil, uint64(len(body))))
		if got, err := p.unpack(frame); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %q, %v", len(body), got, err)
		}
	}
}

func openPayloads(t *testing.T) *payloads {
	t.Helper()
	p, err := newPayloads()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
