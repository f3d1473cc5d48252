package swim

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"

	"grapevine/p2p"
)

// Config says who the node is and whom it may know.
type Config struct {
	// Self is the node's name, and Key the private key that it stands for.
	Self p2p.NodeID
	Key  ed25519.PrivateKey
	// Secret is the cluster's. Nodes with another secret are not heard.
	Secret [32]byte
	// Listen is the HOST:PORT of both UDP and TCP; port 0 picks a free one.
	Listen string
	// Advertise is the HOST or HOST:PORT at which others reach Listen, where that
	// differs; without a port, or with port 0, it is the bound one.
	Advertise string
	// Addrs are the addresses to tell others, each of at most 128 bytes. Gossip is
	// filled in.
	Addrs p2p.Addrs
	// Join are gossip addresses of other nodes, given by the operator.
	Join []string
	// Remembered is what Save was last given in an earlier run.
	Remembered []string
	// Save, if not nil, is given the gossip addresses known, at most 256, whenever
	// they have changed. It is called one at a time, apart from other work.
	Save func(addrs []string)
	// Log may be nil, for none.
	Log *slog.Logger
	// Metrics may be nil. A registerer serves one Swim.
	Metrics prometheus.Registerer
}

// verify reports every mistake at once.
func (c Config) verify() error {
	var errs []error
	public, err := publicKey(c.Self)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("swim: Self: %w", err))
	case len(c.Key) != ed25519.PrivateKeySize || !public.Equal(c.Key.Public()):
		errs = append(errs, errors.New("swim: Key is not the key of Self"))
	}
	if c.Secret == [32]byte{} {
		errs = append(errs, errors.New("swim: Secret is missing"))
	}
	if c.Listen == "" {
		errs = append(errs, errors.New("swim: Listen is missing"))
	}
	return errors.Join(errs...)
}

// Failure detection. A crash is seen after about a second: up to two probe
// intervals until the probe, one until it fails, two of suspicion. Lifeguard's
// awareness makes a node that is itself slow slower to accuse others.
const (
	probeInterval = 200 * time.Millisecond
	probeTimeout  = 100 * time.Millisecond
	suspicionMult = 2
	// streamTimeout bounds a full exchange of state, and a dial to a dead address.
	streamTimeout = 2 * time.Second
)

func (s *Swim) memberlistConfig(t memberlist.Transport) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = string(s.cfg.Self)
	c.RequireNodeNames = false // operators give addresses alone
	c.Transport = t
	// The transport seals packets and streams, and takes nothing compressed.
	c.EnableCompression = false
	c.UDPBufferSize -= sealSize
	c.ProbeInterval, c.ProbeTimeout, c.SuspicionMult = probeInterval, probeTimeout, suspicionMult
	c.GossipInterval = 100 * time.Millisecond
	c.GossipToTheDeadTime = 30 * time.Second
	c.PushPullInterval = 10 * time.Second
	c.TCPTimeout = streamTimeout
	// A signature proves who claims the name, so a node may come back elsewhere as
	// soon as it was missed.
	c.DeadNodeReclaimTime = time.Millisecond
	c.Delegate, c.Events, c.Alive, c.Conflict = s, s, s, s
	c.Logger = log.New(newLogWriter(s.log), "", 0)
	return c
}

// clusterLabel names the cluster in the clear without giving the secret away.
func clusterLabel(secret [32]byte) (string, error) {
	sum, err := hkdf.Key(sha256.New, secret[:], nil, "grapevine swim label", 8)
	if err != nil {
		return "", fmt.Errorf("derive cluster label: %w", err)
	}
	return "grapevine-" + hex.EncodeToString(sum), nil
}

// resolve gives the first address of a HOST:PORT.
func resolve(ctx context.Context, hostport string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q", port)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(number)), nil
}

// advertised gives the address for others: as configured, else the one bound,
// else, when bound to all interfaces, the first that is not loopback.
func advertised(ctx context.Context, configured string, bound netip.AddrPort) (netip.AddrPort, error) {
	if configured == "" {
		if bound.Addr().IsUnspecified() {
			return netip.AddrPortFrom(outwardIP(), bound.Port()), nil
		}
		return bound, nil
	}
	if _, _, err := net.SplitHostPort(configured); err != nil {
		configured = net.JoinHostPort(configured, "0")
	}
	addr, err := resolve(ctx, configured)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("advertised address %q: %w", configured, err)
	}
	if addr.Port() == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), bound.Port())
	}
	return addr, nil
}

// outwardIP gives an address of this machine, not loopback if it has another.
func outwardIP() netip.Addr {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				return ip.Unmap()
			}
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
