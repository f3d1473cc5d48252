package replica

import (
	"context"
	"slices"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

// Drain has the store pass on to the other owners what peers ask it to read or to
// coordinate, while all of them are there to do it: what it would still be doing when
// it closes could not be taken back by who asked. It goes on applying, confirming and
// handing over writes, and doing what is asked of it on this node.
func (s *Store) Drain() { s.draining.Store(true) }

// passesOn says whether peers are to ask another.
func (s *Store) passesOn() bool {
	view := s.view.Load()
	return view != nil && s.draining.Load() && !slices.ContainsFunc(view.Members(), func(m ring.Member) bool {
		return m.State != ring.Gone && !s.alive(m.Node)
	})
}

// unlessDraining refuses requests that another owner does as well.
func unlessDraining[In, Out any](s *Store, h func(context.Context, p2p.NodeID, In) (Out, error)) func(context.Context, p2p.NodeID, In) (Out, error) {
	return func(ctx context.Context, from p2p.NodeID, request In) (out Out, err error) {
		if s.passesOn() {
			return out, store.ErrEngineClosed
		}
		return h(ctx, from, request)
	}
}
