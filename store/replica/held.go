package replica

import (
	"fmt"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

// Held gives rows of one partition as they lie on this node's disk, whether or not
// the node owns the partition and has caught up with it, and which dots it has seen
// there. The dots are read first: a row is never older than they say. A row of
// which nothing is here is the zero Row. It fails with store.ErrUnavailable before
// this node has joined, and when a key is of another partition.
func (s *Store) Held(p store.Partition, keys []store.Key) ([]crdt.Row, *causal.Vector, error) {
	place := s.placement.Load()
	if place == nil || int(p) >= len(s.partitions) {
		return nil, nil, store.ErrUnavailable
	}
	for _, k := range keys {
		if s.partitionOf(k.Slot) != p {
			return nil, nil, fmt.Errorf("replica: key %s is not of partition %d", k, p)
		}
	}
	seen := s.partitions[p].snapshot()
	rows, err := s.getLocal(keys)
	return rows, seen, err
}
