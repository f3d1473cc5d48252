package replica

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"grapevine/p2p"
	"grapevine/store"
)

// share is the part of a scan over all partitions that one node answers.
type share struct {
	node    p2p.NodeID
	wanted  []bool // by partition
	needs   []partitionDemand
	entries []store.Entry
	err     error
}

// ScanIndex implements store.Rows. What one owner cannot answer the next is
// asked for.
func (s *Store) ScanIndex(ctx context.Context, r store.IndexRange) ([]store.Entry, store.Coverage, error) {
	place := s.placement.Load()
	if place == nil {
		return nil, store.Coverage{}, store.ErrUnavailable
	}
	coverage := store.Coverage{Asked: len(s.partitions)}
	missing := make([]bool, len(s.partitions))
	for i := range missing {
		missing[i] = true
	}
	var out []store.Entry
	var failed error
	failedAt := map[p2p.NodeID]bool{}
	for coverage.Answered < coverage.Asked {
		shares := s.cover(ctx, place, missing, failedAt)
		if len(shares) == 0 {
			break
		}
		for _, sh := range s.scanShares(ctx, place, shares, r) {
			if sh.err != nil {
				failedAt[sh.node] = true
				failed = worse(failed, sh.err)
				continue
			}
			out = append(out, sh.entries...)
			for p, wanted := range sh.wanted {
				if wanted {
					missing[p] = false
					coverage.Answered++
				}
			}
		}
	}
	if coverage.Answered == 0 && failed == nil {
		failed = store.ErrUnavailable
	}
	// A session that is behind must not take a partial answer for a whole one.
	if coverage.Answered == 0 || coverage.Answered < coverage.Asked && errors.Is(failed, store.ErrBehind) {
		return nil, coverage, failed
	}
	slices.SortFunc(out, func(a, b store.Entry) int {
		if r.Reverse {
			a, b = b, a
		}
		return strings.Compare(a.Key.Sort, b.Key.Sort)
	})
	return out[:min(len(out), r.Limit)], coverage, nil
}

// worse keeps the error that tells a client more.
func worse(a, b error) error {
	if errors.Is(a, store.ErrBehind) {
		return a
	}
	if passOver(b) && !errors.Is(b, store.ErrBehind) {
		return store.ErrUnavailable
	}
	return b
}

// cover deals the missing partitions to owners that have not failed: to this node
// what it serves, and the rest so that few nodes are asked.
func (s *Store) cover(ctx context.Context, place *placement, missing []bool, failed map[p2p.NodeID]bool) []*share {
	var shares []*share
	at := map[p2p.NodeID]*share{}
	for i := range s.partitions {
		p := store.Partition(i)
		if !missing[p] {
			continue
		}
		node := s.coverer(place, p, failed, at)
		if node == "" {
			continue
		}
		sh := at[node]
		if sh == nil {
			sh = &share{node: node, wanted: make([]bool, len(s.partitions))}
			at[node] = sh
			shares = append(shares, sh)
		}
		sh.wanted[p] = true
		if d := demandOf(ctx, p); len(d.Needs) > 0 {
			sh.needs = append(sh.needs, partitionDemand{Partition: p, Demand: d})
		}
	}
	return shares
}

// coverer chooses who answers for a partition, "" for nobody: this node, a node
// that has a share already, or the healthiest owner.
func (s *Store) coverer(place *placement, p store.Partition, failed map[p2p.NodeID]bool, at map[p2p.NodeID]*share) p2p.NodeID {
	if !failed[s.cfg.Self] && s.serves(p) {
		return s.cfg.Self
	}
	owners := slices.DeleteFunc(s.ordered(OpIndex, place.sets[p].owners), func(o p2p.NodeID) bool { return failed[o] })
	if len(owners) == 0 {
		return ""
	}
	if i := slices.IndexFunc(owners, func(o p2p.NodeID) bool { return at[o] != nil && s.alive(o) }); i >= 0 {
		return owners[i]
	}
	return owners[0]
}

// scanShares asks for all shares at once and fills in their answers.
func (s *Store) scanShares(ctx context.Context, place *placement, shares []*share, r store.IndexRange) []*share {
	var group errgroup.Group
	for _, sh := range shares {
		group.Go(func() error {
			sh.entries, sh.err = s.scanShare(ctx, place, sh, r)
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	return shares
}

// scanShare has a share answered: by its node or, if that is a peer that takes long,
// by the other owners of the same partitions.
func (s *Store) scanShare(ctx context.Context, place *placement, sh *share, r store.IndexRange) ([]store.Entry, error) {
	if sh.node == s.cfg.Self {
		return s.scanIndexAt(ctx, sh, r)
	}
	entries, _, err := hedge(ctx, s, OpIndex,
		func(ctx context.Context) ([]store.Entry, error) { return s.scanIndexAt(ctx, sh, r) },
		func(ctx context.Context) ([]store.Entry, error) { return s.scanElsewhere(ctx, place, sh, r) })
	return entries, err
}

// scanElsewhere has the partitions of a share answered by other nodes than its own: by
// all of those that it takes, or not at all.
func (s *Store) scanElsewhere(ctx context.Context, place *placement, sh *share, r store.IndexRange) ([]store.Entry, error) {
	others := s.cover(ctx, place, sh.wanted, map[p2p.NodeID]bool{sh.node: true})
	covered := make([]bool, len(sh.wanted))
	group, ctx := errgroup.WithContext(ctx)
	for _, other := range others {
		for p, wanted := range other.wanted {
			covered[p] = covered[p] || wanted
		}
		group.Go(func() (err error) {
			other.entries, err = s.scanIndexAt(ctx, other, r)
			return err
		})
	}
	err := group.Wait()
	if err == nil && !slices.Equal(covered, sh.wanted) {
		err = store.ErrUnavailable
	}
	var out []store.Entry
	for _, other := range others {
		out = append(out, other.entries...)
	}
	return out, err
}

func (s *Store) scanIndexAt(ctx context.Context, sh *share, r store.IndexRange) (entries []store.Entry, err error) {
	done := s.cfg.Router.Begin(OpIndex, sh.node)
	defer func() { done(outcomeOf(err)) }()
	if sh.node != s.cfg.Self {
		return s.scanIndexRemote(ctx, sh, r)
	}
	for _, n := range sh.needs {
		if err := s.meet(ctx, n.Partition, n.Demand); err != nil {
			return nil, err
		}
	}
	return s.scanIndexLocal(r, sh.wanted)
}
