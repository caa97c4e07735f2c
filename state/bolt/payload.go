package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// maxBody bounds one payload, so that a damaged size cannot ask for all memory.
const maxBody = 256 << 20

// maxRoom is the most that is kept of what a large body took.
const maxRoom = 64 << 10

// errPayload says that a stored payload cannot be read back.
var errPayload = errors.New("payload is damaged")

// zstdMagic begins the frames of files that were written before payloads were
// s2 blocks. A block begins with its length; one that began like a frame would
// be 40 bytes long and have a copy where the first literal has to be.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// payloads compresses and decompresses bodies. It is safe for concurrent use.
type payloads struct {
	dec  *zstd.Decoder
	room sync.Pool // of *[]byte to compress into
}

func newPayloads() (*payloads, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderConcurrency(0))
	return &payloads{dec: dec, room: sync.Pool{New: func() any { return new([]byte) }}}, err
}

// castagnoli has an instruction of its own on most processors.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pack returns the size of body, its s2 block and a checksum. A sender waits
// meanwhile: s2 takes a quarter of the time of the fastest zstd for a third
// more bytes.
func (p *payloads) pack(body []byte) ([]byte, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("body has %d bytes, the limit is %d", len(body), maxBody)
	}
	room := p.room.Get().(*[]byte)
	defer p.room.Put(room)
	block := s2.Encode(*room, body)
	if cap(block) <= maxRoom {
		*room = block[:cap(block)] // grown to what the next one needs
	}
	packed := make([]byte, 0, binary.MaxVarintLen32+len(block)+crc32.Size)
	packed = append(binary.AppendUvarint(packed, uint64(len(body))), block...)
	return binary.BigEndian.AppendUint32(packed, crc32.Checksum(body, castagnoli)), nil
}

// unpack reverses pack; the result is never nil without an error.
func (p *payloads) unpack(packed []byte) ([]byte, error) {
	size, n := binary.Uvarint(packed)
	if n <= 0 || size > maxBody {
		return nil, errPayload
	}
	packed = packed[n:]
	if !bytes.HasPrefix(packed, zstdMagic) {
		return unblock(packed, int(size))
	}
	body, err := p.dec.DecodeAll(packed, make([]byte, 0, size))
	if err != nil || uint64(len(body)) != size {
		return nil, errPayload
	}
	return body, nil
}

// unblock returns the body, of so many bytes, of a block and its checksum.
func unblock(packed []byte, size int) ([]byte, error) {
	end := len(packed) - crc32.Size
	if end < 0 {
		return nil, errPayload
	}
	if length, err := s2.DecodedLen(packed[:end]); err != nil || length != size {
		return nil, errPayload
	}
	body, err := s2.Decode(make([]byte, size), packed[:end])
	if err != nil || crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(packed[end:]) {
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
