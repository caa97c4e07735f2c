package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// maxBody bounds one payload, so that a damaged size cannot ask for all memory.
const maxBody = 256 << 20

// errPayload says that a stored payload cannot be read back.
var errPayload = errors.New("payload is damaged")

// payloads compresses and decompresses bodies. It is safe for concurrent use.
type payloads struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPayloads() (*payloads, error) {
	// Bodies are a few KB: a small window keeps an encoder at that size.
	enc, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderConcurrency(0))
	return &payloads{enc: enc, dec: dec}, err
}

// pack returns the size of body and its zstd frame.
func (p *payloads) pack(body []byte) ([]byte, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("body has %d bytes, the limit is %d", len(body), maxBody)
	}
	packed := binary.AppendUvarint(make([]byte, 0, len(body)/2+64), uint64(len(body)))
	return p.enc.EncodeAll(body, packed), nil
}

// unpack reverses pack; the result is never nil without an error.
func (p *payloads) unpack(packed []byte) ([]byte, error) {
	size, n := binary.Uvarint(packed)
	if n <= 0 || size > maxBody {
		return nil, errPayload
	}
	body, err := p.dec.DecodeAll(packed[n:], make([]byte, 0, size))
	if err != nil || uint64(len(body)) != size {
		return nil, errPayload
	}
	return body, nil
}

// payloadSize returns the size of the body that was packed.
func payloadSize(packed []byte) int {
	size, n := binary.Uvarint(packed)
	if n <= 0 || size > maxBody {
		return 0
	}
	return int(size)
}
