package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

// finishSnapshot does what is left when all rows have come.
func (s *Store) finishSnapshot(ctx context.Context, id store.Partition) error {
	for {
		sn := s.partitions[id].record().snapshot
		if sn == nil || sn.phase == copying {
			return nil
		}
		w := &snapshotRest{partition: id, done: make(chan error, 1)}
		if err := s.do(ctx, w); err != nil {
			return fmt.Errorf("partition %d: finishing a snapshot: %w", id, err)
		}
	}
}

// restChunk bounds the keys that one piece of the rest looks at.
const restChunk = 2048

// snapshotRest is a piece of what follows a snapshot. Rows may remember removals
// of births that the new base holds, and the log dots that it holds: owners that
// have seen the same must store the same.
type snapshotRest struct {
	partition store.Partition
	done      chan error
}

func (w *snapshotRest) size() int64      { return 0 }
func (w *snapshotRest) finish(err error) { w.done <- err }
func (w *snapshotRest) wait() error      { return <-w.done }

func (w *snapshotRest) add(t *txn) error {
	sn := t.peek(w.partition).snapshot
	if sn == nil || sn.phase == copying {
		return nil
	}
	var last []byte
	var err error
	if sn.phase == settling {
		last, err = w.settle(t, sn.after)
	} else {
		last, err = w.purge(t, sn.after)
	}
	if err != nil {
		return err
	}
	rec := t.record(w.partition)
	switch {
	case last != nil:
		rec.snapshot = &snapshotProgress{stable: sn.stable, phase: sn.phase, after: last}
	case sn.phase == settling:
		rec.snapshot = &snapshotProgress{stable: sn.stable, phase: purging}
	default:
		rec.snapshot = nil
	}
	return nil
}

// settle drops marks that have become needless, and gives the key it stopped at.
func (w *snapshotRest) settle(t *txn, after []byte) (last []byte, err error) {
	seen := 0
	err = t.s.scanPartition(t.snapshot, w.partition, after, func(key, value []byte) (bool, error) {
		seen++
		row, _, err := crdt.ConsumeRow(value)
		if err != nil {
			return false, err
		}
		if len(row.Removed) > 0 {
			k, err := parseDataKey(key)
			if err != nil {
				return false, err
			}
			if err := t.merge(k, t.context(w.partition), crdt.Row{}, causal.Nothing{}); err != nil {
				return false, err
			}
		}
		if seen < restChunk && t.size() <= t.s.engine.MaxBatch()/3 {
			return true, nil
		}
		last = bytes.Clone(key)
		return false, nil
	})
	return last, err
}

// purge drops log entries that the base holds, and gives the key it stopped at.
func (w *snapshotRest) purge(t *txn, after []byte) (last []byte, err error) {
	base, seen := t.peek(w.partition).base, 0
	prefix := dotKey(w.partition, causal.Dot{})[:3]
	var failed error
	err = t.snapshot.Scan(prefix, after, false, func(key, _ []byte) bool {
		seen++
		_, d, err := parseDotKey(key)
		if failed = err; err != nil {
			return false
		}
		if base.Contains(d) && !bytes.Equal(key, after) {
			t.batch.Delete(bytes.Clone(key))
			t.grow(w.partition).logged--
		}
		if seen < restChunk {
			return true
		}
		last = bytes.Clone(key)
		return false
	})
	return last, errors.Join(err, failed)
}
