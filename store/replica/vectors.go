package replica

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// syncRequest opens a round. Equal digests end it: that is all an idle cluster
// says.
type syncRequest struct {
	Ring   uint64 `cbor:"1,keyasint"`
	Digest uint64 `cbor:"2,keyasint"` // over the vectors of all shared partitions
}

type syncReply struct {
	Ring       uint64            `cbor:"1,keyasint"`
	Same       bool              `cbor:"2,keyasint"`
	Digests    []uint64          `cbor:"3,keyasint,omitempty"` // one per shared partition, ascending
	Incomplete []store.Partition `cbor:"4,keyasint,omitempty"` // shared, but never whole at the peer
}

type vecsRequest struct {
	Partitions []store.Partition `cbor:"1,keyasint"`
	Vectors    [][]byte          `cbor:"2,keyasint"` // the caller's
}

type vecsReply struct {
	Vectors    [][]byte          `cbor:"1,keyasint"`           // the peer's, in the order asked
	Ready      []store.Partition `cbor:"2,keyasint,omitempty"` // kept and caught up
	Incomplete []store.Partition `cbor:"3,keyasint,omitempty"` // never whole
}

// answer is what a peer has of some partitions.
type answer struct {
	partitions []store.Partition
	vectors    []*causal.Vector // in their order
	reply      *vecsReply
}

// ready says whether the peer keeps a partition and has caught up with it.
func (a *answer) ready(p store.Partition) bool { return slices.Contains(a.reply.Ready, p) }

// incomplete gives the partitions of which the peer has never had a whole copy.
func (a *answer) incomplete() []store.Partition { return a.reply.Incomplete }

// exchangeVectors gives a peer's vectors and tells it ours.
func (s *Store) exchangeVectors(ctx context.Context, peer p2p.NodeID, ps []store.Partition) (*answer, error) {
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
	out := &answer{partitions: ps, vectors: make([]*causal.Vector, len(ps)), reply: &reply}
	for i, b := range reply.Vectors {
		v, _, err := causal.ConsumeVector(b)
		if err != nil {
			return nil, err
		}
		out.vectors[i] = v
		s.learn(peer, ps[i], v)
		s.checkUsed(peer, ps[i], v)
	}
	return out, nil
}

// learn notes what an owner, present or coming, has.
func (s *Store) learn(peer p2p.NodeID, id store.Partition, theirs *causal.Vector) {
	if slices.Contains(s.placement.Load().sets[id].peers, peer) {
		s.partitions[id].hasSeen(peer, theirs)
	}
}

func (s *Store) handleSync(_ context.Context, peer p2p.NodeID, request syncRequest) (syncReply, error) {
	place := s.placement.Load()
	reply := syncReply{Ring: place.ring.Digest()}
	if request.Ring != reply.Ring {
		return reply, nil
	}
	shared := place.shared(peer)
	digests := s.vectorDigests(shared)
	if reply.Same = combine(digests) == request.Digest; reply.Same {
		s.noteEqual(peer, shared, digests)
	} else {
		reply.Digests = digests
	}
	for _, p := range shared {
		if !s.partitions[p].record().complete {
			reply.Incomplete = append(reply.Incomplete, p)
		}
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
		p := s.partitions[id]
		mine := p.snapshot()
		if s.stores(id) && !mine.Covers(theirs) {
			behind.partitions = append(behind.partitions, id)
		}
		s.learn(peer, id, theirs)
		s.checkUsed(peer, id, theirs)
		reply.Vectors = append(reply.Vectors, mine.Append(nil))
		if s.stores(id) && p.ready() {
			reply.Ready = append(reply.Ready, id)
		}
		if !p.record().complete {
			reply.Incomplete = append(reply.Incomplete, id)
		}
	}
	if len(behind.partitions) > 0 {
		s.kick(behind)
	}
	return reply, nil
}

// noteEqual notes that a peer's vectors are those that had the digests here.
func (s *Store) noteEqual(peer p2p.NodeID, ps []store.Partition, digests []uint64) {
	for i, p := range ps {
		s.partitions[p].equals(peer, digests[i])
	}
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
