package replica

import (
	"bytes"
	"context"
	"slices"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// dropProved drops those of some copies that do not count, moved away or kept as a
// stand-in, of which every owner is ready and has all that is here. What the owners
// were heard to have before is no proof: they are asked now.
func (s *Store) dropProved(ids []store.Partition) error {
	proofs, err := s.proofs(ids)
	for _, id := range ids {
		hint := s.partitions[id].record().hinted > 0
		if hint && mutated(dropHint) || !hint && mutated(dropCopyEarly) {
			proofs[id] = s.partitions[id].snapshot()
		}
		if proofs[id] == nil {
			continue
		}
		w := &dropping{partition: id, proved: proofs[id], done: make(chan error, 1)}
		if err := s.do(s.ctx, w); err != nil {
			return err
		}
		if err := s.finishDrop(s.ctx, id); err != nil {
			return err
		}
	}
	return err
}

// proofs asks the owners of partitions what they have. It gives, of those that all
// their owners are ready to serve, a vector that all of them cover: this node's.
func (s *Store) proofs(ids []store.Partition) (map[store.Partition]*causal.Vector, error) {
	proved := map[store.Partition]*causal.Vector{}
	asked := map[p2p.NodeID][]store.Partition{}
	for _, id := range ids {
		owners := s.placement.Load().sets[id].owners
		hopeless := func(o p2p.NodeID) bool { return s.partitions[id].owes(o) || !s.alive(o) } // as far as is known
		if len(owners) == 0 || slices.ContainsFunc(owners, hopeless) {
			continue
		}
		proved[id] = s.partitions[id].snapshot()
		for _, o := range owners {
			asked[o] = append(asked[o], id)
		}
	}
	for owner, ps := range asked {
		for chunk := range slices.Chunk(ps, vectorChunk) {
			answer, err := s.exchangeVectors(s.ctx, owner, chunk)
			if err != nil {
				return map[store.Partition]*causal.Vector{}, err
			}
			for i, id := range chunk {
				if v := proved[id]; v != nil && (!answer.ready(id) || !answer.vectors[i].Covers(v)) {
					delete(proved, id)
				}
			}
		}
	}
	return proved, nil
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
		t.rows[k] = new(staged) // what follows in the transaction must not find it
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
		rec := newRecord()
		rec.last = t.peek(w.partition).last
		t.records[w.partition] = rec
	}
	return err
}
