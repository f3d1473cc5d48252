package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

const (
	ringTopic   = "ring"
	joinRetry   = 200 * time.Millisecond
	ringTimeout = 2 * time.Second
)

// viewNow gives a copy of the ring view, nil before this node has joined.
func (s *Store) viewNow() *ring.View {
	v := s.view.Load()
	if v == nil {
		return nil
	}
	return v.Clone()
}

// adopt merges a view into this node's, makes the result durable, and only then
// acts on it and tells others.
func (s *Store) adopt(v *ring.View) error {
	select {
	case s.adopting <- struct{}{}:
		defer func() { <-s.adopting }()
	case <-s.ctx.Done():
		return store.ErrEngineClosed
	}
	merged := v.Clone()
	if mine := s.viewNow(); mine != nil {
		changed, err := mine.Merge(v)
		if err != nil || !changed {
			return err
		}
		merged = mine
	}
	var b store.Batch
	b.Put(metaKey(metaView), merged.Append(nil))
	if err := s.engine.Commit(s.ctx, &b); err != nil {
		return fmt.Errorf("ring view: %w", err)
	}
	return s.install(merged)
}

// install makes a durable view the current one. The caller holds adopting.
func (s *Store) install(v *ring.View) error {
	next := newPlacement(ring.New(v), s.cfg.Self)
	previous := s.placement.Load()
	if previous == nil {
		if err := s.loadPartitions(next); err != nil {
			return err
		}
	} else {
		s.forgetDisks(previous.ring.View(), v)
		s.loseTrust(previous, next)
	}
	s.view.Store(v)
	s.placement.Store(next)
	if err := s.topics.follow(next); err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	s.outbox.recheck()
	s.ringChanged.raise()
	if previous == nil {
		close(s.known)
	}
	s.kickSync("")
	return nil
}

// loseTrust stops reads from partitions that this node has not been storing.
func (s *Store) loseTrust(previous, next *placement) {
	for i, p := range s.partitions {
		if next.hold[i] && !previous.hold[i] {
			p.mu.Lock()
			p.distrust()
			p.since = time.Now()
			p.mu.Unlock()
		}
	}
}

// forgetDisks drops what was known of the disks of members that have left, or have
// another disk now.
func (s *Store) forgetDisks(previous, next *ring.View) {
	for _, m := range next.Members() {
		old, known := previous.Member(m.Node)
		if m.State != ring.Gone && (!known || old.Replica == m.Replica && old.State != ring.Gone) {
			continue
		}
		for _, p := range s.partitions {
			p.forget(m.Node)
		}
	}
}

// announceRing tells all members of a changed view. What it misses, the digest
// in every exchange finds.
func (s *Store) announceRing() {
	if v := s.viewNow(); v != nil {
		if err := s.ringGossip.Publish(s.ctx, v.Append(nil)); err != nil && s.ctx.Err() == nil {
			s.log.Debug("ring view not published", "error", err)
		}
	}
}

func (s *Store) receiveRing(from p2p.NodeID, message []byte) {
	v, _, err := ring.ConsumeView(message)
	if err != nil {
		_ = s.malformed(from, err) // there is nobody to tell
		return
	}
	if s.viewNow() == nil {
		return // not joined: a view is asked for, not overheard
	}
	if err := s.adopt(v); err != nil {
		s.log.Warn("ring view of a peer refused", "error", err)
	}
}

// handleRing merges the caller's view, if it has one, and answers with ours.
func (s *Store) handleRing(_ context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
	mine := s.viewNow()
	if mine == nil {
		return nil, wireError(store.ErrUnavailable)
	}
	if len(request) == 0 {
		return mine.Append(nil), nil
	}
	v, _, err := ring.ConsumeView(request)
	if err != nil {
		return nil, s.malformed(from, err)
	}
	if err := s.adopt(v); err != nil {
		return nil, &p2p.RemoteError{Code: "other-cluster", Message: err.Error()}
	}
	return s.viewNow().Append(nil), nil
}

// exchangeRing makes this node's view and a peer's equal.
func (s *Store) exchangeRing(ctx context.Context, peer p2p.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	var request []byte
	if v := s.viewNow(); v != nil {
		request = v.Append(nil)
	}
	reply, err := s.cfg.Transport.Call(ctx, peer, protoRing, request)
	if err != nil {
		return err
	}
	v, _, err := ring.ConsumeView(reply)
	if err != nil {
		return err
	}
	if err := s.adopt(v); err != nil {
		return err
	}
	s.doubts.settle(peer)
	return nil
}

// noticeRing has the views exchanged when a peer's digest differs from ours.
func (s *Store) noticeRing(peer p2p.NodeID, digest uint64) {
	if s.placement.Load().ring.Digest() != digest && s.alive(peer) {
		s.doubts.note(peer)
		s.kickSync(peer)
	}
}

// doubts are the members that are known to have had another view of the ring,
// until views have been exchanged with them.
type doubts struct {
	mu    sync.Mutex
	peers map[p2p.NodeID]bool
}

func (d *doubts) note(peer p2p.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.peers == nil {
		d.peers = map[p2p.NodeID]bool{}
	}
	d.peers[peer] = true
}

func (d *doubts) settle(peer p2p.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.peers, peer)
}

// any says whether one of them can be reached, and forgets the others.
func (d *doubts) any(alive func(p2p.NodeID) bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for peer := range d.peers {
		if alive(peer) {
			return true
		}
		delete(d.peers, peer)
	}
	return false
}

// runMembership brings this node into the ring: it learns the view, becomes a
// joining member, and an active one as soon as it has caught up.
func (s *Store) runMembership() {
	for s.viewNow() == nil {
		if err := s.learnView(); err != nil {
			s.log.Debug("no ring view yet", "error", err)
		}
		if !sleep(s.ctx, joinRetry) {
			return
		}
	}
	caughtUp, stop := s.progress.subscribe()
	defer stop()
	changed, stopRing := s.ringChanged.subscribe()
	defer stopRing()
	for {
		again, err := s.advance()
		if err != nil && s.ctx.Err() == nil {
			s.log.Error("cannot change this node's place in the ring", "error", err)
		}
		timer := time.NewTimer(again)
		select {
		case <-caughtUp:
		case <-changed:
			s.announceRing()
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// learnView asks every reachable member for its view until one has it.
func (s *Store) learnView() error {
	err := errors.New("no member reached")
	for _, m := range s.cfg.Members.Members() {
		if m.ID == s.cfg.Self || !m.Alive {
			continue
		}
		if err = s.exchangeRing(s.ctx, m.ID); err == nil {
			return nil
		}
	}
	return err
}

const (
	leaveRetry = 250 * time.Millisecond // between looks at whether others have taken over
	advanceNow = time.Minute            // between looks where nothing is awaited
)

// advance takes this node's next step in the ring, if it is due, and says when to
// look again.
func (s *Store) advance() (again time.Duration, err error) {
	v := s.viewNow()
	m, ok := v.Member(s.cfg.Self)
	id := s.identity.now()
	switch {
	case !ok:
		m = ring.Member{Node: s.cfg.Self, State: ring.Joining, Epoch: 1}
		s.describe(&m)
	case s.leaving.begun() && m.State == ring.Gone:
		return leaveRetry, s.concludeLeaving()
	case m.State == ring.Gone:
		s.log.Info("this node had been given up; it joins again")
		m.State, m.Epoch = ring.Joining, m.Epoch+1
		s.describe(&m)
	case m.State == ring.Leaving:
		s.leaving.begin()
		if !s.succeeded(v) {
			return leaveRetry, nil
		}
		m.State = ring.Gone
		s.log.Info("others have taken over: no longer in the ring")
	case m.Replica != id.replica || m.Weight != s.cfg.Weight || m.Zone != s.cfg.Zone:
		s.log.Info("the ring is told of this node anew", "replica", id.replica, "weight", s.cfg.Weight, "zone", s.cfg.Zone,
			"old weight", m.Weight, "old zone", m.Zone)
		m.Epoch++
		s.describe(&m)
	case m.State == ring.Joining && s.allCaughtUp():
		m.State = ring.Active
		s.log.Info("caught up: active in the ring")
	default:
		return advanceNow, nil
	}
	v.Set(m)
	return advanceNow, s.adopt(v)
}

// describe enters what this node says of itself.
func (s *Store) describe(m *ring.Member) {
	m.Replica, m.Weight, m.Zone = s.identity.now().replica, s.cfg.Weight, s.cfg.Zone
}

// allCaughtUp says whether every partition that this node stores may be read.
func (s *Store) allCaughtUp() bool {
	place := s.placement.Load()
	for i, p := range s.partitions {
		if place.hold[i] && !p.ready() {
			return false
		}
	}
	return true
}

// Active says whether this node is a full member that has caught up.
func (s *Store) Active() bool {
	v := s.viewNow()
	if v == nil {
		return false
	}
	m, ok := v.Member(s.cfg.Self)
	return ok && m.State == ring.Active && s.allCaughtUp()
}

// Lags says whether this node owns a partition but has not caught up with it.
func (s *Store) Lags(p store.Partition) bool {
	place := s.placement.Load()
	return place != nil && place.own[p] && !s.partitions[p].ready()
}

// Leads says whether this node is the first reachable owner of a partition.
func (s *Store) Leads(p store.Partition) bool {
	place := s.placement.Load()
	if place == nil {
		return false
	}
	owners := place.ring.Owners(p)
	i := slices.IndexFunc(owners, s.alive)
	return i >= 0 && owners[i] == s.cfg.Self
}

func (s *Store) alive(id p2p.NodeID) bool {
	return id == s.cfg.Self || s.cfg.Members.Alive(id)
}
