package replica

import (
	"context"
	"errors"

	"grapevine/p2p"
	"grapevine/store"
)

// A row may be ahead of the vector: it came in a page with the effect of a write
// whose own turn was still to come. If every disk that has logged the write is lost
// before that, the effect stays with some owners and the vectors do not show it.
// So when a member's disk is lost, owners whose vectors are equal compare their rows
// as well, and take over each other's where these differ: by their contexts a birth
// that nobody knows has come, and one that is known and absent has gone.

// compareRequest asks whether the rows of a partition are the same. Vector is the
// digest of the vector that they belong to.
type compareRequest struct {
	Partition store.Partition `cbor:"1,keyasint"`
	Vector    uint64          `cbor:"2,keyasint"`
	Rows      uint64          `cbor:"3,keyasint"`
}

// compareReply says whether the vectors are the same, and whether the rows are.
type compareReply struct {
	Comparable bool `cbor:"1,keyasint,omitempty"`
	Same       bool `cbor:"2,keyasint,omitempty"`
}

// errUnsettled is returned while writes are coming in.
var errUnsettled = errors.New("replica: the partition is not quiet")

// handleCompare answers, and has this node compare too when the rows differ.
func (s *Store) handleCompare(_ context.Context, _ p2p.NodeID, request compareRequest) (compareReply, error) {
	if int(request.Partition) >= len(s.partitions) {
		return compareReply{}, errMalformed
	}
	if !s.stores(request.Partition) {
		return compareReply{}, errNotServing
	}
	vector, rows, err := s.fingerprint(request.Partition)
	if errors.Is(err, errUnsettled) || err == nil && vector != request.Vector {
		return compareReply{}, nil
	}
	if err == nil && rows != request.Rows {
		s.partitions[request.Partition].doubt(true)
	}
	return compareReply{Comparable: true, Same: rows == request.Rows}, err
}

// fingerprint gives the digests of a partition's vector and of the rows that belong
// to it.
func (s *Store) fingerprint(id store.Partition) (vector, rows uint64, err error) {
	p := s.partitions[id]
	vector = p.vectorDigest()
	if rows, _, err = s.Digest(id); err != nil {
		return 0, 0, err
	}
	if p.record().snapshot != nil || vector != p.vectorDigest() {
		return 0, 0, errUnsettled
	}
	return vector, rows, nil
}

func (p *partition) doubt(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubtful = is
}

func (p *partition) isDoubtful() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doubtful
}

// repair compares the rows of a partition with those of every owner that can be
// reached. While vectors differ there is nothing to compare; it is called again.
func (s *Store) repair(id store.Partition) error {
	vector, rows, err := s.fingerprint(id)
	if err != nil {
		return err
	}
	for _, peer := range s.placement.Load().sets[id].peers {
		if !s.alive(peer) {
			continue
		}
		ctx, cancel := context.WithTimeout(s.ctx, syncTimeout)
		var reply compareReply
		err = s.call(ctx, peer, protoCompare, compareRequest{Partition: id, Vector: vector, Rows: rows}, &reply)
		cancel()
		if err != nil || !reply.Comparable {
			return err
		}
		if reply.Same {
			continue
		}
		s.log.Info("rows of equal vectors differ: taking over what is there", "peer", peer.Short(), "partition", id)
		s.metrics.repairs.Inc()
		return s.takeRows(s.ctx, peer, id) // and compare again
	}
	s.partitions[id].doubt(false)
	return nil
}

// takeRows merges the rows of a peer, as a snapshot would, without its base.
func (s *Store) takeRows(ctx context.Context, peer p2p.NodeID, id store.Partition) error {
	for after := []byte(nil); ; {
		w, err := s.snapshotPage(ctx, peer, snapshotRequest{Partition: id, After: after})
		if err != nil {
			return err
		}
		w.rowsOnly = true
		if err := s.do(ctx, w); err != nil || len(w.reached) == 0 {
			return err
		}
		after = w.reached
	}
}
