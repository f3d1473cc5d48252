package replica

import (
	"context"
	"errors"
	"slices"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

// maxHints bounds the bytes of writes that a node keeps for owners that cannot be
// reached.
const maxHints = 256 << 20

// anyOwner says whether some owner of a partition is believed alive.
func (s *Store) anyOwner(p store.Partition) bool {
	place := s.placement.Load()
	if place == nil {
		return false
	}
	return place.own[p] || slices.ContainsFunc(place.sets[p].owners, s.alive)
}

// standIn takes a write of a partition none of whose owners can be reached: a
// hint. The rows lie here as a copy that does not count. Anti-entropy hands it to
// the owners when they return, and it is dropped once all of them have it.
//
// What a session has written elsewhere cannot be waited for here: a write that
// depends on it is refused.
func (s *Store) standIn(ctx context.Context, p store.Partition, w store.Write, size int, d demand, durability int) (store.Receipt, error) {
	if s.hintBytes()+int64(size) > maxHints {
		return store.Receipt{}, store.ErrUnavailable
	}
	needs, err := d.needs()
	if err != nil {
		return store.Receipt{}, err
	}
	if err := s.awaitProof(ctx, p); err != nil {
		return store.Receipt{}, err
	}
	local := newLocalWrite(p, w, size)
	local.standIn, local.blind = true, !s.sees(p, needs)
	if err := s.submit(ctx, local); err != nil {
		return store.Receipt{}, err
	}
	<-local.done
	if local.err != nil && !errors.Is(local.err, store.ErrExists) {
		return store.Receipt{}, local.err
	}
	s.metrics.hints.Inc()
	receipt := store.Receipt{Partition: p, Dot: local.delta.dot, Copies: 1}
	if local.err != nil || len(local.delta.rows) == 0 {
		return receipt, local.err
	}
	return s.waitCopies(ctx, receipt, local.delivery, durability)
}

// hintBytes gives the bytes kept here as a stand-in.
func (s *Store) hintBytes() (bytes int64) {
	for i, p := range s.partitions {
		if !s.stores(store.Partition(i)) {
			bytes += p.record().hinted
		}
	}
	return bytes
}

// standInState is where a node stands that was asked to keep a delivery.
type standInState uint8

const (
	asked standInState = iota
	keeps
	refused
)

// enlist asks further nodes to keep a delivery, as long as owners are away: so
// that a write has the copies it asked for though its owners are too few. It says
// whether it asked any that had not been asked before.
func (s *Store) enlist(d *delivery, missing int) bool {
	chosen := s.chooseStandIns(d, missing)
	for _, peer := range chosen {
		s.spawn(func() { s.askToHold(d, peer) })
	}
	return len(chosen) > 0
}

func (s *Store) chooseStandIns(d *delivery, missing int) []p2p.NodeID {
	var able []p2p.NodeID
	for _, m := range s.placement.Load().ring.View().Members() {
		if m.State == ring.Active && m.Node != s.cfg.Self && s.cfg.Members.Alive(m.Node) && !slices.Contains(d.topic.peers, m.Node) {
			able = append(able, m.Node)
		}
	}
	able = s.ordered(OpWrite, able)
	d.mu.Lock()
	defer d.mu.Unlock()
	var chosen []p2p.NodeID
	for _, peer := range able {
		if _, before := d.standIns[peer]; before || len(chosen) == missing {
			continue
		}
		if d.standIns == nil {
			d.standIns = map[p2p.NodeID]standInState{}
		}
		d.standIns[peer] = asked
		chosen = append(chosen, peer)
	}
	return chosen
}

// askToHold has one node keep a delivery. Where it does not, it is as if it had
// not been asked: the write is acknowledged with fewer copies.
func (s *Store) askToHold(d *delivery, peer p2p.NodeID) {
	ctx, cancel := context.WithTimeout(s.ctx, maxAckTimeout)
	defer cancel()
	err := context.DeadlineExceeded
	select {
	case <-d.sealed:
		_, err = s.cfg.Transport.Call(ctx, peer, protoHold, d.message)
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.standIns[peer] = keeps
	} else {
		d.standIns[peer] = refused
		s.log.Debug("a stand-in does not keep a batch", "peer", peer.Short(), "error", err)
	}
	d.wake()
}

// handleHold keeps a batch for owners that its coordinator cannot reach.
func (s *Store) handleHold(ctx context.Context, from p2p.NodeID, message []byte) ([]byte, error) {
	if s.hintBytes()+int64(len(message)) > maxHints {
		return nil, wireError(store.ErrNoSpace)
	}
	return s.takeBatch(ctx, from, message, true)
}
