package replica

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

const (
	proofRetry = 250 * time.Millisecond
	proofWait  = 2 * time.Second // of a write that nobody else can coordinate meanwhile
	// seenDelay is how long a member waits before it tells what it knows of a
	// replica: what the replica sent in its last life may still lie in a buffer.
	seenDelay = 300 * time.Millisecond
)

// identity is the incarnation that this node writes as.
type identity struct {
	replica causal.Replica
	// proven says that the disk holds every dot that the incarnation has used: no
	// other member knows one beyond. A disk that was copied, or put back from a
	// backup, does not.
	proven bool
}

// identities guards the identity of now.
type identities struct {
	mu  sync.Mutex
	cur identity
}

func (i *identities) now() identity {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cur
}

func (i *identities) set(id identity) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cur = id
}

// prove marks a replica as proven, unless it is no longer the one.
func (i *identities) prove(r causal.Replica) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cur.replica == r {
		i.cur.proven = true
	}
}

func drawReplica() causal.Replica {
	var id [8]byte
	rand.Read(id[:])
	id[0] |= 0x80 // never 0
	return causal.Replica(binary.BigEndian.Uint64(id[:]))
}

// loadIdentity reads this incarnation and its clock, or draws a new one.
func (s *Store) loadIdentity() error {
	var id identity
	var floor hlc.Timestamp
	err := s.engine.View(func(snapshot store.Snapshot) error {
		value, _, err := snapshot.Get(metaKey(metaReplica))
		if len(value) == 8 {
			id.replica = causal.Replica(binary.BigEndian.Uint64(value))
		}
		if err != nil {
			return err
		}
		at, _, err := snapshot.Get(metaKey(metaClock))
		if len(at) == 8 {
			floor = hlc.Timestamp(binary.BigEndian.Uint64(at))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replica: reading identity: %w", err)
	}
	s.clock = hlc.NewClock(s.cfg.Now, floor)
	if id.replica == 0 {
		id = identity{drawReplica(), true} // of a disk that has never been written
		var b store.Batch
		b.Put(metaKey(metaReplica), binary.BigEndian.AppendUint64(nil, uint64(id.replica)))
		if err := s.engine.Commit(s.ctx, &b); err != nil {
			return fmt.Errorf("replica: writing identity: %w", err)
		}
	}
	s.identity.set(id)
	s.awaitingProof.Store(!id.proven)
	return nil
}

// renew makes this node a new incarnation, durable with the transaction's first
// use of it.
func (t *txn) renew() {
	t.identity = identity{drawReplica(), true}
	t.batch.Put(metaKey(metaReplica), binary.BigEndian.AppendUint64(nil, uint64(t.identity.replica)))
	id := t.identity
	t.then = append(t.then, func() {
		t.s.identity.set(id)
		t.s.metrics.incarnations.Inc()
		t.s.log.Info("new incarnation: the disk was not proved to hold all writes of the old one", "replica", id.replica)
		t.s.ringChanged.raise() // the ring is told of it
	})
}

// renewal is the work of becoming a new incarnation.
type renewal struct {
	of   causal.Replica
	done chan error
}

func (w *renewal) size() int64      { return 0 }
func (w *renewal) finish(err error) { w.done <- err }
func (w *renewal) add(t *txn) error {
	if t.identity.replica == w.of {
		t.renew()
	}
	return nil
}

// rolledBack is called when a peer knows dots of this incarnation that this node
// has not used: another process has, or this disk is older than what has left it.
func (s *Store) rolledBack(of causal.Replica, peer p2p.NodeID, p store.Partition) {
	if mutated(trustOldDisk) || s.identity.now().replica != of {
		return
	}
	s.log.Warn("this disk is older than what a peer has seen of it: it was restored or copied", "peer", peer.Short(), "partition", p)
	w := &renewal{of: of, done: make(chan error, 1)}
	if err := s.submit(s.ctx, w); err != nil {
		return // closing
	}
	if err := <-w.done; err != nil {
		s.log.Error("no new incarnation", "error", err)
	}
}

// used gives the highest sequence number that a replica is known here to have
// used in a partition.
func (p *partition) used(r causal.Replica) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := p.vector.Max(r)
	if p.rec.last.Replica == r {
		most = max(most, p.rec.last.Seq)
	}
	return most
}

// checkUsed compares what a peer has seen of this incarnation with what it has
// used. The peer's answer must be older than the look at this node's own.
func (s *Store) checkUsed(peer p2p.NodeID, p store.Partition, theirs *causal.Vector) {
	r := s.identity.now().replica
	if theirs.Max(r) > s.partitions[p].used(r) {
		s.rolledBack(r, peer, p)
	}
}

// seenRequest asks how much a peer knows of a replica.
type seenRequest struct {
	Replica causal.Replica `cbor:"1,keyasint"`
	Ring    uint64         `cbor:"2,keyasint"`
}

// seenReply gives the highest sequence numbers known, for the partitions in which
// there are any.
type seenReply struct {
	Ring       uint64            `cbor:"1,keyasint"`
	Partitions []store.Partition `cbor:"2,keyasint,omitempty"`
	Highest    []uint64          `cbor:"3,keyasint,omitempty"`
}

func (s *Store) handleSeen(ctx context.Context, _ p2p.NodeID, request seenRequest) (seenReply, error) {
	if !sleep(ctx, seenDelay) {
		return seenReply{}, ctx.Err()
	}
	if err := s.do(ctx, barrier(make(chan error, 1))); err != nil {
		return seenReply{}, err
	}
	reply := seenReply{Ring: s.placement.Load().ring.Digest()}
	for i, p := range s.partitions {
		p.mu.Lock()
		most := p.vector.Max(request.Replica)
		p.mu.Unlock()
		if most > 0 {
			reply.Partitions = append(reply.Partitions, store.Partition(i))
			reply.Highest = append(reply.Highest, most)
		}
	}
	return reply, nil
}

// barrier is work without effect: when it is done, all that was queued before is.
type barrier chan error

func (b barrier) size() int64      { return 0 }
func (b barrier) add(*txn) error   { return nil }
func (b barrier) finish(err error) { b <- err }
func (b barrier) wait() error      { return <-b }

// runProof asks every other member whether it knows this incarnation beyond what
// the disk holds. Until all have answered, a write takes a new incarnation.
func (s *Store) runProof() {
	select {
	case <-s.known:
	case <-s.ctx.Done():
		return
	}
	asked := map[p2p.NodeID]bool{}
	for {
		id := s.identity.now()
		if id.proven {
			return
		}
		if s.askForProof(id.replica, asked) {
			s.identity.prove(id.replica)
			return
		}
		if !sleep(s.ctx, proofRetry) {
			return
		}
	}
}

// askForProof asks the members that were not asked yet and can be reached. It says
// whether all there are have answered, and in this node's favour. Where the ring has no
// other member nobody can: the disk may be as old as the time before the others came.
func (s *Store) askForProof(r causal.Replica, asked map[p2p.NodeID]bool) bool {
	silent, dead, favour := 0, 0, 0
	for _, m := range s.placement.Load().ring.View().Members() {
		switch {
		case m.Node == s.cfg.Self || m.State == ring.Gone:
		case asked[m.Node]:
			favour++
		case !s.alive(m.Node):
			dead++
		case s.vouches(r, m.Node):
			asked[m.Node] = true
			favour++
		default:
			silent++
		}
	}
	s.awaitingProof.Store(silent > 0 && time.Since(s.started) < patience)
	return silent == 0 && dead == 0 && favour > 0
}

// vouches asks one member. With another view of the ring it may know of members
// that this node does not: the views are made equal first.
func (s *Store) vouches(r causal.Replica, peer p2p.NodeID) bool {
	ctx, cancel := context.WithTimeout(s.ctx, helloWait)
	defer cancel()
	var reply seenReply
	request := seenRequest{Replica: r, Ring: s.placement.Load().ring.Digest()}
	if err := s.call(ctx, peer, protoSeen, request, &reply); err != nil || len(reply.Partitions) != len(reply.Highest) {
		return false
	}
	if reply.Ring != request.Ring {
		_ = s.exchangeRing(s.ctx, peer) // if it fails the peer is asked again
		return false
	}
	for i, p := range reply.Partitions {
		if int(p) < len(s.partitions) && reply.Highest[i] > s.partitions[p].used(r) {
			s.rolledBack(r, peer, p)
			return false
		}
	}
	return true
}

// awaitProof has a write wait, or be coordinated by another owner if there is one,
// while a member that can be reached has not answered. Members that cannot be
// reached are not waited for.
func (s *Store) awaitProof(ctx context.Context, p store.Partition) error {
	deadline := time.Now().Add(proofWait)
	for !s.identity.now().proven && s.awaitingProof.Load() && time.Now().Before(deadline) {
		if slices.ContainsFunc(s.placement.Load().sets[p].owners, s.alive) {
			return errNotServing
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}
