package replica

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"grapevine/p2p"
)

// Wire is the highest version of the protocols of this package. One whose name ends in
// no number is of version 1.
const Wire = 2

// The protocols of this package, as Transport names them.
const (
	protoPush     = "replica/push"     // batch -> nothing, when durable
	protoHold     = "replica/hold"     // batch -> nothing, when kept for owners that are away
	protoAck      = "replica/ack"      // one-way: batch numbers that are durable
	protoRing     = "replica/ring"     // ring view -> ring view
	protoSeen     = "replica/seen"     // replica -> what is known of it
	protoSync     = "replica/sync"     // digests
	protoVecs     = "replica/vecs"     // version vectors
	protoFetch    = "replica/fetch"    // missing dots -> page
	protoSnapshot = "replica/snapshot" // keys after a key -> page
	protoCompare  = "replica/compare"  // digest of rows -> whether they are the same
	protoRead     = "replica/read"     // read on behalf of another node
	protoWrite    = "replica/write"    // write on behalf of another node
	protoWrite2   = "replica/write/2"  // the same, of what earlier builds do not know
	protoRestore  = "replica/restore"  // rows of a backup
)

// receiveGossip takes a published batch. While the applier's queue is full it
// blocks, so that the excess is dropped by gossip, not heaped up here; a push or
// anti-entropy brings it later.
func (s *Store) receiveGossip(from p2p.NodeID, message []byte) {
	if s.guard.shuns(from, time.Now()) {
		s.metrics.shunned.Inc()
		return
	}
	b, err := decodeBatch(message, s.partitionOf)
	if err != nil {
		_ = s.malformed(from, err) // there is nobody to tell
		return
	}
	if b.coordinator == s.cfg.Self {
		return
	}
	s.noticeRing(b.coordinator, b.ring)
	work := &remoteBatch{s: s, batch: b, bytes: int64(len(message)), done: func(err error) {
		if err == nil {
			s.acks.add(ackTo{b.coordinator, s.lagsIn(b)}, b.number)
		}
	}}
	// When the store closes the batch is not acknowledged, and comes again.
	_ = s.submit(s.ctx, work)
}

// handlePush applies a batch that was sent directly and replies when it is
// durable: with a byte that says what the copy counts for.
func (s *Store) handlePush(ctx context.Context, from p2p.NodeID, message []byte) ([]byte, error) {
	return s.takeBatch(ctx, from, message, false)
}

// takeBatch applies a batch that was sent directly.
func (s *Store) takeBatch(ctx context.Context, from p2p.NodeID, message []byte, hint bool) ([]byte, error) {
	b, err := decodeBatch(message, s.partitionOf)
	if err != nil {
		return nil, s.malformed(from, err)
	}
	s.noticeRing(b.coordinator, b.ring)
	done := make(chan error, 1)
	work := &remoteBatch{s: s, batch: b, bytes: int64(len(message)), hint: hint, done: func(err error) { done <- err }}
	if err := s.submit(ctx, work); err != nil {
		return nil, wireError(err)
	}
	select {
	case err := <-done:
		if err != nil {
			return nil, wireError(err)
		}
		return []byte{ackKind(s.lagsIn(b))}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lagsIn says whether this node owns some partition of a batch without having
// caught up with it. Its copy then counts for nothing but itself.
func (s *Store) lagsIn(b *batch) bool {
	for i := range b.deltas {
		if s.Lags(b.deltas[i].partition) {
			return true
		}
	}
	return false
}

// The kinds of acknowledgements.
const (
	ackCopy    = 0 // a copy that counts
	ackLagging = 1 // the copy of an owner that has not caught up
)

func ackKind(lags bool) byte {
	if lags {
		return ackLagging
	}
	return ackCopy
}

// maxAcks bounds the bytes of acknowledgements that wait for one peer. What they
// would say beyond it, a push will ask.
const maxAcks = 64 << 10

// ackTo is where acknowledgements of one kind go.
type ackTo struct {
	peer p2p.NodeID
	lags bool
}

// acks gathers the numbers of batches that have become durable here, to be sent
// to their coordinators in one message per commit.
type acks struct {
	mu      sync.Mutex
	numbers map[ackTo][]byte // waiting
	sending map[ackTo]bool
}

func (a *acks) add(to ackTo, number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.numbers == nil {
		a.numbers, a.sending = map[ackTo][]byte{}, map[ackTo]bool{}
	}
	message := a.numbers[to]
	if message == nil {
		message = []byte{ackKind(to.lags)}
	}
	if len(message) < maxAcks {
		a.numbers[to] = binary.BigEndian.AppendUint64(message, number)
	}
}

// begin gives those for which acknowledgements wait and nobody sends them, and
// counts on the caller to.
func (a *acks) begin() []ackTo {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []ackTo
	for to := range a.numbers {
		if !a.sending[to] {
			a.sending[to] = true
			out = append(out, to)
		}
	}
	return out
}

// take gives the message that waits, nil to end the sending.
func (a *acks) take(to ackTo) []byte {
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

func (s *Store) sendAcks(to ackTo) {
	for message := s.acks.take(to); message != nil; message = s.acks.take(to) {
		if err := s.cfg.Transport.Send(s.ctx, to.peer, protoAck, message); err != nil {
			s.log.Debug("acknowledgement not sent; the batch will be pushed", "peer", to.peer.Short(), "error", err)
		}
	}
}

// handleAck takes the kind of the acknowledgements and the numbers of batches.
func (s *Store) handleAck(_ context.Context, from p2p.NodeID, message []byte) ([]byte, error) {
	if len(message)%8 != 1 || message[0] > ackLagging {
		return nil, s.malformed(from, errMalformed)
	}
	now, lags := time.Now(), message[0] == ackLagging
	for message = message[1:]; len(message) > 0; message = message[8:] {
		s.outbox.acked(binary.BigEndian.Uint64(message), from, lags, now, s.alive)
	}
	return nil, nil
}
