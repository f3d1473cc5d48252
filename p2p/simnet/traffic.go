package simnet

import (
	"maps"

	"grapevine/p2p"
)

// Flow is what one node sends another under one protocol. Gossip is counted under
// its topic, from publisher to subscriber, and a reply under the call's protocol.
type Flow struct {
	From, To p2p.NodeID
	Protocol string
}

// Volume counts messages, and the bytes of them without framing and encryption.
type Volume struct {
	Messages, Bytes int64
}

// Traffic gives what was sent since New or ResetTraffic, also what was lost on
// the way. What the network brings once more, it counts once.
func (n *Network) Traffic() map[Flow]Volume {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.traffic)
}

// ResetTraffic counts from zero again.
func (n *Network) ResetTraffic() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.traffic)
}

// count notes a message. The network's mutex is held.
func (n *Network) count(from, to p2p.NodeID, protocol string, size int) {
	f := Flow{from, to, protocol}
	v := n.traffic[f]
	n.traffic[f] = Volume{v.Messages + 1, v.Bytes + int64(size)}
}
