package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// PartitionWriter writes the frames of one partition, as a node streams them.
type PartitionWriter struct {
	w       io.Writer
	packer  *zstd.Encoder
	id      store.Partition
	index   uint32
	rows    int64
	block   []byte // records that wait to be written
	scratch []byte
}

// NewPartitionWriter begins a partition. It holds a block in memory, and writes
// a frame at a time.
func NewPartitionWriter(w io.Writer, p Partition) (*PartitionWriter, error) {
	packer, err := newEncoder()
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	pw := &PartitionWriter{w: w, packer: packer, id: p.ID}
	begin := beginRecord{First: p.First, Last: p.Last, Vector: p.Vector.Append(nil)}
	return pw, pw.record(kindBegin, begin)
}

// Add adds a row, which must exist.
func (w *PartitionWriter) Add(e store.Entry) error {
	size := len(w.block)
	w.block, w.scratch = appendRecord(w.block, e, w.scratch)
	w.rows++
	if len(w.block)-size > maxBlock {
		return fmt.Errorf("%w: %v", ErrTooLarge, e.Key)
	}
	if len(w.block) > maxBlock { // the row goes into a block of its own
		next := append([]byte(nil), w.block[size:]...)
		w.block = w.block[:size]
		if err := w.flush(); err != nil {
			return err
		}
		w.block = append(w.block, next...)
	}
	if len(w.block) < blockSize {
		return nil
	}
	return w.flush()
}

// Close ends the partition. A partition that is not closed does not count.
func (w *PartitionWriter) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.record(kindEnd, endRecord{Rows: w.rows})
}

func (w *PartitionWriter) flush() error {
	if len(w.block) == 0 {
		return nil
	}
	body := w.packer.EncodeAll(w.block, nil)
	w.block = w.block[:0]
	return w.frame(kindRows, body)
}

func (w *PartitionWriter) record(k kind, record any) error {
	body, err := encode(record)
	if err != nil {
		return err
	}
	return w.frame(k, body)
}

func (w *PartitionWriter) frame(k kind, body []byte) error {
	b, err := appendFrame(nil, k, w.id, w.index, body)
	if err != nil {
		return err
	}
	w.index++
	if _, err := w.w.Write(b); err != nil {
		return fmt.Errorf("archive: writing: %w", err)
	}
	return nil
}

// Block is a verified block of rows.
type Block struct {
	Partition store.Partition
	Rows      int
	Frame     []byte // the block as Rows takes it
}

// partitionReader follows the frames of a partition and holds them to its rules.
type partitionReader struct {
	head    Partition
	index   uint32 // of the next frame
	rows    int64
	decoder *zstd.Decoder
}

// begin reads the first frame of a partition.
func (p *partitionReader) begin(f frame) error {
	var begin beginRecord
	if f.kind != kindBegin || f.index != 0 {
		return damagedf("partition %d does not begin at its beginning", f.partition)
	}
	if err := decode(f.body, &begin); err != nil {
		return err
	}
	vector, rest, err := causal.ConsumeVector(begin.Vector)
	if err != nil || len(rest) > 0 || begin.First > begin.Last {
		return damagedf("the beginning of partition %d cannot be read", f.partition)
	}
	p.head = Partition{ID: f.partition, First: begin.First, Last: begin.Last, Vector: vector}
	p.index, p.rows = 1, 0
	return nil
}

// follow checks a frame after the first. It gives the number of rows in it, and
// whether it ends the partition.
func (p *partitionReader) follow(f frame) (rows int, ended bool, err error) {
	if f.partition != p.head.ID || f.index != p.index {
		return 0, false, damagedf("frame %d of partition %d is not where it belongs", f.index, f.partition)
	}
	p.index++
	switch f.kind {
	case kindRows:
		entries, err := unpack(p.decoder, f)
		if err != nil {
			return 0, false, err
		}
		for _, e := range entries {
			if e.Key.Slot < p.head.First || e.Key.Slot > p.head.Last {
				return 0, false, damagedf("partition %d holds a row of slot %d", f.partition, e.Key.Slot)
			}
		}
		p.rows += int64(len(entries))
		return len(entries), false, nil
	case kindEnd:
		var end endRecord
		if err := decode(f.body, &end); err != nil {
			return 0, false, err
		}
		if end.Rows != p.rows {
			return 0, false, damagedf("partition %d has %d rows and should have %d", f.partition, p.rows, end.Rows)
		}
		return 0, true, nil
	default:
		return 0, false, damagedf("a frame of kind %d in partition %d", f.kind, f.partition)
	}
}

// unexpectedEnd turns the end of input where more must come into ErrTruncated.
func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return damagedf("%w", ErrTruncated)
	}
	return err
}
