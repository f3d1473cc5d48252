package replica

import (
	"errors"
	"slices"
	"sync"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

// Errors of Leave and Forget.
var (
	ErrLastMember    = errors.New("replica: the only active member of a cluster cannot leave it")
	ErrAlive         = errors.New("replica: the node is alive: it can leave by itself")
	ErrUnknownMember = errors.New("replica: no such member of the ring")
)

// leaving is whether this process is to leave the ring, and has.
type leaving struct {
	mu     sync.Mutex
	wanted bool
	done   bool
	left   chan struct{} // closed when done
}

func (l *leaving) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = true
}

func (l *leaving) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted
}

func (l *leaving) finish() (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first = !l.done; first {
		l.done = true
		close(l.left)
	}
	return first
}

// Leave begins to hand this node's data to others, and to go when they have it.
// It returns ErrLastMember when there is nobody to take it, and does nothing when
// the node is leaving already.
func (s *Store) Leave() error {
	v := s.viewNow()
	if v == nil {
		return store.ErrUnavailable
	}
	m, ok := v.Member(s.cfg.Self)
	if !ok || m.State >= ring.Leaving {
		return nil
	}
	isOther := func(o ring.Member) bool { return o.Node != s.cfg.Self && o.State == ring.Active }
	if !slices.ContainsFunc(v.Members(), isOther) {
		return ErrLastMember
	}
	s.leaving.begin()
	m.State = ring.Leaving
	v.Set(m)
	return s.adopt(v)
}

// Left is closed when this node has left the ring, and the owners that can be
// reached are known to have all that it had: the process may end.
func (s *Store) Left() <-chan struct{} { return s.leaving.left }

// Forget gives up a dead member: others take over what it owned, from the copies
// that are left. Should it return it joins again, with what it has. Forget returns
// ErrUnknownMember, or ErrAlive for a member that is.
func (s *Store) Forget(id p2p.NodeID) error {
	v := s.viewNow()
	if v == nil {
		return store.ErrUnavailable
	}
	m, ok := v.Member(id)
	switch {
	case !ok:
		return ErrUnknownMember
	case s.alive(id):
		return ErrAlive
	case m.State == ring.Gone:
		return nil
	}
	m.State = ring.Gone
	v.Set(m)
	return s.adopt(v)
}

// Repair has this node compare itself with all reachable members now: the vectors
// at once, and the rows of each partition as soon as it is quiet.
func (s *Store) Repair() {
	for _, p := range s.partitions {
		p.doubt(true)
	}
	s.kickSync("")
}

// succeeded says whether the ring can do without this node: whoever would own what
// it owns keeps it already, and has caught up.
func (s *Store) succeeded(v *ring.View) bool {
	without := v.Clone()
	m, _ := without.Member(s.cfg.Self)
	m.State = ring.Gone
	without.Set(m)
	next := ring.New(without)
	heirs := map[p2p.NodeID][]store.Partition{}
	place := s.placement.Load()
	for i, own := range place.own {
		for _, o := range next.Owners(store.Partition(i)) {
			if own && (s.alive(o) || !slices.Contains(place.sets[i].owners, o)) {
				heirs[o] = append(heirs[o], store.Partition(i))
			}
		}
	}
	for heir, ps := range heirs {
		if !s.areReady(heir, ps) {
			return false
		}
	}
	return len(heirs) > 0 || !slices.Contains(place.own, true)
}

// areReady asks a peer whether it keeps partitions and has caught up with them.
func (s *Store) areReady(peer p2p.NodeID, ps []store.Partition) bool {
	for chunk := range slices.Chunk(ps, vectorChunk) {
		answer, err := s.exchangeVectors(s.ctx, peer, chunk)
		if err != nil || slices.ContainsFunc(chunk, func(p store.Partition) bool { return !answer.ready(p) }) {
			return false
		}
	}
	return true
}

// concludeLeaving tells that this node has left once nothing is left to hand over,
// and another member is known to have heard of it: gossip may not have told any.
// Since it is gone from the ring no write begins here; those that had begun are let
// pass first.
func (s *Store) concludeLeaving() error {
	if err := s.do(s.ctx, barrier(make(chan error, 1))); err != nil {
		return err
	}
	heard := func(peer p2p.NodeID) bool { return s.exchangeRing(s.ctx, peer) == nil }
	if s.owing() > 0 || !slices.ContainsFunc(s.peers(), heard) {
		return nil
	}
	if s.leaving.finish() {
		s.log.Info("left: the owners have all that was here")
	}
	return nil
}

// owing counts the partitions of which the owners that can be reached are not
// known to have all that is here.
func (s *Store) owing() (n int) {
	place := s.placement.Load()
	for i, p := range s.partitions {
		if p.empty() {
			continue
		}
		reachable := slices.DeleteFunc(slices.Clone(place.sets[i].owners), func(o p2p.NodeID) bool { return !s.alive(o) })
		if place.hold[i] || len(reachable) == 0 || slices.ContainsFunc(reachable, p.owes) {
			n++
		}
	}
	return n
}
