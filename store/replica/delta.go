package replica

import (
	"encoding/binary"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/p2p"
	"grapevine/store"
)

// delta is one write as it travels: what it adds to and ends in each of its
// rows, all of one partition, under one dot.
type delta struct {
	partition store.Partition // of all rows; not encoded
	dot       causal.Dot
	time      hlc.Timestamp
	rows      []store.Entry // changes, in the sense of crdt.Row
}

func (d *delta) append(b []byte) []byte {
	b = causal.AppendDot(b, d.dot)
	b = binary.BigEndian.AppendUint64(b, uint64(d.time))
	b = binary.AppendUvarint(b, uint64(len(d.rows)))
	for _, e := range d.rows {
		b = appendKey(b, e.Key)
		b = e.Row.Append(b)
	}
	return b
}

// touched is what the log of dots keeps of a write, per row: which row it was, and
// which births the write ended there.
type touched struct {
	key   store.Key
	ended []causal.Dot
}

// touched gives the rows of the delta; the coordinator saw to it that no key
// comes twice.
func (d *delta) touched() []touched {
	rows := make([]touched, len(d.rows))
	for i, e := range d.rows {
		rows[i] = touched{e.Key, e.Row.Removed}
	}
	return rows
}

func appendTouched(b []byte, rows []touched) []byte {
	b = binary.AppendUvarint(b, uint64(len(rows)))
	for _, r := range rows {
		b = appendKey(b, r.key)
		b = binary.AppendUvarint(b, uint64(len(r.ended)))
		for _, d := range r.ended {
			b = causal.AppendDot(b, d)
		}
	}
	return b
}

func consumeTouched(b []byte) ([]touched, error) {
	count, b, err := consumeCount(b)
	if err != nil {
		return nil, err
	}
	var rows []touched
	for range count {
		var r touched
		if r.key, b, err = consumeKey(b); err != nil {
			return nil, err
		}
		var ended int
		if ended, b, err = consumeCount(b); err != nil {
			return nil, err
		}
		for range ended {
			var d causal.Dot
			if d, b, err = causal.ConsumeDot(b); err != nil {
				return nil, err
			}
			r.ended = append(r.ended, d)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// consumeDelta reads a delta and refuses one that no coordinator would make:
// rows of several partitions, or births and fields under another write's dot.
func consumeDelta(b []byte, partitionOf func(store.Slot) store.Partition) (delta, []byte, error) {
	var d delta
	var err error
	if d.dot, b, err = causal.ConsumeDot(b); err != nil || d.dot.Replica == 0 || d.dot.Seq == 0 || len(b) < 8 {
		return d, nil, errMalformed
	}
	d.time, b = hlc.Timestamp(binary.BigEndian.Uint64(b)), b[8:]
	count, b, err := consumeCount(b)
	if err != nil || count == 0 {
		return d, nil, errMalformed
	}
	for i := range count {
		var e store.Entry
		if e.Key, b, err = consumeKey(b); err != nil {
			return d, nil, err
		}
		if e.Row, b, err = crdt.ConsumeRow(b); err != nil {
			return d, nil, err
		}
		if !d.made(e.Row) {
			return d, nil, errMalformed
		}
		p := partitionOf(e.Key.Slot)
		if i > 0 && p != d.partition {
			return d, nil, errMalformed
		}
		d.partition = p
		d.rows = append(d.rows, e)
	}
	return d, b, nil
}

// made says whether all that a row adds is under the delta's own dot.
func (d *delta) made(r crdt.Row) bool {
	for _, birth := range r.Births {
		if birth.Dot != d.dot {
			return false
		}
	}
	for _, f := range r.Fields {
		if f.Dot != d.dot {
			return false
		}
	}
	for _, c := range r.Cells {
		if (causal.Dot{Replica: c.Replica, Seq: c.Seq}) != d.dot {
			return false
		}
	}
	return true
}

// batch is the unit of publication and acknowledgement: deltas of one
// coordinator for one owner set.
type batch struct {
	coordinator p2p.NodeID
	number      uint64 // unique to the coordinator
	ring        uint64 // digest of the coordinator's ring view
	deltas      []delta
}

// batchVersion is the first byte of an encoded batch.
const batchVersion = 1

func (b *batch) encode() []byte {
	out := append(make([]byte, 0, 64+256*len(b.deltas)), batchVersion, byte(len(b.coordinator)))
	out = append(out, b.coordinator...)
	out = binary.BigEndian.AppendUint64(out, b.number)
	out = binary.BigEndian.AppendUint64(out, b.ring)
	out = binary.AppendUvarint(out, uint64(len(b.deltas)))
	for i := range b.deltas {
		out = b.deltas[i].append(out)
	}
	return out
}

// decodeBatch reads a whole message. The batch aliases it.
func decodeBatch(b []byte, partitionOf func(store.Slot) store.Partition) (*batch, error) {
	if len(b) > 0 && b[0] > batchVersion {
		return nil, errLater
	}
	if len(b) < 2 || b[0] != batchVersion || len(b) < 2+int(b[1])+16 {
		return nil, errMalformed
	}
	id, b := b[2:2+int(b[1])], b[2+int(b[1]):]
	out := &batch{
		coordinator: p2p.NodeID(id),
		number:      binary.BigEndian.Uint64(b),
		ring:        binary.BigEndian.Uint64(b[8:]),
	}
	count, b, err := consumeCount(b[16:])
	if err != nil {
		return nil, err
	}
	for range count {
		var d delta
		if d, b, err = consumeDelta(b, partitionOf); err != nil {
			return nil, err
		}
		out.deltas = append(out.deltas, d)
	}
	if len(b) != 0 {
		return nil, errMalformed
	}
	return out, nil
}
