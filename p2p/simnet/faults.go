package simnet

import "grapevine/p2p"

// Cut stops everything between a and b, in both directions.
func (n *Network) Cut(a, b p2p.NodeID) {
	n.change(func() { n.cut(a, b); n.cut(b, a) })
}

// CutOneWay stops everything on the way from one node to another. Requests of
// the other still arrive; their replies do not.
func (n *Network) CutOneWay(from, to p2p.NodeID) {
	n.change(func() { n.cut(from, to) })
}

// Partition cuts every node of a group off from every node of the others, beside
// the cuts there are. Nodes in no group keep their links.
func (n *Network) Partition(groups ...[]p2p.NodeID) {
	n.change(func() {
		for i, group := range groups {
			for _, other := range groups[i+1:] {
				n.separate(group, other)
			}
		}
	})
}

func (n *Network) separate(group, other []p2p.NodeID) {
	for _, a := range group {
		for _, b := range other {
			n.cut(a, b)
			n.cut(b, a)
		}
	}
}

func (n *Network) cut(from, to p2p.NodeID) {
	if from != to {
		n.link(from, to).close()
	}
}

// Heal mends all cuts.
func (n *Network) Heal() { n.change(n.heal) }

func (n *Network) heal() {
	for _, l := range n.links {
		l.mend()
	}
}

// Reset breaks the connections between a and b: what is under way in either
// direction is lost, and what is sent from now on arrives.
func (n *Network) Reset(a, b p2p.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range []*link{n.link(a, b), n.link(b, a)} {
		if !l.cut {
			l.close()
			l.mend()
		}
	}
}

// Crash takes a node down without warning: its calls in flight fail on both
// sides, and the contexts of its handlers end. Its Transport, Broadcaster and
// Members are closed from then on. What it has sent still arrives. It does not
// wait for running handlers.
func (n *Network) Crash(id p2p.NodeID) {
	n.change(func() {
		if node := n.nodes[id]; node != nil {
			node.shut()
			node.left = true
		}
	})
}

// Pause stops a node as SIGSTOP does, as far as others can see: nothing that it
// sends leaves, nothing that is sent to it arrives, and its peers find it dead
// after DetectAfter, while its connections stand. Messages wait on both sides, as
// many as maxParked. The node's own goroutines cannot be stopped; they run on and
// see their peers as they were. Its topics still hand over what had arrived.
func (n *Network) Pause(id p2p.NodeID) {
	n.change(func() {
		if node := n.nodes[id]; node != nil && !node.closed {
			node.paused = true
		}
	})
}

// Resume lets a paused node go on: what waited for it arrives and what it had
// sent leaves, in order.
func (n *Network) Resume(id p2p.NodeID) {
	n.change(func() {
		if node := n.nodes[id]; node != nil {
			node.resume()
		}
	})
}

// Suspect makes a believe at once that b is dead though nothing is wrong, or ends
// that belief. It ends by itself when either of them joins anew.
func (n *Network) Suspect(a, b p2p.NodeID, suspected bool) {
	n.change(func() { n.sight(a, b).suspected = suspected })
}

// unsuspect ends what is falsely believed by and of a node.
func (n *Network) unsuspect(id p2p.NodeID) {
	for d, s := range n.sights {
		if d.from == id || d.to == id {
			s.suspected = false
		}
	}
}
