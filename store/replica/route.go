package replica

import (
	"context"

	"grapevine/crdt"
	"grapevine/p2p"
	"grapevine/store"
)

// Get implements store.Rows.
func (s *Store) Get(ctx context.Context, k store.Key) (crdt.Row, error) {
	rows, err := s.getAt(ctx, s.partitionOf(k.Slot), []store.Key{k})
	if err != nil {
		return crdt.Row{}, err
	}
	if !rows[0].Exists() {
		return crdt.Row{}, store.ErrNotFound
	}
	return rows[0], nil
}

// getAt reads keys of one partition at its best owner.
func (s *Store) getAt(ctx context.Context, p store.Partition, ks []store.Key) ([]crdt.Row, error) {
	d := demandOf(ctx, p)
	return job[[]crdt.Row]{
		s: s, op: OpRead, partition: p, order: s.orderFor(OpRead, p),
		local: func(ctx context.Context) (rows []crdt.Row, err error) {
			err = s.readHere(ctx, p, d, func() (err error) {
				rows, err = s.getLocal(ks)
				return err
			})
			return rows, err
		},
		remote: func(ctx context.Context, node p2p.NodeID) ([]crdt.Row, error) {
			return s.getRemote(ctx, node, p, d, ks)
		},
	}.run(ctx)
}

// GetMany implements store.Rows.
func (s *Store) GetMany(ctx context.Context, ks []store.Key) ([]crdt.Row, error) {
	return many[store.Key, crdt.Row]{
		s: s, slot: func(k store.Key) store.Slot { return k.Slot }, local: s.getLocal, at: s.getAt,
	}.run(ctx, ks)
}

// CountMany implements store.Rows.
func (s *Store) CountMany(ctx context.Context, rs []store.Range) ([]int, error) {
	return many[store.Range, int]{
		s: s, slot: func(r store.Range) store.Slot { return r.Slot }, local: s.countLocal, at: s.countAt,
	}.run(ctx, rs)
}

// many is a read of many things of any partitions: Q asks for one, A answers.
type many[Q, A any] struct {
	s     *Store
	slot  func(Q) store.Slot
	local func([]Q) ([]A, error)                                            // from the rows of this node
	at    func(ctx context.Context, p store.Partition, qs []Q) ([]A, error) // of one partition, at its best owner
}

// run reads all at once where this node may answer for all, else partition by
// partition.
func (m many[Q, A]) run(ctx context.Context, qs []Q) ([]A, error) {
	byPartition := map[store.Partition][]int{}
	here := true
	for i, q := range qs {
		p := m.s.partitionOf(m.slot(q))
		byPartition[p] = append(byPartition[p], i)
		here = here && m.s.serves(p)
	}
	if here {
		for p := range byPartition {
			if err := m.s.meet(ctx, p, demandOf(ctx, p)); err != nil {
				here = false
			}
		}
	}
	if here {
		as, err := m.local(qs)
		for p := range byPartition {
			here = here && m.s.serves(p)
		}
		if here || err != nil {
			return as, err
		}
	}
	return m.gather(ctx, qs, byPartition)
}

// gatherers bounds the owners asked at a time for one page.
const gatherers = 16

func (m many[Q, A]) gather(ctx context.Context, qs []Q, byPartition map[store.Partition][]int) ([]A, error) {
	out := make([]A, len(qs))
	group, ctx := groupWithLimit(ctx, gatherers)
	for p, at := range byPartition {
		group.Go(func() error {
			mine := make([]Q, len(at))
			for i, j := range at {
				mine[i] = qs[j]
			}
			as, err := m.at(ctx, p, mine)
			for i, a := range as {
				out[at[i]] = a
			}
			return err
		})
	}
	return out, group.Wait()
}

// Scan implements store.Rows.
func (s *Store) Scan(ctx context.Context, r store.Range) ([]store.Entry, error) {
	p := s.partitionOf(r.Slot)
	d := demandOf(ctx, p)
	return job[[]store.Entry]{
		s: s, op: OpScan, partition: p, order: s.orderFor(OpScan, p),
		local: func(ctx context.Context) (out []store.Entry, err error) {
			err = s.readHere(ctx, p, d, func() (err error) {
				out, err = s.scanLocal(r)
				return err
			})
			return out, err
		},
		remote: func(ctx context.Context, node p2p.NodeID) ([]store.Entry, error) {
			return s.scanRemote(ctx, node, p, d, r)
		},
	}.run(ctx)
}

// Count implements store.Rows.
func (s *Store) Count(ctx context.Context, r store.Range) (int, error) {
	counts, err := s.countAt(ctx, s.partitionOf(r.Slot), []store.Range{r})
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

// countAt counts ranges of one partition at its best owner.
func (s *Store) countAt(ctx context.Context, p store.Partition, rs []store.Range) ([]int, error) {
	d := demandOf(ctx, p)
	return job[[]int]{
		s: s, op: OpScan, partition: p, order: s.orderFor(OpScan, p),
		local: func(ctx context.Context) (counts []int, err error) {
			err = s.readHere(ctx, p, d, func() (err error) {
				counts, err = s.countLocal(rs)
				return err
			})
			return counts, err
		},
		remote: func(ctx context.Context, node p2p.NodeID) ([]int, error) {
			return s.countRemote(ctx, node, p, d, rs)
		},
	}.run(ctx)
}
