package schema

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"grapevine/crdt"
)

// ReadMark says which notifications were read: not all up to a time, as one that
// came late from another side of a split was not there to be read.
type ReadMark struct{ hashes map[uint32]bool }

const hashBytes = 4

// EncodeReadMark gives the value of a NotificationRead row: of each notification that
// was read, 32 bits of a hash.
func EncodeReadMark(ids []string) []byte {
	hashes := make([]uint32, len(ids))
	for i, id := range ids {
		hashes[i] = hashOf(id)
	}
	slices.Sort(hashes)
	b := make([]byte, 1, 1+hashBytes*len(hashes))
	b[0] = readVersion
	for _, h := range slices.Compact(hashes) {
		b = binary.BigEndian.AppendUint32(b, h)
	}
	return b
}

// Add adds what a NotificationRead row says: of two that were written concurrently,
// both.
func (m *ReadMark) Add(row crdt.Row) error {
	if m.hashes == nil {
		m.hashes = map[uint32]bool{}
	}
	for _, birth := range row.Births {
		b := birth.Value
		if len(b)%hashBytes != 1 || b[0] != readVersion {
			return fmt.Errorf("%w: marker of %d bytes", ErrMalformed, len(b))
		}
		for b = b[1:]; len(b) > 0; b = b[hashBytes:] {
			m.hashes[binary.BigEndian.Uint32(b)] = true
		}
	}
	return nil
}

// Has says whether a notification was read.
func (m ReadMark) Has(id string) bool { return m.hashes[hashOf(id)] }

func hashOf(id string) uint32 { return uint32(xxh3.HashString(id)) }
