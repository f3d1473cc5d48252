package swim

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/memberlist"

	"grapevine/p2p"
)

var _ p2p.Members = (*Swim)(nil)

// member is what is known of a node, from the last description it signed.
type member struct {
	p2p.Member
	description
	meta      string
	elsewhere string // where it was claimed to be too; see NotifyConflict
}

// Members implements p2p.Members, in order of their ids.
func (s *Swim) Members() []p2p.Member {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]p2p.Member, 0, len(s.members))
	for _, m := range s.members {
		all = append(all, m.Member)
	}
	slices.SortFunc(all, func(a, b p2p.Member) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Member gives what is known of one node.
func (s *Swim) Member(id p2p.NodeID) (p2p.Member, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m := s.members[id]; m != nil {
		return m.Member, true
	}
	return p2p.Member{}, false
}

// Alive implements p2p.Members.
func (s *Swim) Alive(id p2p.NodeID) bool {
	m, _ := s.Member(id)
	return m.Alive
}

// Updates implements p2p.Members.
func (s *Swim) Updates() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	s.subscribers[c] = struct{}{}
	s.mu.Unlock()
	return c, func() {
		s.mu.Lock()
		delete(s.subscribers, c)
		s.mu.Unlock()
	}
}

// Forget drops a dead member and its address. A member that is alive, or lives
// again later, is not forgotten.
func (s *Swim) Forget(id p2p.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[id]
	if m == nil || m.Alive {
		return
	}
	delete(s.members, id)
	delete(s.names, m.Addrs.Gossip)
	delete(s.remembered, m.Addrs.Gossip)
	s.changed()
}

// changed tells subscribers and the joiner. The caller holds s.mu.
func (s *Swim) changed() {
	for c := range s.subscribers {
		signal(c)
	}
	signal(s.wake)
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// NotifyAlive implements memberlist.AliveDelegate: it refuses a claim that the
// named node did not sign, or that puts it at an address it did not sign. A
// memberlist.MergeDelegate is not needed, as merged claims pass here too, each
// by itself, so that one bad entry does not keep two halves apart.
func (s *Swim) NotifyAlive(n *memberlist.Node) error {
	err := s.checkClaim(n)
	if err != nil && !errors.Is(err, errTwin) {
		s.metrics.claims.Inc()
		s.seldom.Do(func() {
			s.log.Warn("refused a member's claim", "name", n.Name, "address", n.Address(), "error", err)
		})
	}
	return err
}

func (s *Swim) checkClaim(n *memberlist.Node) error {
	id := p2p.NodeID(n.Name)
	s.mu.RLock()
	known := s.members[id]
	s.mu.RUnlock()
	var d description
	if known != nil && known.meta == string(n.Meta) {
		d = known.description
	} else {
		var err error
		if d, err = verifyMeta(n.Meta, s.label, id); err != nil {
			return err
		}
	}
	ip, _ := netip.AddrFromSlice(n.Addr)
	if at := netip.AddrPortFrom(ip.Unmap(), n.Port).String(); at != d.addrs.Gossip {
		return fmt.Errorf("claimed at %s, signed for %s", at, d.addrs.Gossip)
	}
	if !understood(n) {
		return fmt.Errorf("speaks versions %d to %d of memberlist's protocol", n.PMin, n.PMax)
	}
	// At the same address it is this node's own past, which memberlist refutes.
	if id == s.cfg.Self && d.boot != s.boot && d.addrs.Gossip != s.cfg.Addrs.Gossip {
		s.suspectTwin(d)
		return errTwin
	}
	return nil
}

// understood says whether a member speaks the protocol spoken here. Versions are
// not signed, and memberlist would refuse to exchange state with anybody once it
// had believed in one that nobody speaks.
func understood(n *memberlist.Node) bool {
	const spoken = memberlist.ProtocolVersion2Compatible
	return n.PMin <= spoken && spoken <= n.PMax && n.PCur == spoken && n.DMin == 0 && n.DCur == 0
}

// NotifyJoin implements memberlist.EventDelegate.
func (s *Swim) NotifyJoin(n *memberlist.Node) { s.learn(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (s *Swim) NotifyUpdate(n *memberlist.Node) { s.learn(n) }

// NotifyLeave implements memberlist.EventDelegate: the node crashed or left.
func (s *Swim) NotifyLeave(n *memberlist.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[p2p.NodeID(n.Name)]; m != nil && m.Alive && m.ID != s.cfg.Self {
		m.Alive = false
		s.log.Info("member is not alive", "peer", m.ID)
		s.changed()
	}
}

// learn records a living member, whose description NotifyAlive has accepted.
func (s *Swim) learn(n *memberlist.Node) {
	id := p2p.NodeID(n.Name)
	d, err := verifyMeta(n.Meta, s.label, id)
	if err != nil {
		return
	}
	addrs := d.addrs
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.members[id]; old != nil && old.Addrs.Gossip != addrs.Gossip {
		delete(s.names, old.Addrs.Gossip)
		delete(s.remembered, old.Addrs.Gossip)
	}
	s.members[id] = &member{Member: p2p.Member{ID: id, Addrs: addrs, Alive: true}, description: d, meta: string(n.Meta)}
	s.names[addrs.Gossip] = id
	s.log.Info("member is alive", "peer", id, "addrs", addrs)
	s.changed()
}

// NodeMeta implements memberlist.Delegate.
func (s *Swim) NodeMeta(int) []byte { return s.meta }

// NotifyMsg implements memberlist.Delegate; there are no messages of ours.
func (s *Swim) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (s *Swim) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (s *Swim) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (s *Swim) MergeRemoteState([]byte, bool) {}
