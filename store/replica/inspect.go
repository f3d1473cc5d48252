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
	ID         store.Partition
	First      store.Slot
	Last       store.Slot
	Owners     []p2p.NodeID // in order of preference
	Coming     []p2p.NodeID
	Leader     p2p.NodeID   // the first reachable owner, empty for none
	Stored     bool         // this node is to keep a copy
	CaughtUp   bool         // and serves reads from it
	Incomplete bool         // it has never had a whole one
	Hint       bool         // kept for the owners, as a stand-in
	Moved      bool         // kept until every owner has proved its own copy
	Writes     uint64       // dots seen
	Rows       int          // stored here, those that only wait for others included
	Bytes      int64        // of them
	Log        int          // writes not known to be with every owner
	HeldBack   []p2p.NodeID // the members of which too little is known for that
	Transfer   *Transfer    // under way to this node, nil for none
	VectorSum  uint64       // equal for equal version vectors
}

// Totals sums up what this node keeps beside the rows that are its to keep.
type Totals struct {
	LogEntries int64 // writes logged until every owner is known to have them
	Marks      int64 // rows that remember removals
	Hints      int64 // partitions kept as a stand-in
	HintBytes  int64 // of the writes taken so
	Moved      int64 // partitions that moved away and are not yet dropped
	MovedBytes int64 // of their rows
}

// Totals sums up all partitions.
func (s *Store) Totals() (t Totals) {
	pl := s.placement.Load()
	if pl == nil {
		return t
	}
	for i, p := range s.partitions {
		p.mu.Lock()
		t.LogEntries += int64(p.tally.logged)
		t.Marks += int64(p.tally.marks)
		if extra := p.tally.rows > 0 || !p.vector.Empty(); extra && !pl.hold[i] {
			if p.rec.hinted > 0 {
				t.Hints++
				t.HintBytes += p.rec.hinted
			} else {
				t.Moved++
				t.MovedBytes += p.tally.bytes
			}
		}
		p.mu.Unlock()
	}
	return t
}

// Hinted says whether what is stored here of a partition is kept for its owners, as
// a stand-in.
func (s *Store) Hinted(p store.Partition) bool {
	return !s.stores(p) && s.partitions[p].record().hinted > 0
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
		s.describePartition(&st, p)
		out[i] = st
	}
	return out
}

// describePartition fills in what depends on the copy that is here.
func (s *Store) describePartition(st *PartitionStatus, p *partition) {
	if p.empty() && !st.Stored {
		return
	}
	st.VectorSum = p.vectorDigest()
	if st.Stored {
		_, st.HeldBack = s.stable(st.ID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	st.CaughtUp = st.Stored && p.caughtUp
	st.Incomplete = st.Stored && !p.rec.complete
	st.Hint = !st.Stored && p.rec.hinted > 0
	st.Moved = !st.Stored && !st.Hint
	st.Writes, st.Rows, st.Bytes, st.Log = p.vector.Len(), p.tally.rows, p.tally.bytes, p.tally.logged
	if st.Log == 0 {
		st.HeldBack = nil
	}
	if p.transfer != nil {
		st.Transfer = p.transfer.show()
	}
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
