package crdt

import (
	"encoding/binary"
	"errors"

	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
)

// ErrMalformed is returned for bytes that are not an encoded row.
var ErrMalformed = errors.New("crdt: malformed row")

// withCells is added to the count of births, which begins the encoding of a row,
// when cells end it. So many births fit into no message.
const withCells = 1 << 20

// Append appends the encoding of r, which is the same for equal rows: replicas
// compare their state by its bytes.
func (r Row) Append(b []byte) []byte {
	births := uint64(len(r.Births))
	if len(r.Cells) > 0 {
		births += withCells
	}
	b = binary.AppendUvarint(b, births)
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
	if len(r.Cells) > 0 {
		b = appendCells(b, r.Cells)
	}
	return b
}

func appendCells(b []byte, cells []Cell) []byte {
	b = binary.AppendUvarint(b, uint64(len(cells)))
	for _, c := range cells {
		b = append(b, c.ID)
		b = causal.AppendDot(b, c.Birth)
		b = causal.AppendDot(b, causal.Dot{Replica: c.Replica, Seq: c.Seq})
		b = binary.AppendVarint(b, c.Value)
	}
	return b
}

// EncodedExists says of an encoded row whether it exists, at less cost than reading
// it.
func EncodedExists(b []byte) (bool, error) {
	births, n := binary.Uvarint(b)
	if n <= 0 {
		return false, ErrMalformed
	}
	return births != 0 && births != withCells, nil
}

// ConsumeRow reads a row from the front of b and returns the rest. The row's
// values alias b.
func ConsumeRow(b []byte) (Row, []byte, error) {
	d := decoder{rest: b}
	var r Row
	births := d.uvarint()
	for n := d.bounded(births &^ withCells); n > 0 && !d.failed; n-- {
		r.Births = append(r.Births, Birth{Dot: d.dot(), Time: d.time(), Value: d.bytes()})
	}
	for n := d.count(); n > 0 && !d.failed; n-- {
		r.Fields = append(r.Fields, Field{ID: d.byte(), Birth: d.dot(), Dot: d.dot(), Time: d.time(), Value: d.bytes()})
	}
	for n := d.count(); n > 0 && !d.failed; n-- {
		r.Removed = append(r.Removed, d.dot())
	}
	hasCells := births&withCells != 0
	if hasCells {
		r.Cells = d.cells()
	}
	if d.failed || hasCells && len(r.Cells) == 0 || !r.ordered() {
		return Row{}, nil, ErrMalformed
	}
	return r, d.rest, nil
}

// ordered says whether r's slices ascend strictly, as binary search over them
// and the uniqueness of the encoding require.
func (r Row) ordered() bool {
	return ascends(r.Births, func(a, b Birth) int { return a.Dot.Compare(b.Dot) }) &&
		ascends(r.Fields, Field.compareSlot) &&
		ascends(r.Cells, Cell.compareSlot) &&
		ascends(r.Removed, causal.Dot.Compare)
}

func ascends[T any](vs []T, compare func(T, T) int) bool {
	for i := 1; i < len(vs); i++ {
		if compare(vs[i-1], vs[i]) >= 0 {
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

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads a number of elements.
func (d *decoder) count() uint64 { return d.bounded(d.uvarint()) }

// bounded refuses a number of elements that cannot follow: each takes at least a
// byte.
func (d *decoder) bounded(n uint64) uint64 {
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

func (d *decoder) cells() []Cell {
	var cells []Cell
	for n := d.count(); n > 0 && !d.failed; n-- {
		c := Cell{ID: d.byte(), Birth: d.dot()}
		last := d.dot()
		c.Replica, c.Seq, c.Value = last.Replica, last.Seq, d.varint()
		cells = append(cells, c)
	}
	return cells
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
