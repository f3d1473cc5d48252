package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/p2p"
	"grapevine/store"
)

// Router orders peers by how well they have been answering. Routers are told of
// every call.
type Router interface {
	// Order returns the peers, best first. Peers thought dead come last, for they
	// may yet answer.
	Order(peers []p2p.NodeID) []p2p.NodeID
	// Observe notes how long a call to a peer took, and its error.
	Observe(peer p2p.NodeID, took time.Duration, err error)
}

// giveUp bounds how long a read or write goes from owner to owner.
const giveUp = 2 * time.Second

// atOwner runs a request at the best owner that will take it: here, by local, or
// at a peer, by remote. Owners that cannot be reached, are not serving, or lack
// the session's writes are passed over, and asked again until giveUp.
// Where no owner is believed alive one round is enough.
func (s *Store) atOwner(ctx context.Context, p store.Partition, order []p2p.NodeID,
	local func() error, remote func(context.Context, p2p.NodeID) error,
) error {
	deadline := time.Now().Add(giveUp)
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		err := s.tryOwners(ctx, order, local, remote)
		over := ctx.Err() != nil || s.ctx.Err() != nil || time.Now().Add(pause).After(deadline)
		if err == nil || !passOver(err) || over || !s.anyOwner(p) {
			return err
		}
		if !sleep(ctx, pause) {
			return err
		}
	}
}

func (s *Store) tryOwners(ctx context.Context, order []p2p.NodeID,
	local func() error, remote func(context.Context, p2p.NodeID) error,
) error {
	result := errAllAway
	for _, node := range order {
		var err error
		if node == s.cfg.Self {
			err = local()
		} else {
			began := time.Now()
			err = remote(ctx, node)
			s.cfg.Router.Observe(node, time.Since(began), err)
		}
		if err == nil || !passOver(err) {
			return err
		}
		switch {
		case errors.Is(err, store.ErrBehind), errors.Is(err, store.ErrOverloaded), errors.Is(err, store.ErrNoSpace):
			result = err // says more than that the others are away
		case result == errAllAway && !errors.Is(err, p2p.ErrUnreachable): //nolint:errorlint // this very error
			result = store.ErrUnavailable
		}
	}
	return result
}

// errAllAway is returned where no owner could be reached at all, which a stand-in
// can make up for. One that answers that it does not serve yet is there.
var errAllAway = fmt.Errorf("%w: none could be reached", store.ErrUnavailable)

// passOver says whether another owner may do better.
func passOver(err error) bool {
	for _, e := range []error{
		errNotServing, store.ErrBehind, store.ErrUnavailable, store.ErrOverloaded, store.ErrNoSpace,
		store.ErrEngineClosed, // nothing was applied: the owner is shutting down
		p2p.ErrUnreachable, p2p.ErrOverloaded, p2p.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// readOrder gives the owners of a partition in the order to ask: this node when
// it serves the data, then the rest by health.
func (s *Store) readOrder(p store.Partition) []p2p.NodeID {
	place := s.placement.Load()
	if place == nil {
		return nil
	}
	others := s.cfg.Router.Order(place.sets[p].owners)
	if place.own[p] {
		return append([]p2p.NodeID{s.cfg.Self}, others...)
	}
	return others
}

// serialOrder gives the owners in the ring's own order, the reachable ones
// first: all nodes that see the same members choose the same coordinator.
func (s *Store) serialOrder(p store.Partition) []p2p.NodeID {
	place := s.placement.Load()
	if place == nil {
		return nil
	}
	order := slices.Clone(place.ring.Owners(p))
	slices.SortStableFunc(order, func(a, b p2p.NodeID) int {
		switch aliveA, aliveB := s.alive(a), s.alive(b); {
		case aliveA == aliveB:
			return 0
		case aliveA:
			return -1
		default:
			return 1
		}
	})
	return order
}

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
func (s *Store) getAt(ctx context.Context, p store.Partition, ks []store.Key) (rows []crdt.Row, err error) {
	d := demandOf(ctx, p)
	err = s.atOwner(ctx, p, s.readOrder(p),
		func() error {
			return s.readHere(ctx, p, d, func() error {
				rows, err = s.getLocal(ks)
				return err
			})
		},
		func(ctx context.Context, node p2p.NodeID) error {
			rows, err = s.getRemote(ctx, node, p, d, ks)
			return err
		})
	return rows, err
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
func (s *Store) Scan(ctx context.Context, r store.Range) (out []store.Entry, err error) {
	p := s.partitionOf(r.Slot)
	d := demandOf(ctx, p)
	err = s.atOwner(ctx, p, s.readOrder(p),
		func() error {
			return s.readHere(ctx, p, d, func() error {
				out, err = s.scanLocal(r)
				return err
			})
		},
		func(ctx context.Context, node p2p.NodeID) error {
			out, err = s.scanRemote(ctx, node, p, d, r)
			return err
		})
	return out, err
}

// Count implements store.Rows.
func (s *Store) Count(ctx context.Context, r store.Range) (n int, err error) {
	p := s.partitionOf(r.Slot)
	d := demandOf(ctx, p)
	err = s.atOwner(ctx, p, s.readOrder(p),
		func() error {
			return s.readHere(ctx, p, d, func() error {
				n, err = s.countLocal(r)
				return err
			})
		},
		func(ctx context.Context, node p2p.NodeID) error {
			var reply readReply
			err := s.ask(ctx, node, readRequest{Partition: p, Demand: d, Range: &r, Count: true}, &reply)
			n = reply.Count
			return err
		})
	return n, err
}
