package libp2pnet

import (
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"grapevine/p2p"
)

// Block cuts this node off from the peers for which blocked is true, in both
// directions, for fault injection: it closes their connections and refuses new
// ones until Block is called again. Nil ends the cut. blocked must be safe for
// concurrent use and must not block.
func (h *Host) Block(blocked func(p2p.NodeID) bool) {
	if blocked == nil {
		blocked = func(p2p.NodeID) bool { return false }
	}
	h.blocked.Store(&blocked)
	for _, pid := range h.swarm.Peers() {
		if blocked(nodeID(pid)) {
			_ = h.swarm.ClosePeer(pid)
		}
	}
	h.mu.RLock()
	for _, r := range h.remotes {
		r.resetBackoff()
	}
	h.mu.RUnlock()
	h.wakeKeeper()
}

// keptOut says whether there shall be no connection with a peer now: it is blocked,
// or barred for its offences.
func (h *Host) keptOut(id p2p.NodeID) bool { return h.isBlocked(id) || h.offences.barred(id) }

func (h *Host) isBlocked(id p2p.NodeID) bool {
	blocked := h.blocked.Load()
	return blocked != nil && (*blocked)(id)
}

// gater makes libp2p keep out who is to be kept out. A connection is refused as
// soon as its peer is known: before dialling, or after the security handshake.
type gater struct{ h *Host }

var _ connmgr.ConnectionGater = gater{}

func (g gater) allows(p peer.ID) bool { return !g.h.keptOut(nodeID(p)) }

func (g gater) InterceptPeerDial(p peer.ID) bool                 { return g.allows(p) }
func (g gater) InterceptAddrDial(p peer.ID, _ ma.Multiaddr) bool { return g.allows(p) }
func (g gater) InterceptAccept(network.ConnMultiaddrs) bool      { return true }
func (g gater) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	if g.h.offences.barred(nodeID(p)) {
		g.h.metrics.refused.WithLabelValues(refusedBarred).Inc()
	}
	return g.allows(p)
}
func (g gater) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.allows(c.RemotePeer()), 0
}
