package causal

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Vector is a version vector with exceptions: for every replica, exactly which
// of its sequence numbers have been seen. It is a set of dots that grows only,
// and is therefore itself a CRDT under Merge. The zero value is not usable;
// make one with NewVector. A Vector is not safe for concurrent use.
type Vector struct {
	seen map[Replica]Ranges
}

// NewVector returns a vector that has seen nothing.
func NewVector() *Vector { return &Vector{seen: map[Replica]Ranges{}} }

// Contains says whether d has been seen.
func (v *Vector) Contains(d Dot) bool { return v.seen[d.Replica].Contains(d.Seq) }

// Add records that d has been seen.
func (v *Vector) Add(d Dot) { v.AddRange(d.Replica, Range{d.Seq, d.Seq}) }

// AddRange records that all of r's sequence numbers of a replica were seen.
func (v *Vector) AddRange(replica Replica, r Range) {
	v.seen[replica] = v.seen[replica].Add(r)
}

// Merge adds all that o has seen.
func (v *Vector) Merge(o *Vector) {
	for replica, rs := range o.seen {
		for _, r := range rs {
			v.AddRange(replica, r)
		}
	}
}

// Max gives the highest sequence number seen of a replica, 0 for none.
func (v *Vector) Max(replica Replica) uint64 {
	rs := v.seen[replica]
	if len(rs) == 0 {
		return 0
	}
	return rs[len(rs)-1].Last
}

// Missing gives the dots that o has seen and v has not.
func (v *Vector) Missing(o *Vector) *Vector {
	missing := NewVector()
	for replica, theirs := range o.seen {
		if rs := theirs.Subtract(v.seen[replica]); len(rs) > 0 {
			missing.seen[replica] = rs
		}
	}
	return missing
}

// Empty says whether nothing has been seen.
func (v *Vector) Empty() bool { return len(v.seen) == 0 }

// Len gives the number of dots seen.
func (v *Vector) Len() uint64 {
	var n uint64
	for _, rs := range v.seen {
		n += rs.Len()
	}
	return n
}

// Covers says whether v has seen everything that o has.
func (v *Vector) Covers(o *Vector) bool { return v.Missing(o).Empty() }

// Clone returns an independent copy.
func (v *Vector) Clone() *Vector {
	c := NewVector()
	for replica, rs := range v.seen {
		c.seen[replica] = slices.Clone(rs)
	}
	return c
}

// Replicas gives the replicas of which something has been seen, ascending.
func (v *Vector) Replicas() []Replica { return slices.Sorted(maps.Keys(v.seen)) }

// Ranges gives what has been seen of a replica. The caller must not change it.
func (v *Vector) Ranges(replica Replica) Ranges { return v.seen[replica] }

// Append appends the encoding of v, which is the same for equal vectors.
func (v *Vector) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v.seen)))
	for _, replica := range v.Replicas() {
		b = binary.BigEndian.AppendUint64(b, uint64(replica))
		b = appendRanges(b, v.seen[replica])
	}
	return b
}

// ConsumeVector reads a vector from the front of b and returns the rest.
func ConsumeVector(b []byte) (*Vector, []byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, nil, ErrMalformed
	}
	b = b[n:]
	v := NewVector()
	var previous Replica
	for range count {
		if len(b) < 8 {
			return nil, nil, ErrMalformed
		}
		replica := Replica(binary.BigEndian.Uint64(b))
		rs, rest, err := consumeRanges(b[8:])
		if err != nil {
			return nil, nil, err
		}
		if replica <= previous || len(rs) == 0 {
			return nil, nil, ErrMalformed
		}
		v.seen[replica], previous, b = rs, replica, rest
	}
	return v, b, nil
}
