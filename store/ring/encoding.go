package ring

import (
	"encoding/binary"
	"errors"
	"math"

	"grapevine/crdt/causal"
	"grapevine/p2p"
)

// ErrMalformed is returned for bytes that are not an encoded view.
var ErrMalformed = errors.New("ring: malformed view")

// ErrLater is returned for a view that a later build has encoded.
var ErrLater = errors.New("ring: view in a later version of its encoding")

// Bounds of a view. The largest encodes to less than p2p.MaxMessage.
const (
	MaxMembers   = 4096 // those Gone included
	MaxNode      = 128  // bytes of a NodeID
	MaxZone      = 64   // bytes
	MaxClusterID = 64   // bytes
	MaxCopies    = 15

	maxPartitionBits = 16
)

// formatVersion begins every encoding.
const formatVersion = 1

// Append appends the encoding of v, which is the same for equal views.
func (v *View) Append(b []byte) []byte {
	b = append(b, formatVersion)
	b = appendString(b, v.cluster.ID)
	b = append(b, v.cluster.PartitionBits, byte(v.cluster.Copies))
	b = binary.AppendUvarint(b, uint64(len(v.members)))
	for _, m := range v.Members() {
		b = appendString(b, string(m.Node))
		b = binary.BigEndian.AppendUint64(b, uint64(m.Replica))
		b = append(b, byte(m.State))
		b = binary.AppendUvarint(b, uint64(m.Weight))
		b = appendString(b, m.Zone)
		b = binary.AppendUvarint(b, m.Epoch)
	}
	return b
}

// ConsumeView reads a view from the front of b and returns the rest. It returns
// ErrMalformed for anything that Append does not write, and ErrLater for what a later
// build's may have written.
func ConsumeView(b []byte) (*View, []byte, error) {
	d := decoder{rest: b}
	version := d.byte()
	if version > formatVersion {
		return nil, nil, ErrLater
	}
	c := Cluster{ID: d.string(MaxClusterID), PartitionBits: d.byte(), Copies: int(d.byte())}
	count := d.uvarint(MaxMembers)
	if d.failed || version != formatVersion || c != c.normal() {
		return nil, nil, ErrMalformed
	}
	v := NewView(c)
	var previous p2p.NodeID
	for range count {
		m := d.member()
		if d.failed || !m.valid() || m.Node <= previous {
			return nil, nil, ErrMalformed
		}
		v.members[m.Node], previous = m, m.Node
	}
	return v, d.rest, nil
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decoder reads parts in sequence; after a failure every part reads as zero.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) fail() { d.failed, d.rest = true, nil }

func (d *decoder) member() Member {
	return Member{
		Node:    p2p.NodeID(d.string(MaxNode)),
		Replica: causal.Replica(d.uint64()),
		State:   State(d.byte()),
		Weight:  uint32(d.uvarint(math.MaxUint32)),
		Zone:    d.string(MaxZone),
		Epoch:   d.uvarint(math.MaxUint64),
	}
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

func (d *decoder) uint64() uint64 {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return v
}

func (d *decoder) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > most {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) string(most uint64) string {
	n := d.uvarint(most)
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}
