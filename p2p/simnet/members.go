package simnet

import (
	"cmp"
	"slices"
	"time"

	"grapevine/p2p"
)

// members is a Node as its p2p.Members.
type members Node

// sight is what one node believes of another.
type sight struct {
	met       bool      // they once had a way in both directions
	downSince time.Time // zero while they have
	suspected bool      // held for dead without cause
}

// sight gives the state of two nodes, which is made at first use.
func (n *Network) sight(from, of p2p.NodeID) *sight {
	d := direction{from, of}
	s := n.sights[d]
	if s == nil {
		s = &sight{}
		n.sights[d] = s
	}
	return s
}

// observe notes which nodes have lost or found each other, and tells them: at
// once, and when the loss counts. The network's mutex is held.
func (n *Network) observe() {
	for _, a := range n.order {
		for _, b := range n.order {
			if a != b && !a.paused {
				n.look(a, b)
			}
		}
	}
	n.notify()
	if !n.closed {
		time.AfterFunc(n.opts.DetectAfter, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.notify()
		})
	}
}

// look notes what a sees of b.
func (n *Network) look(a, b *Node) {
	s := n.sight(a.id, b.id)
	up := !a.left && !b.left && !b.paused && !n.link(a.id, b.id).cut && !n.link(b.id, a.id).cut
	switch {
	case up:
		s.met, s.downSince = true, time.Time{}
	case s.downSince.IsZero():
		s.downSince = time.Now()
	}
}

// notify wakes all who watch the membership. The network's mutex is held.
func (n *Network) notify() {
	for _, node := range n.order {
		for _, w := range node.watchers {
			select {
			case w <- struct{}{}:
			default: // told already
			}
		}
	}
}

func (m *members) Members() []p2p.Member {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	seen := []p2p.Member{{ID: m.id, Addrs: m.addrs, Alive: true}}
	for _, node := range m.net.order {
		if node.id != m.id && m.net.sight(m.id, node.id).met {
			seen = append(seen, p2p.Member{ID: node.id, Addrs: node.addrs, Alive: m.alive(node.id)})
		}
	}
	slices.SortFunc(seen, func(a, b p2p.Member) int { return cmp.Compare(a.ID, b.ID) })
	return seen
}

func (m *members) Alive(id p2p.NodeID) bool {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	return m.alive(id)
}

func (m *members) alive(id p2p.NodeID) bool {
	if id == m.id {
		return true
	}
	s := m.net.sights[direction{m.id, id}]
	if s == nil || !s.met || s.suspected {
		return false
	}
	return s.downSince.IsZero() || time.Since(s.downSince) < m.net.opts.DetectAfter
}

func (m *members) Updates() (<-chan struct{}, func()) {
	updates := make(chan struct{}, 1)
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.watchers = append(m.watchers, updates)
	return updates, func() {
		m.net.mu.Lock()
		defer m.net.mu.Unlock()
		m.watchers = slices.DeleteFunc(m.watchers, func(w chan struct{}) bool { return w == updates })
	}
}

func (m *members) Close() error {
	m.net.change(func() { m.left = true })
	return nil
}
