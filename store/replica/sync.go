package replica

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
	"grapevine/store"
)

const (
	helloWait   = time.Second            // for a digest: a peer that hangs must not hold up the others
	syncTimeout = 5 * time.Second        // for an exchange with a peer that has answered
	syncHurry   = 100 * time.Millisecond // between rounds while catching up
	inFlight    = 100 * time.Millisecond // gossip may still bring what is newer
	fewMissing  = 4096                   // dots that are given that time to come
	vectorChunk = 64                     // partitions per exchange of vectors
)

// kick asks for a round with a peer soon, or with all when it names none; or for
// some partitions of which the peer has shown to have more than this node.
type kick struct {
	peer       p2p.NodeID
	partitions []store.Partition
}

func (s *Store) kickSync(peer p2p.NodeID) { s.kick(kick{peer: peer}) }

// kick queues a kick. Those beyond the queue are dropped: rounds come by
// themselves.
func (s *Store) kick(k kick) {
	select {
	case s.kicks <- k:
	default:
	}
}

// runWatch acts on changes of who is alive: writes count their copies again, and
// a peer that appears is synced with at once.
func (s *Store) runWatch() {
	select {
	case <-s.known:
	case <-s.ctx.Done():
		return
	}
	updates, stop := s.cfg.Members.Updates()
	defer stop()
	before := map[p2p.NodeID]bool{}
	for {
		now := map[p2p.NodeID]bool{}
		for _, p := range s.peers() {
			now[p] = true
			if !before[p] {
				s.kickSync(p)
			}
		}
		before = now
		s.outbox.recheck()
		select {
		case <-updates:
		case <-s.ctx.Done():
			return
		}
	}
}

// syncing is who is being synced with: one round at a time with each peer, and
// with several peers at once.
type syncing struct {
	mu     sync.Mutex
	busy   map[p2p.NodeID]bool
	again  map[p2p.NodeID]kick      // to follow the round under way
	silent map[p2p.NodeID]time.Time // since when a peer does not answer
}

// begin says whether a round may begin. If not, what is asked for follows the one
// under way.
func (y *syncing) begin(peer p2p.NodeID, k kick) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.busy == nil {
		y.busy, y.again, y.silent = map[p2p.NodeID]bool{}, map[p2p.NodeID]kick{}, map[p2p.NodeID]time.Time{}
	}
	if y.busy[peer] {
		y.again[peer] = k
		return false
	}
	y.busy[peer] = true
	return true
}

// next gives what was asked for meanwhile, or ends the work with the peer.
func (y *syncing) next(peer p2p.NodeID) (kick, bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	k, more := y.again[peer]
	delete(y.again, peer)
	if !more {
		delete(y.busy, peer)
	}
	return k, more
}

// answers notes whether a peer does.
func (y *syncing) answers(peer p2p.NodeID, does bool, now time.Time) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if does {
		delete(y.silent, peer)
	} else if y.silent[peer].IsZero() {
		y.silent[peer] = now
	}
}

// silentFor says whether a peer has not answered for some time.
func (y *syncing) silentFor(peer p2p.NodeID, now time.Time, long time.Duration) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	since, silent := y.silent[peer]
	return silent && now.Sub(since) >= long
}

// runSync compares this node's vectors with one peer after the other, and at
// once where it is kicked.
func (s *Store) runSync() {
	select {
	case <-s.known:
	case <-s.ctx.Done():
		return
	}
	last := time.Now()
	for turn := 0; ; {
		peers := s.peers()
		s.trustWhatIsCovered()
		timer := time.NewTimer(s.syncPause() - time.Since(last)) // kicks put no turn off
		select {
		case <-timer.C:
			last = time.Now()
			if turn++; len(peers) > 0 {
				s.syncWith(peers[turn%len(peers)], kick{})
			}
		case k := <-s.kicks:
			for _, p := range peers {
				if k.peer == "" || k.peer == p {
					s.syncWith(p, k)
				}
			}
		case <-s.covered.wait():
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// syncPause is the time between rounds.
func (s *Store) syncPause() time.Duration {
	if !s.allCaughtUp() {
		return syncHurry
	}
	return s.cfg.SyncEvery*3/4 + rand.N(s.cfg.SyncEvery/2)
}

// peers gives the reachable members of the ring but this node.
func (s *Store) peers() []p2p.NodeID {
	var out []p2p.NodeID
	for _, m := range s.placement.Load().ring.View().Members() {
		if m.Node != s.cfg.Self && s.cfg.Members.Alive(m.Node) {
			out = append(out, m.Node)
		}
	}
	return out
}

// syncWith has fetched what a peer has more of, in the partitions of a kick or
// wherever a round finds it.
func (s *Store) syncWith(peer p2p.NodeID, k kick) {
	if s.syncing.begin(peer, k) {
		s.spawn(func() {
			for more := true; more; k, more = s.syncing.next(peer) {
				if err := s.syncOnce(peer, k.partitions); err != nil && s.ctx.Err() == nil {
					s.log.Debug("sync round failed", "peer", peer.Short(), "error", err)
				}
				s.covered.broadcast()
			}
		})
	}
}

func (s *Store) syncOnce(peer p2p.NodeID, ps []store.Partition) error {
	if len(ps) > 0 {
		return s.reconcile(peer, ps)
	}
	s.metrics.rounds.Inc()
	return s.round(peer)
}

// round brings here whatever a peer has seen and this node has not.
func (s *Store) round(peer p2p.NodeID) error {
	place := s.placement.Load()
	shared := place.shared(peer)
	trusts, digests := s.trustsOf(shared), s.vectorDigests(shared)
	reply, err := s.greet(peer, syncRequest{Ring: place.ring.Digest(), Digest: combine(digests)})
	if err != nil {
		return err
	}
	if reply.Ring != place.ring.Digest() {
		// Different views share different partitions: agree first.
		if err := s.exchangeRing(s.ctx, peer); err != nil {
			return err
		}
		s.kickSync(peer)
		return nil
	}
	if reply.Same {
		s.noteEqual(peer, shared, digests)
		s.noteCovered(peer, shared, trusts, reply.Incomplete)
		return s.handOver(peer, place)
	}
	if len(reply.Digests) != len(shared) {
		return fmt.Errorf("%d digests for %d partitions", len(reply.Digests), len(shared))
	}
	var differing []store.Partition
	for i, p := range shared {
		if reply.Digests[i] != digests[i] {
			differing = append(differing, p)
			continue
		}
		s.noteEqual(peer, shared[i:i+1], digests[i:i+1])
		s.noteCovered(peer, shared[i:i+1], trusts[i:i+1], reply.Incomplete)
	}
	for len(differing) > 0 {
		n := min(len(differing), vectorChunk)
		if err := s.reconcile(peer, differing[:n]); err != nil {
			return err
		}
		differing = differing[n:]
	}
	return s.handOver(peer, place)
}

// greet opens a round and notes whether the peer answers.
func (s *Store) greet(peer p2p.NodeID, request syncRequest) (reply syncReply, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, helloWait)
	defer cancel()
	err = s.call(ctx, peer, protoSync, request, &reply)
	s.syncing.answers(peer, err == nil, time.Now())
	return reply, err
}

// handOver shows a peer the vectors of its partitions of which this node has a
// copy that does not count: hints, and what moved away, among which may be a write
// that was acknowledged while nobody else could be reached. The peer fetches what
// it lacks.
func (s *Store) handOver(peer p2p.NodeID, place *placement) error {
	var owed []store.Partition
	for i, set := range place.sets {
		if !place.hold[i] && slices.Contains(set.peers, peer) && s.partitions[i].owes(peer) {
			owed = append(owed, store.Partition(i))
		}
	}
	for ps := range slices.Chunk(owed, vectorChunk) {
		if _, err := s.exchangeVectors(s.ctx, peer, ps); err != nil {
			return err
		}
	}
	return nil
}

// reconcile exchanges vectors of some partitions and fetches what is missing.
func (s *Store) reconcile(peer p2p.NodeID, ps []store.Partition) error {
	trusts := s.trustsOf(ps)
	answer, err := s.exchangeVectors(s.ctx, peer, ps)
	if err != nil {
		return err
	}
	var missing uint64
	for i, p := range ps {
		missing += s.partitions[p].missing(answer.vectors[i]).Len()
	}
	if 0 < missing && missing < fewMissing && s.allCaughtUp() && !sleep(s.ctx, inFlight) {
		return s.ctx.Err()
	}
	var failed error
	for i, p := range ps {
		if !s.stores(p) {
			continue // the ring moved on: what is not kept here is not fetched
		}
		switch err := s.fetch(s.ctx, peer, p, answer.vectors[i]); {
		case errors.Is(err, errBusy):
		case errors.Is(err, p2p.ErrUnreachable), s.ctx.Err() != nil:
			return err
		case err != nil: // of this partition alone
			failed = err
		default:
			s.noteCovered(peer, ps[i:i+1], trusts[i:i+1], answer.incomplete())
			s.covered.broadcast()
		}
	}
	return failed
}
