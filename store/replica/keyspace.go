package replica

import (
	"encoding/binary"
	"errors"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// The engine's key space. Each kind of key begins with its own byte.
const (
	spaceData    = 'd' // slot, family, sort      -> row
	spaceIndex   = 'i' // family, sort            -> slot, for indexed families
	spaceDots    = 'l' // partition, replica, seq -> what the dot touched and ended
	spaceChanges = 'c' // last seq of a commit    -> changes of the commit
	spaceRecords = 'p' // partition               -> its record
	spaceMeta    = 'm' // name                    -> this node's own state
)

// The names in spaceMeta.
const (
	metaReplica = "replica" // this incarnation, 8 bytes
	metaClock   = "clock"   // highest timestamp issued, 8 bytes
	metaView    = "ring"    // the ring view
	metaIndexed = "indexed" // the families whose rows are all in the index, a byte each
	metaCursor  = "cursor/" // + consumer: 8 bytes
)

var errMalformed = errors.New("replica: malformed message")

func dataKey(k store.Key) []byte {
	b := make([]byte, 0, 4+len(k.Sort))
	return append(dataPrefix(b, k.Slot, k.Family), k.Sort...)
}

func dataPrefix(b []byte, slot store.Slot, family store.Family) []byte {
	b = binary.BigEndian.AppendUint16(append(b, spaceData), uint16(slot))
	return append(b, byte(family))
}

// parseDataKey is the inverse of dataKey.
func parseDataKey(b []byte) (store.Key, error) {
	if len(b) < 4 || b[0] != spaceData {
		return store.Key{}, errMalformed
	}
	return store.Key{
		Slot:   store.Slot(binary.BigEndian.Uint16(b[1:])),
		Family: store.Family(b[3]),
		Sort:   string(b[4:]),
	}, nil
}

func indexKey(family store.Family, sort string) []byte {
	b := make([]byte, 0, 2+len(sort))
	return append(append(b, spaceIndex, byte(family)), sort...)
}

func dotKey(p store.Partition, d causal.Dot) []byte {
	b := make([]byte, 0, 19)
	b = binary.BigEndian.AppendUint16(append(b, spaceDots), uint16(p))
	b = binary.BigEndian.AppendUint64(b, uint64(d.Replica))
	return binary.BigEndian.AppendUint64(b, d.Seq)
}

func parseDotKey(b []byte) (store.Partition, causal.Dot, error) {
	if len(b) != 19 || b[0] != spaceDots {
		return 0, causal.Dot{}, errMalformed
	}
	return store.Partition(binary.BigEndian.Uint16(b[1:])), causal.Dot{
		Replica: causal.Replica(binary.BigEndian.Uint64(b[3:])),
		Seq:     binary.BigEndian.Uint64(b[11:]),
	}, nil
}

func changeKey(last uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceChanges}, last)
}

func metaKey(name string) []byte { return append([]byte{spaceMeta}, name...) }

// appendKey encodes a key for messages and logs: slot, family, length, sort.
func appendKey(b []byte, k store.Key) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(k.Slot))
	b = append(b, byte(k.Family))
	b = binary.AppendUvarint(b, uint64(len(k.Sort)))
	return append(b, k.Sort...)
}

func consumeKey(b []byte) (store.Key, []byte, error) {
	if len(b) < 4 {
		return store.Key{}, nil, errMalformed
	}
	k := store.Key{Slot: store.Slot(binary.BigEndian.Uint16(b)), Family: store.Family(b[2])}
	size, n := binary.Uvarint(b[3:])
	if n <= 0 || size > store.MaxSort || size > uint64(len(b)-3-n) {
		return store.Key{}, nil, errMalformed
	}
	b = b[3+n:]
	k.Sort = string(b[:size])
	return k, b[size:], nil
}

func appendKeys(b []byte, ks []store.Key) []byte {
	b = binary.AppendUvarint(b, uint64(len(ks)))
	for _, k := range ks {
		b = appendKey(b, k)
	}
	return b
}

func consumeKeys(b []byte) ([]store.Key, []byte, error) {
	count, rest, err := consumeCount(b)
	if err != nil {
		return nil, nil, err
	}
	var ks []store.Key
	for range count {
		var k store.Key
		if k, rest, err = consumeKey(rest); err != nil {
			return nil, nil, err
		}
		ks = append(ks, k)
	}
	return ks, rest, nil
}

// consumeCount reads a number of elements, each of which takes at least a byte.
// Callers let their slices grow as elements come: a number costs its sender
// nothing.
func consumeCount(b []byte) (int, []byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return 0, nil, errMalformed
	}
	return int(count), b[n:], nil
}
