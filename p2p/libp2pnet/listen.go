package libp2pnet

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// listen starts the libp2p host and gossip on it.
func (h *Host) listen(ctx context.Context) error {
	priv, id, err := identity(h.cfg.Key)
	if err != nil {
		return err
	}
	psk, err := hkdf.Key(sha256.New, h.cfg.Secret[:], nil, "grapevine libp2p private network", 32)
	if err != nil {
		return fmt.Errorf("derive network key: %w", err)
	}
	listen, err := resolve(ctx, h.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", h.cfg.Listen, err)
	}
	resources, err := newEntrance(h)
	if err != nil {
		return err
	}
	h.self = nodeID(id)
	logQuietly(h.log)
	h.host, err = libp2p.New(
		libp2p.Identity(priv),
		libp2p.PrivateNetwork(psk),
		libp2p.NoListenAddrs, // see below
		libp2p.ResourceManager(resources),
		libp2p.ConnectionGater(gater{h}),
		stack(),
	)
	if err != nil {
		return fmt.Errorf("start libp2p: %w", errors.Join(err, resources.Close()))
	}
	// libp2p.New would log a listener's failure three times over.
	if err := h.host.Network().Listen(listen); err != nil {
		return fmt.Errorf("listen on %s: %w", h.cfg.Listen, errors.Join(err, h.host.Close()))
	}
	if err := h.afterListen(); err != nil {
		return errors.Join(err, h.host.Close())
	}
	return nil
}

// stack is what every host is made of: TCP, TLS and yamux, and none of libp2p's
// means to find peers, to get round NATs or to trim connections.
func stack() libp2p.Option {
	return libp2p.ChainOptions(
		// Dialling from the listening port would make simultaneous and repeated
		// dials between two nodes collide.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
		libp2p.WithDialTimeout(dialTimeout),
		libp2p.SwarmOpts(swarm.WithDialRanker(swarm.NoDelayDialRanker)),
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
		libp2p.UserAgent("grapevine"),
		libp2p.DisableRelay(),
		libp2p.ForceReachabilityPrivate(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.Ping(false),
		libp2p.DisableMetrics(),
	)
}

// afterListen learns the bound address and starts gossip.
func (h *Host) afterListen() error {
	var ok bool
	if h.swarm, ok = h.host.Network().(*swarm.Swarm); !ok {
		return fmt.Errorf("libp2p network is a %T, not a swarm", h.host.Network())
	}
	var err error
	if h.addr, err = h.advertised(); err != nil {
		return err
	}
	h.gossip, err = newGossip(h.ctx, h)
	return err
}

// resolve gives the multiaddress of a HOST:PORT to listen on.
func resolve(ctx context.Context, hostport string) (ma.Multiaddr, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q", port)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	return manet.FromNetAddr(&net.TCPAddr{IP: ips[0].IP, Zone: ips[0].Zone, Port: int(number)})
}

// multiaddrOf gives the multiaddress of a HOST:PORT to dial. A host name is
// resolved with each dial.
func multiaddrOf(hostport string) (ma.Multiaddr, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	kind := "dns"
	if ip := net.ParseIP(host); ip != nil {
		kind = "ip6"
		if ip.To4() != nil {
			kind = "ip4"
		}
	}
	return ma.NewMultiaddr("/" + kind + "/" + host + "/tcp/" + port)
}

// advertised gives the address for peers to dial: as configured, else the one
// bound, else, when bound to all interfaces, the first that is not loopback.
func (h *Host) advertised() (string, error) {
	bound, err := manet.ToNetAddr(h.swarm.ListenAddresses()[0])
	if err != nil {
		return "", fmt.Errorf("bound address: %w", err)
	}
	tcpAddr, ok := bound.(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("bound address %s is not TCP", bound)
	}
	port := strconv.Itoa(tcpAddr.Port)
	if want := h.cfg.Advertise; want != "" {
		host, wantPort, err := net.SplitHostPort(want)
		if err != nil {
			host, wantPort = want, "0"
		}
		if wantPort != "0" {
			port = wantPort
		}
		return net.JoinHostPort(host, port), nil
	}
	ip := tcpAddr.IP
	if ip.IsUnspecified() {
		ip = outwardIP()
	}
	return net.JoinHostPort(ip.String(), port), nil
}

// outwardIP gives an address of this machine, not loopback if it has another.
func outwardIP() net.IP {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP
		}
	}
	return net.IPv4(127, 0, 0, 1)
}
