package libp2pnet

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"grapevine/p2p"
)

const (
	// farewell is how long a connection outlives its peer's place in the wanted
	// set. A false alarm of the failure detector ends sooner; and a TCP connection
	// that was cut off for longer would take as long again to come back by itself.
	farewell = 3 * time.Second
	// stagger is how long the node with the greater id leaves it to the other to
	// connect, so that two nodes which meet do not end up with two connections.
	stagger = 300 * time.Millisecond
	// keeperRetry is how often the keeper looks after peers it could not reach.
	keeperRetry = 250 * time.Millisecond
)

// SetPeers says with which peers a connection shall stand; the host connects to
// them, and reconnects, with backoff. A peer that is new to the set is tried at
// once whatever became of earlier attempts. Connections to peers no longer in
// it are closed after 3 seconds. The node itself is ignored.
func (h *Host) SetPeers(ids []p2p.NodeID) {
	now := time.Now()
	wanted := make(map[p2p.NodeID]time.Time, len(ids))
	var added []p2p.NodeID
	h.wantedMu.Lock()
	for _, id := range ids {
		since, known := h.wanted[id]
		if !known {
			added, since = append(added, id), now
		}
		wanted[id] = since
		delete(h.leaving, id)
	}
	delete(wanted, h.self)
	for id := range h.wanted {
		if _, still := wanted[id]; !still {
			h.leaving[id] = now
		}
	}
	h.wanted = wanted
	h.wantedMu.Unlock()
	for _, id := range added {
		h.ResetBackoff(id)
	}
	h.wakeKeeper()
}

// ResetBackoff makes the next call to a peer dial at once, for when there is
// news that the peer is alive.
func (h *Host) ResetBackoff(id p2p.NodeID) {
	h.mu.RLock()
	r := h.remotes[id]
	h.mu.RUnlock()
	if r != nil {
		r.resetBackoff()
	}
	h.wakeKeeper()
}

// Connect makes sure that a connection to the peer stands, dialling at once
// whatever became of earlier attempts. The error wraps p2p.ErrUnreachable.
func (h *Host) Connect(ctx context.Context, id p2p.NodeID) error {
	if id == h.self {
		return nil
	}
	r, err := h.remote(id)
	if err != nil {
		return err
	}
	r.resetBackoff()
	return h.connect(ctx, r)
}

// Reachable says whether a connection to the peer stands right now.
func (h *Host) Reachable(id p2p.NodeID) bool {
	if id == h.self {
		return true
	}
	pid, err := peer.Decode(string(id))
	return err == nil && h.connected(pid)
}

func (h *Host) connected(pid peer.ID) bool {
	return h.swarm.Connectedness(pid) == network.Connected
}

func (h *Host) wakeKeeper() {
	select {
	case h.keeperWake <- struct{}{}:
	default:
	}
}

// keep tends connections until the host closes. It sleeps while all is as
// wanted.
func (h *Host) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-h.keeperWake:
		case <-h.ctx.Done():
			return
		}
		if h.tend(time.Now()) {
			timer.Reset(keeperRetry)
		}
	}
}

// tend starts the dials and ends the connections that are due. It says whether
// something remains to be done later.
func (h *Host) tend(now time.Time) (again bool) {
	var dials, closes []p2p.NodeID
	h.wantedMu.Lock()
	for id, since := range h.wanted {
		if h.Reachable(id) {
			continue
		}
		again = true
		if h.self < id || now.Sub(since) >= stagger {
			dials = append(dials, id)
		}
	}
	for id, since := range h.leaving {
		if now.Sub(since) < farewell {
			again = true
			continue
		}
		closes = append(closes, id)
		delete(h.leaving, id)
	}
	h.wantedMu.Unlock()
	for _, id := range dials {
		if r, err := h.remote(id); err == nil {
			_, _ = h.dial(r)
		}
	}
	for _, id := range closes {
		h.disconnect(id)
	}
	return again
}

func (h *Host) disconnect(id p2p.NodeID) {
	if pid, err := peer.Decode(string(id)); err == nil {
		_ = h.swarm.ClosePeer(pid)
	}
}

// notifiee hears of connections that come and go.
func (h *Host) notifiee() network.Notifiee {
	return &network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			h.ResetBackoff(nodeID(c.RemotePeer()))
		},
		DisconnectedF: func(network.Network, network.Conn) { h.wakeKeeper() },
	}
}
