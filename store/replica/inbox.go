package replica

import (
	"context"
	"encoding/binary"
	"sync"

	"grapevine/p2p"
)

// The protocols of this package, as Transport names them.
const (
	protoPush  = "replica/push"  // batch -> nothing, when durable
	protoAck   = "replica/ack"   // one-way: batch numbers that are durable
	protoRing  = "replica/ring"  // ring view -> ring view
	protoSync  = "replica/sync"  // digests
	protoVecs  = "replica/vecs"  // version vectors
	protoFetch = "replica/fetch" // missing dots -> page
	protoRead  = "replica/read"  // read on behalf of another node
	protoWrite = "replica/write" // write on behalf of another node
)

// receiveGossip takes a published batch. While the applier's queue is full it
// blocks, so that the excess is dropped by gossip, not heaped up here; a push or
// anti-entropy brings it later.
func (s *Store) receiveGossip(_ p2p.NodeID, message []byte) {
	b, err := decodeBatch(message, s.partitionOf)
	if err != nil {
		s.metrics.malformed.Inc()
		return
	}
	if b.coordinator == s.cfg.Self {
		return
	}
	s.noticeRing(b.coordinator, b.ring)
	work := &remoteBatch{s: s, batch: b, bytes: int64(len(message)), done: func(err error) {
		if err == nil {
			s.acks.add(b.coordinator, b.number)
		}
	}}
	// When the store closes the batch is not acknowledged, and comes again.
	_ = s.submit(s.ctx, work)
}

// handlePush applies a batch that was sent directly and replies when it is
// durable.
func (s *Store) handlePush(ctx context.Context, _ p2p.NodeID, message []byte) ([]byte, error) {
	b, err := decodeBatch(message, s.partitionOf)
	if err != nil {
		s.metrics.malformed.Inc()
		return nil, err
	}
	s.noticeRing(b.coordinator, b.ring)
	done := make(chan error, 1)
	work := &remoteBatch{s: s, batch: b, bytes: int64(len(message)), done: func(err error) { done <- err }}
	if err := s.submit(ctx, work); err != nil {
		return nil, wireError(err)
	}
	select {
	case err := <-done:
		return nil, wireError(err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// maxAcks bounds the bytes of acknowledgements that wait for one peer. What they
// would say beyond it, a push will ask.
const maxAcks = 64 << 10

// acks gathers the numbers of batches that have become durable here, to be sent
// to their coordinators in one message per commit.
type acks struct {
	mu      sync.Mutex
	numbers map[p2p.NodeID][]byte // waiting
	sending map[p2p.NodeID]bool
}

func (a *acks) add(to p2p.NodeID, number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.numbers == nil {
		a.numbers, a.sending = map[p2p.NodeID][]byte{}, map[p2p.NodeID]bool{}
	}
	if len(a.numbers[to]) < maxAcks {
		a.numbers[to] = binary.BigEndian.AppendUint64(a.numbers[to], number)
	}
}

// begin gives the peers for which acknowledgements wait and nobody sends them,
// and counts on the caller to.
func (a *acks) begin() []p2p.NodeID {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []p2p.NodeID
	for to := range a.numbers {
		if !a.sending[to] {
			a.sending[to] = true
			out = append(out, to)
		}
	}
	return out
}

// take gives what waits for a peer, nil to end the sending.
func (a *acks) take(to p2p.NodeID) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	message := a.numbers[to]
	delete(a.numbers, to)
	if message == nil {
		delete(a.sending, to)
	}
	return message
}

// flushAcks has the waiting acknowledgements sent. The applier does not send them
// itself: gossip comes by way of others too, and the connection to a coordinator
// that only they can reach takes seconds to fail.
func (s *Store) flushAcks() {
	for _, to := range s.acks.begin() {
		s.done.Go(func() { s.sendAcks(to) })
	}
}

func (s *Store) sendAcks(to p2p.NodeID) {
	for message := s.acks.take(to); message != nil; message = s.acks.take(to) {
		if err := s.cfg.Transport.Send(s.ctx, to, protoAck, message); err != nil {
			s.log.Debug("acknowledgement not sent; the batch will be pushed", "peer", to.Short(), "error", err)
		}
	}
}

func (s *Store) handleAck(_ context.Context, from p2p.NodeID, message []byte) ([]byte, error) {
	if len(message)%8 != 0 {
		s.metrics.malformed.Inc()
		return nil, errMalformed
	}
	now := s.cfg.Now()
	for ; len(message) > 0; message = message[8:] {
		s.outbox.acked(binary.BigEndian.Uint64(message), from, now, s.alive)
	}
	return nil, nil
}
