package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
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

// syncRequest opens a round. Equal digests end it: that is all an idle cluster
// says.
type syncRequest struct {
	Ring   uint64 `cbor:"1,keyasint"`
	Digest uint64 `cbor:"2,keyasint"` // over the vectors of all shared partitions
}

type syncReply struct {
	Ring    uint64   `cbor:"1,keyasint"`
	Same    bool     `cbor:"2,keyasint"`
	Digests []uint64 `cbor:"3,keyasint,omitempty"` // one per shared partition, ascending
}

type vecsRequest struct {
	Partitions []store.Partition `cbor:"1,keyasint"`
	Vectors    [][]byte          `cbor:"2,keyasint"` // the caller's
}

type vecsReply struct {
	Vectors [][]byte `cbor:"1,keyasint"` // the peer's, in the order asked
}

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

// runSync compares this node's vectors with one peer after the other, and at
// once where it is kicked.
func (s *Store) runSync() {
	select {
	case <-s.known:
	case <-s.ctx.Done():
		return
	}
	for turn := 0; ; turn++ {
		peers := s.peers()
		s.trustWhatIsCovered()
		wait := s.cfg.SyncEvery*3/4 + rand.N(s.cfg.SyncEvery/2)
		if !s.allCaughtUp() {
			wait = syncHurry
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			if len(peers) > 0 {
				s.syncWith(peers[turn%len(peers)])
			}
		case k := <-s.kicks:
			for _, p := range peers {
				if k.peer == "" || k.peer == p {
					s.syncWith(p, k.partitions...)
				}
			}
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
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

// syncWith fetches what a peer has more of, in the given partitions or wherever a
// round finds it.
func (s *Store) syncWith(peer p2p.NodeID, ps ...store.Partition) {
	var err error
	if len(ps) > 0 {
		err = s.reconcile(peer, ps)
	} else {
		s.metrics.rounds.Inc()
		err = s.round(peer)
	}
	if err != nil && s.ctx.Err() == nil {
		s.log.Debug("sync round failed", "peer", peer.Short(), "error", err)
	}
}

// round brings here whatever a peer has seen and this node has not.
func (s *Store) round(peer p2p.NodeID) error {
	place := s.placement.Load()
	shared := place.shared(peer)
	digests := s.vectorDigests(shared)
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
		s.noteCovered(peer, shared)
		return s.handOver(peer, place)
	}
	if len(reply.Digests) != len(shared) {
		return fmt.Errorf("%d digests for %d partitions", len(reply.Digests), len(shared))
	}
	var same, differing []store.Partition
	for i, p := range shared {
		if reply.Digests[i] == digests[i] {
			same = append(same, p)
		} else {
			differing = append(differing, p)
		}
	}
	s.noteCovered(peer, same)
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
	if err = s.call(ctx, peer, protoSync, request, &reply); err == nil {
		delete(s.silent, peer)
	} else if s.silent[peer].IsZero() {
		s.silent[peer] = s.cfg.Now()
	}
	return reply, err
}

// handOver shows a peer the vectors of its partitions of which this node has a
// copy that no longer counts: a write may stand there that was acknowledged while
// nobody else could be reached. The peer fetches what it lacks.
func (s *Store) handOver(peer p2p.NodeID, place *placement) error {
	var owed []store.Partition
	for i, set := range place.sets {
		if !place.hold[i] && slices.Contains(set.peers, peer) && s.partitions[i].owes(peer) {
			owed = append(owed, store.Partition(i))
		}
	}
	for ps := range slices.Chunk(owed, vectorChunk) {
		theirs, err := s.exchangeVectors(s.ctx, peer, ps)
		if err != nil {
			return err
		}
		for i, p := range ps {
			s.partitions[p].handOver(peer, theirs[i])
		}
	}
	return nil
}

// reconcile exchanges vectors of some partitions and fetches what is missing.
func (s *Store) reconcile(peer p2p.NodeID, ps []store.Partition) error {
	theirs, err := s.exchangeVectors(s.ctx, peer, ps)
	if err != nil {
		return err
	}
	var missing uint64
	for i, p := range ps {
		missing += s.partitions[p].snapshot().Missing(theirs[i]).Len()
	}
	if missing == 0 {
		s.noteCovered(peer, ps)
		return nil
	}
	if missing < fewMissing && s.allCaughtUp() && !sleep(s.ctx, inFlight) {
		return s.ctx.Err()
	}
	for i, p := range ps {
		if err := s.fetch(s.ctx, peer, p, theirs[i]); err != nil {
			return err
		}
		s.noteCovered(peer, ps[i:i+1])
	}
	return nil
}

// exchangeVectors gives a peer's vectors and tells it ours.
func (s *Store) exchangeVectors(ctx context.Context, peer p2p.NodeID, ps []store.Partition) ([]*causal.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	request := vecsRequest{Partitions: ps}
	for _, p := range ps {
		request.Vectors = append(request.Vectors, s.partitions[p].snapshot().Append(nil))
	}
	var reply vecsReply
	if err := s.call(ctx, peer, protoVecs, request, &reply); err != nil {
		return nil, err
	}
	if len(reply.Vectors) != len(ps) {
		return nil, errMalformed
	}
	out := make([]*causal.Vector, len(ps))
	for i, b := range reply.Vectors {
		v, _, err := causal.ConsumeVector(b)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (s *Store) handleSync(_ context.Context, peer p2p.NodeID, request syncRequest) (syncReply, error) {
	place := s.placement.Load()
	reply := syncReply{Ring: place.ring.Digest()}
	if request.Ring != reply.Ring {
		return reply, nil
	}
	digests := s.vectorDigests(place.shared(peer))
	if reply.Same = combine(digests) == request.Digest; !reply.Same {
		reply.Digests = digests
	}
	return reply, nil
}

// handleVecs answers with this node's vectors, and has fetched what the caller's
// show to be missing here.
func (s *Store) handleVecs(_ context.Context, peer p2p.NodeID, request vecsRequest) (vecsReply, error) {
	if len(request.Partitions) != len(request.Vectors) || len(request.Partitions) > len(s.partitions) {
		return vecsReply{}, errMalformed
	}
	var reply vecsReply
	behind := kick{peer: peer}
	for i, id := range request.Partitions {
		if int(id) >= len(s.partitions) {
			return vecsReply{}, errMalformed
		}
		theirs, _, err := causal.ConsumeVector(request.Vectors[i])
		if err != nil {
			return vecsReply{}, err
		}
		mine := s.partitions[id].snapshot()
		if s.stores(id) && !mine.Covers(theirs) {
			behind.partitions = append(behind.partitions, id)
		}
		reply.Vectors = append(reply.Vectors, mine.Append(nil))
	}
	if len(behind.partitions) > 0 {
		s.kick(behind)
	}
	return reply, nil
}

func (s *Store) vectorDigests(ps []store.Partition) []uint64 {
	digests := make([]uint64, len(ps))
	for i, p := range ps {
		digests[i] = s.partitions[p].vectorDigest()
	}
	return digests
}

func combine(digests []uint64) uint64 {
	b := make([]byte, 0, 8*len(digests))
	for _, d := range digests {
		b = binary.BigEndian.AppendUint64(b, d)
	}
	return xxh3.Hash(b)
}

// errNoProgress ends a fetch whose peer has nothing of what it said it had.
var errNoProgress = errors.New("replica: the peer sent none of the missing dots")

// fetch brings the dots of theirs that are missing here, page by page.
func (s *Store) fetch(ctx context.Context, peer p2p.NodeID, p store.Partition, theirs *causal.Vector) error {
	for {
		missing := s.partitions[p].snapshot().Missing(theirs)
		if missing.Empty() {
			return nil
		}
		pg, err := s.fetchPage(ctx, peer, p, missing)
		if err != nil {
			return err
		}
		if len(pg.dots) == 0 {
			return errNoProgress
		}
		if err := s.submit(ctx, pg); err != nil {
			return err
		}
		if err := <-pg.done; err != nil {
			return err
		}
		s.metrics.fetched.Add(float64(len(pg.dots)))
	}
}
