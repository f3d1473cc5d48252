package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"

	"grapevine/store"
)

// kind is what a frame holds.
type kind uint8

const (
	kindHeader  kind = 1
	kindBegin   kind = 2
	kindRows    kind = 3
	kindEnd     kind = 4
	kindTrailer kind = 5
)

// A frame is its kind (1 byte), the partition (2) and the index in it (4), the
// length of the body (4), the body, and the checksum of all before it (16).
// Numbers are big-endian. The header and the trailer are of partition 0.
const (
	frameHead    = 1 + 2 + 4 + 4
	checksumSize = 16
	// maxBody bounds a body: a block that does not compress, and a little.
	maxBody = maxBlock + 64<<10
)

// frame is one frame. Its bytes alias raw.
type frame struct {
	kind      kind
	partition store.Partition
	index     uint32 // within the partition, from 0
	body      []byte
	raw       []byte // the whole of it
}

// appendFrame appends an encoded frame.
func appendFrame(b []byte, k kind, p store.Partition, index uint32, body []byte) ([]byte, error) {
	if len(body) > maxBody {
		return b, fmt.Errorf("%w: a frame of %d bytes", ErrTooLarge, len(body))
	}
	start := len(b)
	b = append(b, byte(k))
	b = binary.BigEndian.AppendUint16(b, uint16(p))
	b = binary.BigEndian.AppendUint32(b, index)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	sum := xxh3.Hash128(b[start:]).Bytes()
	return append(b, sum[:]...), nil
}

// checksum is the frame's own.
func (f frame) checksum() []byte { return f.raw[len(f.raw)-checksumSize:] }

// frames reads frames in sequence.
type frames struct {
	r  io.Reader
	at int64 // bytes read
}

// next reads and verifies a frame. The end of the input before a frame is
// io.EOF, within one ErrTruncated.
func (r *frames) next() (frame, error) {
	at := r.at
	var head [frameHead]byte
	n, err := io.ReadFull(r.r, head[:])
	r.at += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		return frame{}, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return frame{}, damagedf("%w, from byte %d on", ErrTruncated, at)
	case err != nil:
		return frame{}, fmt.Errorf("archive: reading: %w", err)
	}
	size := binary.BigEndian.Uint32(head[7:])
	if size > maxBody {
		return frame{}, damagedf("the frame at byte %d claims %d bytes", at, size)
	}
	raw := make([]byte, frameHead+int(size)+checksumSize)
	copy(raw, head[:])
	n, err = io.ReadFull(r.r, raw[frameHead:])
	r.at += int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return frame{}, damagedf("%w, from byte %d on", ErrTruncated, at)
	case err != nil:
		return frame{}, fmt.Errorf("archive: reading: %w", err)
	}
	f, err := parseFrame(raw)
	if err != nil {
		return frame{}, fmt.Errorf("%w, at byte %d", err, at)
	}
	return f, nil
}

// parseFrame verifies a whole frame.
func parseFrame(raw []byte) (frame, error) {
	if len(raw) < frameHead+checksumSize || len(raw) > MaxFrame {
		return frame{}, damagedf("a frame of %d bytes", len(raw))
	}
	end := len(raw) - checksumSize
	f := frame{
		kind:      kind(raw[0]),
		partition: store.Partition(binary.BigEndian.Uint16(raw[1:])),
		index:     binary.BigEndian.Uint32(raw[3:]),
		body:      raw[frameHead:end],
		raw:       raw,
	}
	if int(binary.BigEndian.Uint32(raw[7:])) != len(f.body) {
		return frame{}, damagedf("a frame's length is not what it says")
	}
	if sum := xxh3.Hash128(raw[:end]).Bytes(); string(sum[:]) != string(f.checksum()) {
		return frame{}, damagedf("a checksum differs")
	}
	return f, nil
}
