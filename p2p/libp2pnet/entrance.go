package libp2pnet

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Bounds on what peers, and strangers at the door, can take up.
const (
	maxConns      = 8192
	maxHandshakes = 1024
	// maxAddressHandshakes bounds the connections of one address (IPv6: of one /64)
	// that have not proved to be a peer's, lest one stranger take all places.
	maxAddressHandshakes = 128
	// maxPeerConns leaves room for the connections of earlier lives and cuts that
	// are not yet known to be dead.
	maxPeerConns = 16
	// maxPeerStreams is several times what a peer needs: one per protocol.
	maxPeerStreams = 128
)

var errCrowded = errors.New("libp2pnet: too many handshakes with this address")

// entrance is libp2p's resource manager, which counts connections and streams,
// with counts of what is refused, and of strangers: connections that end before
// they have proved to be a peer's.
type entrance struct {
	network.ResourceManager
	host *Host

	mu         sync.Mutex
	handshakes map[netip.Prefix]int // under way, by address
}

func newEntrance(h *Host) (*entrance, error) {
	limits := rcmgr.PartialLimitConfig{
		System:      rcmgr.ResourceLimits{Conns: maxConns, ConnsInbound: maxConns, FD: maxConns},
		Transient:   rcmgr.ResourceLimits{Conns: maxHandshakes, ConnsInbound: maxHandshakes, FD: maxHandshakes},
		PeerDefault: rcmgr.ResourceLimits{ConnsInbound: maxPeerConns, StreamsInbound: maxPeerStreams},
	}.Build(rcmgr.InfiniteLimits)
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		// The default, one connection in five seconds from an address after the first
		// sixteen, would let whoever shares a peer's address keep the peer out.
		rcmgr.WithConnRateLimiters(&rate.Limiter{}),
		rcmgr.WithLimitPerSubnet( // many nodes may share an address
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: maxConns}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 128, ConnCount: maxConns}}))
	if err != nil {
		return nil, fmt.Errorf("libp2p resource manager: %w", err)
	}
	return &entrance{ResourceManager: m, host: h, handshakes: map[netip.Prefix]int{}}, nil
}

// OpenConnection implements network.ResourceManager.
func (e *entrance) OpenConnection(dir network.Direction, usefd bool, addr ma.Multiaddr) (network.ConnManagementScope, error) {
	if dir == network.DirOutbound {
		return e.ResourceManager.OpenConnection(dir, usefd, addr)
	}
	from := prefixOf(addr)
	if !e.begin(from) {
		e.host.metrics.refused.WithLabelValues(refusedConnections).Inc()
		return nil, errCrowded
	}
	scope, err := e.ResourceManager.OpenConnection(dir, usefd, addr)
	if err != nil {
		e.finish(from)
		e.host.metrics.refused.WithLabelValues(refusedConnections).Inc()
		return nil, err
	}
	return &arrival{ConnManagementScope: scope, entrance: e, from: from}, nil
}

// OpenStream implements network.ResourceManager.
func (e *entrance) OpenStream(p peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	scope, err := e.ResourceManager.OpenStream(p, dir)
	if dir == network.DirOutbound {
		return scope, err
	}
	if err != nil {
		e.host.metrics.refused.WithLabelValues(refusedStreams).Inc()
		e.host.offend(nodeID(p), "streams", weightCrowding, err)
		return nil, err
	}
	return &inquiry{StreamManagementScope: scope, host: e.host}, nil
}

func (e *entrance) begin(from netip.Prefix) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.handshakes[from] >= maxAddressHandshakes {
		return false
	}
	e.handshakes[from]++
	return true
}

func (e *entrance) finish(from netip.Prefix) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.handshakes[from]--; e.handshakes[from] <= 0 {
		delete(e.handshakes, from)
	}
}

// arrival is an inbound connection. libp2p sets its peer after the handshake, and
// is done with it early when there was none.
type arrival struct {
	network.ConnManagementScope
	entrance *entrance
	from     netip.Prefix
	proved   sync.Once
}

// SetPeer implements network.ConnManagementScope.
func (a *arrival) SetPeer(p peer.ID) error {
	a.proved.Do(func() { a.entrance.finish(a.from) })
	err := a.ConnManagementScope.SetPeer(p)
	if err != nil {
		a.entrance.host.metrics.refused.WithLabelValues(refusedConnections).Inc()
	}
	return err
}

// Done implements network.ResourceScopeSpan.
func (a *arrival) Done() {
	a.proved.Do(func() {
		a.entrance.finish(a.from)
		a.entrance.host.metrics.refused.WithLabelValues(refusedStranger).Inc()
	})
	a.ConnManagementScope.Done()
}

// inquiry is an inbound stream. libp2p sets its protocol when both have agreed on
// one, and is done with it early when they have not.
type inquiry struct {
	network.StreamManagementScope
	host   *Host
	agreed sync.Once
}

// SetProtocol implements network.StreamManagementScope.
func (i *inquiry) SetProtocol(p protocol.ID) error {
	i.agreed.Do(func() {})
	return i.StreamManagementScope.SetProtocol(p)
}

// Done implements network.ResourceScopeSpan.
func (i *inquiry) Done() {
	i.agreed.Do(func() { i.host.metrics.refused.WithLabelValues(refusedProtocol).Inc() })
	i.StreamManagementScope.Done()
}

// prefixOf gives what one stranger is assumed to have of addresses.
func prefixOf(addr ma.Multiaddr) netip.Prefix {
	ip, err := manet.ToIP(addr)
	if err != nil {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(ip)
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // of the zero address: the zero prefix
	return p
}
