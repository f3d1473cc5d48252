package simnet

import (
	"cmp"
	"slices"
	"time"

	"grapevine/p2p"
)

// members is a Node as its p2p.Members.
type members Node

// pair is what two nodes have seen of each other.
type pair struct {
	met       bool      // they once had a way in both directions
	downSince time.Time // zero while they have
}

// pair gives the state of two nodes, which is made at first use.
func (n *Network) pair(a, b p2p.NodeID) *pair {
	d := direction{min(a, b), max(a, b)}
	p := n.pairs[d]
	if p == nil {
		p = &pair{}
		n.pairs[d] = p
	}
	return p
}

// observe notes which pairs of nodes have lost or found each other, and tells
// them: at once, and when the loss counts. The network's mutex is held.
func (n *Network) observe() {
	now := time.Now()
	for a, nodeA := range n.nodes {
		for b, nodeB := range n.nodes {
			if a >= b {
				continue
			}
			p := n.pair(a, b)
			up := !nodeA.left && !nodeB.left && !n.link(a, b).cut && !n.link(b, a).cut
			switch {
			case up:
				p.met, p.downSince = true, time.Time{}
			case p.downSince.IsZero():
				p.downSince = now
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

// notify wakes all who watch the membership. The network's mutex is held.
func (n *Network) notify() {
	for _, node := range n.nodes {
		for w := range node.watchers {
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
	for id, node := range m.net.nodes {
		if id != m.id && m.net.pair(m.id, id).met {
			seen = append(seen, p2p.Member{ID: id, Addrs: node.addrs, Alive: m.alive(id)})
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
	p := m.net.pairs[direction{min(m.id, id), max(m.id, id)}]
	if p == nil || !p.met {
		return false
	}
	return p.downSince.IsZero() || time.Since(p.downSince) < m.net.opts.DetectAfter
}

func (m *members) Updates() (<-chan struct{}, func()) {
	updates := make(chan struct{}, 1)
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.watchers[updates] = struct{}{}
	return updates, func() {
		m.net.mu.Lock()
		defer m.net.mu.Unlock()
		delete(m.watchers, updates)
	}
}

func (m *members) Close() error {
	m.net.change(func() { m.left = true })
	return nil
}
