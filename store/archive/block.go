package archive

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"grapevine/crdt"
	"grapevine/store"
)

// A block is records, each behind its length (a varint); a record is a slot (2
// bytes), a family (1), the length of the sort (a varint), the sort, and the row
// in its own encoding. Blocks are compressed apart, with zstd, so that each can
// be read and sent by itself.

// appendRecord appends an entry as a record of a block.
func appendRecord(b []byte, e store.Entry, scratch []byte) (block, record []byte) {
	r := binary.BigEndian.AppendUint16(scratch[:0], uint16(e.Key.Slot))
	r = append(r, byte(e.Key.Family))
	r = binary.AppendUvarint(r, uint64(len(e.Key.Sort)))
	r = append(r, e.Key.Sort...)
	r = e.Row.Append(r)
	b = binary.AppendUvarint(b, uint64(len(r)))
	return append(b, r...), r
}

var errRecord = errors.New("a record cannot be read")

// consumeRecords reads the records of a block. The rows alias it.
func consumeRecords(b []byte) ([]store.Entry, error) {
	var out []store.Entry
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errRecord
		}
		e, err := parseRecord(b[n : n+int(size)])
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		b = b[n+int(size):]
	}
	return out, nil
}

func parseRecord(b []byte) (store.Entry, error) {
	if len(b) < 4 {
		return store.Entry{}, errRecord
	}
	e := store.Entry{Key: store.Key{Slot: store.Slot(binary.BigEndian.Uint16(b)), Family: store.Family(b[2])}}
	size, n := binary.Uvarint(b[3:])
	if n <= 0 || size > store.MaxSort || size > uint64(len(b)-3-n) {
		return store.Entry{}, errRecord
	}
	b = b[3+n:]
	e.Key.Sort = string(b[:size])
	row, rest, err := crdt.ConsumeRow(b[size:])
	if err != nil || len(rest) > 0 || !row.Exists() {
		return store.Entry{}, errRecord
	}
	e.Row = row
	return e, nil
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(blockSize),
		zstd.WithEncoderCRC(false)) // the frame has a better checksum
}

// newDecoder makes a decoder that refuses what unpacks to more than a block.
func newDecoder() (*zstd.Decoder, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return d, nil
}

// unpack reads the rows of a frame.
func unpack(d *zstd.Decoder, f frame) ([]store.Entry, error) {
	plain, err := d.DecodeAll(f.body, nil)
	if err != nil {
		return nil, damagedf("a block of partition %d cannot be unpacked: %w", f.partition, err)
	}
	rows, err := consumeRecords(plain)
	if err != nil {
		return nil, damagedf("a block of partition %d: %w", f.partition, err)
	}
	return rows, nil
}

// Rows verifies a block, in the form of Block.Frame, and reads its rows.
func Rows(encoded []byte) ([]store.Entry, error) {
	f, err := parseFrame(encoded)
	if err != nil {
		return nil, err
	}
	if f.kind != kindRows {
		return nil, damagedf("a frame of kind %d holds no rows", f.kind)
	}
	d, err := newDecoder()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return unpack(d, f)
}
