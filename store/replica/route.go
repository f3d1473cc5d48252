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
	byPartition := map[store.Partition][]int{}
	here := true
	for i, k := range ks {
		p := s.partitionOf(k.Slot)
		byPartition[p] = append(byPartition[p], i)
		here = here && s.serves(p)
	}
	if here {
		for p := range byPartition {
			if err := s.meet(ctx, p, demandOf(ctx, p)); err != nil {
				here = false
			}
		}
	}
	if here {
		rows, err := s.getLocal(ks)
		for p := range byPartition {
			here = here && s.serves(p)
		}
		if here || err != nil {
			return rows, err
		}
	}
	return s.gather(ctx, ks, byPartition)
}

// gatherers bounds the owners asked at a time for one page.
const gatherers = 16

func (s *Store) gather(ctx context.Context, ks []store.Key, byPartition map[store.Partition][]int) ([]crdt.Row, error) {
	out := make([]crdt.Row, len(ks))
	group, ctx := groupWithLimit(ctx, gatherers)
	for p, at := range byPartition {
		group.Go(func() error {
			mine := make([]store.Key, len(at))
			for i, j := range at {
				mine[i] = ks[j]
			}
			rows, err := s.getAt(ctx, p, mine)
			for i, row := range rows {
				out[at[i]] = row
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
	p := s.partitionOf(r.Slot)
	d := demandOf(ctx, p)
	return job[int]{
		s: s, op: OpScan, partition: p, order: s.orderFor(OpScan, p),
		local: func(ctx context.Context) (n int, err error) {
			err = s.readHere(ctx, p, d, func() (err error) {
				n, err = s.countLocal(r)
				return err
			})
			return n, err
		},
		remote: func(ctx context.Context, node p2p.NodeID) (int, error) {
			var reply readReply
			err := s.ask(ctx, node, readRequest{Partition: p, Demand: d, Range: &r, Count: true}, &reply)
			return reply.Count, err
		},
	}.run(ctx)
}
