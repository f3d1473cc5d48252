package replica

import (
	"time"

	"grapevine/p2p"
	"grapevine/store"
)

const (
	aloneGrace = 3 * time.Second  // then an owner that meets no other serves what it has
	patience   = 10 * time.Second // then one that lives but does not answer is not waited for
)

// noteCovered records that nothing a peer had is missing here.
func (s *Store) noteCovered(peer p2p.NodeID, ps []store.Partition) {
	for _, id := range ps {
		p := s.partitions[id]
		p.mu.Lock()
		if !p.caughtUp {
			p.covered[peer] = true
		}
		p.mu.Unlock()
	}
}

// trustWhatIsCovered opens partitions to reads once every reachable owner's
// vector has been covered since this node came. An owner that meets no other for
// a while serves what it has, as any side of a partitioned network must.
func (s *Store) trustWhatIsCovered() {
	place := s.placement.Load()
	opened := false
	for i, p := range s.partitions {
		if !place.hold[i] || p.ready() {
			continue
		}
		if s.isCovered(p, place.sets[i], place.own[i]) {
			p.setCaughtUp(true)
			opened = true
		}
	}
	if opened {
		s.progress.raise()
	}
}

func (s *Store) isCovered(p *partition, set *ownerSet, own bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := s.cfg.Now()
	met := 0
	for _, o := range set.owners {
		if p.covered[o] {
			met++
		} else if since, silent := s.silent[o]; s.cfg.Members.Alive(o) && (!silent || now.Sub(since) < patience) {
			return false
		}
	}
	alone := own && now.Sub(p.since) > aloneGrace
	return met > 0 || len(set.owners) == 0 || alone
}
