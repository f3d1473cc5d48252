package replica

import (
	"errors"
	"fmt"

	"grapevine/store"
)

// ScanIndexHere reads rows of an indexed family that lie in some partitions from
// what this node holds. It fails with store.ErrUnavailable when the node does not
// own one of them, or has not caught up with it.
func (s *Store) ScanIndexHere(r store.IndexRange, partitions []store.Partition) ([]store.Entry, error) {
	wanted := make([]bool, len(s.partitions))
	for _, p := range partitions {
		if int(p) >= len(wanted) {
			return nil, fmt.Errorf("replica: partition %d: %w", p, store.ErrNotFound)
		}
		wanted[p] = true
	}
	entries, err := s.scanIndexLocal(r, wanted)
	if errors.Is(err, errNotServing) {
		return nil, fmt.Errorf("replica: %w: this node does not serve all of the partitions", store.ErrUnavailable)
	}
	return entries, err
}
