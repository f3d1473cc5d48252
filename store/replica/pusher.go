package replica

import (
	"context"
	"sync"
	"time"

	"grapevine/p2p"
)

// runPusher sends a batch directly to the peers that gossip did not reach in
// time. It sleeps while nothing is pending.
func (s *Store) runPusher() {
	var pushes sync.WaitGroup
	defer pushes.Wait()
	for {
		select {
		case <-s.outbox.kick:
		case <-s.ctx.Done():
			return
		}
		for {
			late, again := s.outbox.overdue(time.Now(), s.alive)
			if again == 0 {
				break
			}
			s.pushAll(late, &pushes)
			if !sleep(s.ctx, again) {
				return
			}
		}
	}
}

// pushAll begins to send late deliveries, to every peer apart: one that does not
// answer must not hold up the others. One that is still being sent the last lot gets
// no other.
func (s *Store) pushAll(late []*delivery, pushes *sync.WaitGroup) {
	owed := map[p2p.NodeID][]*delivery{}
	for _, d := range late {
		for _, peer := range d.outstanding(s.alive) {
			owed[peer] = append(owed[peer], d)
		}
	}
	for peer, deliveries := range owed {
		if s.outbox.beginPush(peer) {
			pushes.Go(func() {
				defer s.outbox.endPush(peer)
				s.pushTo(peer, deliveries)
			})
		}
	}
}

func (s *Store) pushTo(peer p2p.NodeID, deliveries []*delivery) {
	group, ctx := groupWithLimit(s.ctx, pushers)
	for _, d := range deliveries {
		if ctx.Err() != nil {
			break // a push has failed; the next round tries again
		}
		group.Go(func() error { return s.push(ctx, d, peer) })
	}
	if err := group.Wait(); err != nil {
		s.log.Debug("push failed", "peer", peer.Short(), "error", err)
	}
}

// beginPush says whether nothing is being pushed to a peer, and that now something is.
func (o *outbox) beginPush(peer p2p.NodeID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pushing[peer] {
		return false
	}
	o.pushing[peer] = true
	return true
}

func (o *outbox) endPush(peer p2p.NodeID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pushing, peer)
}

func (s *Store) push(ctx context.Context, d *delivery, peer p2p.NodeID) error {
	if d.hasAck(peer) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxAckTimeout)
	defer cancel()
	s.metrics.pushed.Inc()
	reply, err := s.cfg.Transport.Call(ctx, peer, protoPush, d.message)
	if err != nil {
		return localError(err)
	}
	lags := len(reply) != 1 || reply[0] != ackCopy
	s.outbox.acked(d.batch.number, peer, lags, time.Now(), s.alive)
	return nil
}
