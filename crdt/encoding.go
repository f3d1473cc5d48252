package crdt

import (
	"encoding/binary"
	"errors"

	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
)

// ErrMalformed is returned for bytes that are not an encoded row.
var ErrMalformed = errors.New("crdt: malformed row")

// Append appends the encoding of r, which is the same for equal rows: replicas
// compare their state by its bytes.
func (r Row) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.Births)))
	for _, birth := range r.Births {
		b = causal.AppendDot(b, birth.Dot)
		b = binary.BigEndian.AppendUint64(b, uint64(birth.Time))
		b = appendBytes(b, birth.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Fields)))
	for _, f := range r.Fields {
		b = append(b, f.ID)
		b = causal.AppendDot(b, f.Birth)
		b = causal.AppendDot(b, f.Dot)
		b = binary.BigEndian.AppendUint64(b, uint64(f.Time))
		b = appendBytes(b, f.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Removed)))
	for _, d := range r.Removed {
		b = causal.AppendDot(b, d)
	}
	return b
}

// ConsumeRow reads a row from the front of b and returns the rest. The row's
// values alias b.
func ConsumeRow(b []byte) (Row, []byte, error) {
	d := decoder{rest: b}
	var r Row
	for n := d.count(); n > 0 && !d.failed; n-- {
		r.Births = append(r.Births, Birth{Dot: d.dot(), Time: d.time(), Value: d.bytes()})
	}
	for n := d.count(); n > 0 && !d.failed; n-- {
		r.Fields = append(r.Fields, Field{ID: d.byte(), Birth: d.dot(), Dot: d.dot(), Time: d.time(), Value: d.bytes()})
	}
	for n := d.count(); n > 0 && !d.failed; n-- {
		r.Removed = append(r.Removed, d.dot())
	}
	if d.failed || !r.ordered() {
		return Row{}, nil, ErrMalformed
	}
	return r, d.rest, nil
}

// ordered says whether r's slices ascend strictly, as binary search over them
// and the uniqueness of the encoding require.
func (r Row) ordered() bool {
	for i := 1; i < len(r.Births); i++ {
		if r.Births[i-1].Dot.Compare(r.Births[i].Dot) >= 0 {
			return false
		}
	}
	for i := 1; i < len(r.Fields); i++ {
		if r.Fields[i-1].compareSlot(r.Fields[i]) >= 0 {
			return false
		}
	}
	for i := 1; i < len(r.Removed); i++ {
		if r.Removed[i-1].Compare(r.Removed[i]) >= 0 {
			return false
		}
	}
	return true
}

func appendBytes(b, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// decoder reads parts in sequence; after a failure every part reads as zero.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) fail() { d.failed, d.rest = true, nil }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads a number of elements, each of which takes at least a byte.
func (d *decoder) count() uint64 {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return n
}

func (d *decoder) byte() byte {
	if len(d.rest) < 1 {
		d.fail()
		return 0
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v
}

func (d *decoder) time() hlc.Timestamp {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return hlc.Timestamp(v)
}

func (d *decoder) dot() causal.Dot {
	dot, rest, err := causal.ConsumeDot(d.rest)
	if err != nil {
		d.fail()
		return causal.Dot{}
	}
	d.rest = rest
	return dot
}

func (d *decoder) bytes() []byte {
	n := d.count()
	if d.failed || n == 0 {
		return nil
	}
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}
