// Package causal holds the arithmetic of causality: dots that name single
// writes, and version vectors that say exactly which dots a replica has.
//
// The terms are those of Almeida, Baquero, Gonçalves, Preguiça and Fonte,
// "Scalable and Accurate Causality Tracking for Eventually Consistent Stores"
// (2014), and of DottedDB (2017).
package causal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrMalformed is returned for bytes that are not an encoding of this package.
var ErrMalformed = errors.New("causal: malformed encoding")

// Replica names one incarnation of one node's disk. It is drawn at random when
// a data directory is made and is never 0 in a valid dot.
type Replica uint64

// String gives the replica as 16 hex digits.
func (r Replica) String() string { return fmt.Sprintf("%016x", uint64(r)) }

// Dot names one write: the replica that coordinated it and that replica's
// sequence number within the write's partition. Sequences start at 1; the zero
// Dot names no write.
type Dot struct {
	Replica Replica
	Seq     uint64
}

// IsZero says whether d names no write.
func (d Dot) IsZero() bool { return d == Dot{} }

// Compare orders dots by replica, then sequence. The order is total and has no
// causal meaning; it makes encodings deterministic and breaks ties.
func (d Dot) Compare(o Dot) int {
	if c := cmp.Compare(d.Replica, o.Replica); c != 0 {
		return c
	}
	return cmp.Compare(d.Seq, o.Seq)
}

// String gives the dot as REPLICA:SEQ.
func (d Dot) String() string { return d.Replica.String() + ":" + strconv.FormatUint(d.Seq, 10) }

// ParseDot reads what Dot.String wrote.
func ParseDot(s string) (Dot, error) {
	replica, seq, ok := strings.Cut(s, ":")
	if !ok {
		return Dot{}, ErrMalformed
	}
	r, err := strconv.ParseUint(replica, 16, 64)
	if err != nil {
		return Dot{}, ErrMalformed
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return Dot{}, ErrMalformed
	}
	return Dot{Replica: Replica(r), Seq: n}, nil
}

// AppendDot appends the encoding of d: 8 bytes of replica, a varint of sequence.
func AppendDot(b []byte, d Dot) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(d.Replica))
	return binary.AppendUvarint(b, d.Seq)
}

// ConsumeDot reads a dot from the front of b and returns the rest.
func ConsumeDot(b []byte) (Dot, []byte, error) {
	if len(b) < 9 {
		return Dot{}, nil, ErrMalformed
	}
	r := binary.BigEndian.Uint64(b)
	seq, n := binary.Uvarint(b[8:])
	if n <= 0 || seq == math.MaxUint64 { // there must be a next
		return Dot{}, nil, ErrMalformed
	}
	return Dot{Replica: Replica(r), Seq: seq}, b[8+n:], nil
}

// Context answers whether a write has been seen, be it still visible or since
// removed or superseded.
type Context interface {
	Contains(Dot) bool
}

// Nothing is the context that has seen no write.
type Nothing struct{}

// Contains is always false.
func (Nothing) Contains(Dot) bool { return false }
