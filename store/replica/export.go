package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// Export reads a partition as of one moment: begin is told of the writes that it
// holds, and then row of each visible row, in the order of keys. The engine keeps
// that moment until Export returns, so that a consumer which takes long costs it
// space.
//
// An owner first brings here what a majority of the owners has, as far as one can
// be reached: a write that was acknowledged before Export was called, with two
// copies of three, is then in it. A node that is not an owner, or has not caught
// up, refuses with an error that wraps store.ErrUnavailable, unless asIs asks for
// what it holds, whatever that is.
func (s *Store) Export(ctx context.Context, p store.Partition, asIs bool, begin func(*causal.Vector) error, row func(store.Entry) error) error {
	place := s.placement.Load()
	switch {
	case place == nil:
		return store.ErrUnavailable
	case int(p) >= len(s.partitions):
		return fmt.Errorf("replica: partition %d: %w", p, store.ErrNotFound)
	case !asIs && !s.serves(p):
		return fmt.Errorf("replica: partition %d: %w: this node does not own it or has not caught up", p, store.ErrUnavailable)
	case !asIs:
		if err := s.consult(ctx, p); err != nil && !errors.Is(err, store.ErrUnavailable) {
			return err
		}
	}
	if err := begin(s.partitions[p].snapshot()); err != nil {
		return err
	}
	first, last := place.ring.Slots(p)
	return s.engine.View(func(snapshot store.Snapshot) error {
		return eachRow(snapshot, first, last, row)
	})
}

// eachRow visits the visible rows of a range of slots.
func eachRow(snapshot store.Snapshot, first, last store.Slot, visit func(store.Entry) error) error {
	var failed error
	err := snapshot.Scan([]byte{spaceData}, dataPrefix(nil, first, 0), false, func(key, value []byte) bool {
		if store.Slot(binary.BigEndian.Uint16(key[1:])) > last {
			return false
		}
		var e store.Entry
		if e, failed = readEntry(key, value); failed != nil {
			return false
		}
		if e.Row.Exists() {
			failed = visit(e)
		}
		return failed == nil
	})
	return errors.Join(failed, err)
}
