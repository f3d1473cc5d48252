package replica

import (
	"slices"
	"time"

	"grapevine/p2p"
	"grapevine/store"
)

const (
	aloneGrace = 3 * time.Second  // then an owner that meets no other serves what it has
	patience   = 10 * time.Second // then one that lives but does not answer is not waited for
)

// trustsOf gives the trusts of partitions.
func (s *Store) trustsOf(ps []store.Partition) []int {
	out := make([]int, len(ps))
	for i, p := range ps {
		out[i] = s.partitions[p].trust()
	}
	return out
}

// noteCovered records that nothing a peer had is missing here of partitions that
// had the given trusts then.
func (s *Store) noteCovered(peer p2p.NodeID, ps []store.Partition, trusts []int, incomplete []store.Partition) {
	for i, id := range ps {
		s.partitions[id].cover(peer, !slices.Contains(incomplete, id), trusts[i])
	}
}

// trustWhatIsCovered opens partitions to reads once every reachable owner's
// vector has been covered since this node came. An owner that meets no other for
// a while serves what it has, as any side of a partitioned network must; but not
// one whose copy has never been whole.
func (s *Store) trustWhatIsCovered() {
	place := s.placement.Load()
	w := &completion{done: make(chan error, 1)}
	for i, p := range s.partitions {
		if trusts := p.trust(); place.hold[i] && !p.ready() && s.isCovered(p, place.sets[i], place.own[i]) {
			w.partitions = append(w.partitions, store.Partition(i))
			w.trusts = append(w.trusts, trusts)
		}
	}
	if len(w.partitions) == 0 {
		return
	}
	if err := s.submit(s.ctx, w); err != nil {
		return // closing
	}
	if err := <-w.done; err != nil {
		s.log.Warn("cannot note which partitions are whole", "error", err)
		return
	}
	for i, id := range w.partitions {
		if w.opened[i] {
			s.partitions[id].open(w.trusts[i])
		}
	}
	s.progress.raise()
}

func (s *Store) isCovered(p *partition, set *ownerSet, own bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	met := 0
	for _, o := range set.owners {
		if p.covered[o] {
			met++
		} else if s.cfg.Members.Alive(o) && !s.syncing.silentFor(o, now, patience) {
			return false
		}
	}
	if !p.rec.complete {
		// Where all owners agree on what there is, there is no more to be had.
		return met == len(set.owners) || met > 0 && p.whole
	}
	alone := own && now.Sub(p.since) > aloneGrace
	return met > 0 || len(set.owners) == 0 || alone
}

// completion is the work of noting that copies are whole.
type completion struct {
	partitions []store.Partition
	trusts     []int  // of each
	opened     []bool // of each: it still is to be stored, and trusted as it was
	done       chan error
}

func (w *completion) size() int64      { return 0 }
func (w *completion) finish(err error) { w.done <- err }
func (w *completion) add(t *txn) error {
	w.opened = make([]bool, len(w.partitions))
	for i, p := range w.partitions {
		if !t.stores(p) || t.s.partitions[p].trust() != w.trusts[i] {
			continue
		}
		if rec := t.peek(p); !rec.complete || rec.hinted > 0 {
			rec = t.record(p)
			rec.complete, rec.hinted = true, 0 // hints in it are the owner's own rows now
		}
		w.opened[i] = true
	}
	return nil
}
