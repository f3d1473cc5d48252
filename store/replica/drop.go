package replica

import (
	"bytes"
	"context"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// dropIfProved drops a copy that does not count, moved away or kept as a stand-in,
// once every owner serves the partition and has all that is here. What the owners
// were heard to have before is no proof: they are asked now.
func (s *Store) dropIfProved(id store.Partition) error {
	p := s.partitions[id]
	if p.empty() {
		return nil
	}
	proved, err := s.proved(id)
	hint := p.record().hinted > 0
	if hint && mutated(dropHint) || !hint && mutated(dropCopyEarly) {
		proved, err = p.snapshot(), nil
	}
	if proved == nil || err != nil {
		return err
	}
	if err := s.do(s.ctx, &dropping{partition: id, proved: proved, done: make(chan error, 1)}); err != nil {
		return err
	}
	return s.finishDrop(s.ctx, id)
}

// proved asks all owners of a partition what they have. It gives what all of them
// serve, nil when that is not all that is here.
func (s *Store) proved(id store.Partition) (*causal.Vector, error) {
	p := s.partitions[id]
	owners := s.placement.Load().sets[id].owners
	if len(owners) == 0 {
		return nil, nil
	}
	for _, o := range owners { // what is known may save the asking
		if p.owes(o) || !s.alive(o) {
			return nil, nil
		}
	}
	common := p.snapshot()
	for _, o := range owners {
		answer, err := s.exchangeVectors(s.ctx, o, []store.Partition{id})
		if err != nil {
			return nil, err
		}
		if !answer.ready(id) || !answer.vectors[0].Covers(common) {
			return nil, nil
		}
	}
	return common, nil
}

// dropping is the work of making a copy one that no longer exists. Its vector goes
// with its rows, in one commit: a vector without them would tell others that they
// were removed.
type dropping struct {
	partition store.Partition
	proved    *causal.Vector
	done      chan error
}

func (w *dropping) size() int64      { return 0 }
func (w *dropping) finish(err error) { w.done <- err }
func (w *dropping) wait() error      { return <-w.done }

func (w *dropping) add(t *txn) error {
	p := t.s.partitions[w.partition]
	ctx := t.context(w.partition)
	if t.s.stores(w.partition) || !ctx.adding.Empty() || !w.proved.Covers(ctx.applied) {
		return nil // it is wanted again, or more has come meanwhile
	}
	rec, used := newRecord(), t.peek(w.partition)
	rec.dropping, rec.last = true, used.last
	if r := t.identity.replica; ctx.applied.Max(r) > 0 {
		rec.last = causal.Dot{Replica: r, Seq: max(ctx.applied.Max(r), lastOf(used.last, r))}
	}
	t.records[w.partition] = rec
	t.then = append(t.then, func() {
		p.vanish()
		t.s.metrics.dropped.Inc()
	})
	return nil
}

func lastOf(d causal.Dot, r causal.Replica) uint64 {
	if d.Replica == r {
		return d.Seq
	}
	return 0
}

// finishDrop deletes the entries of a copy that no longer exists.
func (s *Store) finishDrop(ctx context.Context, id store.Partition) error {
	for s.partitions[id].record().dropping {
		if err := s.do(ctx, &sweeping{partition: id, done: make(chan error, 1)}); err != nil {
			return err
		}
	}
	s.kickSync("") // it may be wanted again by now
	return nil
}

// sweepChunk bounds the entries that are deleted in one commit.
const sweepChunk = 1024

// sweeping is the work of deleting some of a dropped copy's entries.
type sweeping struct {
	partition store.Partition
	done      chan error
}

func (w *sweeping) size() int64      { return 0 }
func (w *sweeping) finish(err error) { w.done <- err }
func (w *sweeping) wait() error      { return <-w.done }

func (w *sweeping) add(t *txn) error {
	if !t.peek(w.partition).dropping {
		return nil
	}
	left := sweepChunk
	err := t.s.scanPartition(t.snapshot, w.partition, nil, func(key, _ []byte) (bool, error) {
		k, err := parseDataKey(key)
		if err != nil {
			return false, err
		}
		t.batch.Delete(bytes.Clone(key))
		t.gone = append(t.gone, k)
		if t.s.cfg.Indexed(k.Family) {
			t.batch.Delete(indexKey(k.Family, k.Sort))
		}
		left--
		return left > 0, nil
	})
	if err != nil {
		return err
	}
	if left > 0 {
		prefix := dotKey(w.partition, causal.Dot{})[:3]
		err = t.snapshot.Scan(prefix, nil, false, func(key, _ []byte) bool {
			t.batch.Delete(bytes.Clone(key))
			left--
			return left > 0
		})
	}
	if err == nil && left > 0 {
		p := t.s.partitions[w.partition]
		rec := newRecord()
		rec.last = t.peek(w.partition).last
		t.records[w.partition] = rec
		t.then = append(t.then, p.nothingStored)
	}
	return err
}

// nothingStored resets the counts of a copy that is gone to the last entry.
func (p *partition) nothingStored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally = tally{}
}
