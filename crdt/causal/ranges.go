package causal

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
)

// Range is a closed interval of sequence numbers, 0 < First <= Last < MaxUint64.
type Range struct{ First, Last uint64 }

// Ranges is a set of sequence numbers as disjoint, non-adjacent ranges in
// ascending order. A replica that misses nothing needs a single range.
type Ranges []Range

// search gives the index of the first range whose Last is at least seq.
func (rs Ranges) search(seq uint64) int {
	return sort.Search(len(rs), func(i int) bool { return rs[i].Last >= seq })
}

// Contains says whether seq is in the set.
func (rs Ranges) Contains(seq uint64) bool {
	if len(rs) == 0 {
		return false
	}
	if seq <= rs[0].Last {
		return seq >= rs[0].First
	}
	i := rs.search(seq)
	return i < len(rs) && rs[i].First <= seq
}

// Add returns the set with all of r in it. The receiver's array may be reused.
func (rs Ranges) Add(r Range) Ranges {
	if n := len(rs); n == 0 || rs[n-1].Last+1 < r.First {
		return append(rs, r)
	} else if last := &rs[n-1]; last.First <= r.First {
		last.Last = max(last.Last, r.Last)
		return rs
	}
	// i is the first range that touches or follows r; j the first beyond it.
	i := sort.Search(len(rs), func(i int) bool { return rs[i].Last+1 >= r.First })
	j := i
	for ; j < len(rs) && rs[j].First <= r.Last+1; j++ {
		r.First = min(r.First, rs[j].First)
		r.Last = max(r.Last, rs[j].Last)
	}
	return slices.Replace(rs, i, j, r)
}

// Subtract returns what is in rs and not in other, in a new array.
func (rs Ranges) Subtract(other Ranges) Ranges {
	var out Ranges
	j := 0
	for _, r := range rs {
		first := r.First
		for j < len(other) && other[j].Last < first {
			j++
		}
		for k := j; k < len(other) && other[k].First <= r.Last && first <= r.Last; k++ {
			if other[k].First > first {
				out = append(out, Range{first, other[k].First - 1})
			}
			first = max(first, other[k].Last+1)
		}
		if first <= r.Last {
			out = append(out, Range{first, r.Last})
		}
	}
	return out
}

// Len gives how many sequence numbers are in the set.
func (rs Ranges) Len() uint64 {
	var n uint64
	for _, r := range rs {
		n += r.Last - r.First + 1
	}
	return n
}

// appendRanges encodes the set as a count and the varint distances between
// successive bounds.
func appendRanges(b []byte, rs Ranges) []byte {
	b = binary.AppendUvarint(b, uint64(len(rs)))
	var at uint64
	for _, r := range rs {
		b = binary.AppendUvarint(b, r.First-at)
		b = binary.AppendUvarint(b, r.Last-r.First)
		at = r.Last
	}
	return b
}

func consumeRanges(b []byte) (Ranges, []byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b))/2 { // every range takes at least two bytes
		return nil, nil, ErrMalformed
	}
	b = b[n:]
	rs := make(Ranges, 0, count)
	var at uint64
	for i := range count {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, nil, ErrMalformed
		}
		width, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return nil, nil, ErrMalformed
		}
		r := Range{First: at + gap, Last: at + gap + width}
		adjacent := i > 0 && gap < 2
		overflow := r.First < at || r.Last < r.First || r.Last == math.MaxUint64
		if r.First == 0 || adjacent || overflow {
			return nil, nil, ErrMalformed
		}
		rs, at, b = append(rs, r), r.Last, b[n+m:]
	}
	return rs, b, nil
}
