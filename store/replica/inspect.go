package replica

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

// PartitionStatus is what this node knows of one partition.
type PartitionStatus struct {
	ID        store.Partition
	First     store.Slot
	Last      store.Slot
	Owners    []p2p.NodeID // in order of preference
	Coming    []p2p.NodeID
	Leader    p2p.NodeID // the first reachable owner, empty for none
	Stored    bool       // this node keeps a copy
	CaughtUp  bool       // and serves reads from it
	Writes    uint64     // dots seen
	Rows      int        // rows stored here, those that only wait for others included
	VectorSum uint64     // equal for equal version vectors
}

// View gives this node's view of the ring, nil before it has joined.
func (s *Store) View() *ring.View { return s.viewNow() }

// Ring gives the placement of that view, nil before this node has joined.
func (s *Store) Ring() *ring.Ring {
	if pl := s.placement.Load(); pl != nil {
		return pl.ring
	}
	return nil
}

// Status describes all partitions, none before this node has joined.
func (s *Store) Status() []PartitionStatus {
	pl := s.placement.Load()
	if pl == nil {
		return nil
	}
	out := make([]PartitionStatus, len(s.partitions))
	for i, p := range s.partitions {
		id := store.Partition(i)
		st := PartitionStatus{ID: id, Owners: pl.ring.Owners(id), Coming: pl.ring.Coming(id), Stored: pl.hold[i]}
		st.First, st.Last = pl.ring.Slots(id)
		for _, o := range st.Owners {
			if s.alive(o) {
				st.Leader = o
				break
			}
		}
		if st.Stored {
			st.CaughtUp = p.ready()
			st.VectorSum = p.vectorDigest()
			p.mu.Lock()
			st.Writes, st.Rows = p.vector.Len(), p.rows
			p.mu.Unlock()
		}
		out[i] = st
	}
	return out
}

// Digest reads a partition's rows as stored here and gives their number and a
// hash that is equal exactly where all keys and bytes are.
func (s *Store) Digest(p store.Partition) (digest uint64, rows int, err error) {
	pl := s.placement.Load()
	if pl == nil {
		return 0, 0, store.ErrUnavailable
	}
	first, last := pl.ring.Slots(p)
	h := xxh3.New()
	err = s.engine.View(func(snapshot store.Snapshot) error {
		from := dataPrefix(nil, first, 0)
		return snapshot.Scan([]byte{spaceData}, from, false, func(key, value []byte) bool {
			if store.Slot(binary.BigEndian.Uint16(key[1:])) > last {
				return false
			}
			rows++
			var size [8]byte
			binary.BigEndian.PutUint32(size[:], uint32(len(key)))
			binary.BigEndian.PutUint32(size[4:], uint32(len(value)))
			_, _ = h.Write(size[:]) // a hash takes every write
			_, _ = h.Write(key)
			_, _ = h.Write(value)
			return true
		})
	})
	return h.Sum64(), rows, err
}
