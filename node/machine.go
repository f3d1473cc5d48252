//go:build !wasip1

package node

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/node/dns"
	"grapevine/p2p"
	"grapevine/p2p/libp2pnet"
	"grapevine/p2p/swim"
	"grapevine/services/search/scorch"
	"grapevine/store/badgerdb"
)

// ErrIdentityInUse is returned by New and Run when another process runs with the
// identity of this one's data directory; the error says what to do.
var ErrIdentityInUse = swim.ErrIdentityInUse

// Machine is a node on real disks and real networks.
type Machine struct {
	*Node
	log      *slog.Logger
	parts    closers
	listener net.Listener
	host     *libp2pnet.Host
	swim     *swim.Swim
	engine   *badgerdb.DB
	rejoins  bool // it has been a member of a cluster
	ready    config.Ready
	scheme   string // of the API's URL: http:// or https://
}

// New opens the data directory, binds all addresses, and starts a node. It joins
// the cluster in the background; Run serves.
func New(ctx context.Context, cfg config.Config, log *slog.Logger) (*Machine, error) {
	if err := cfg.Verify(); err != nil {
		return nil, err
	}
	m := &Machine{log: log}
	if err := m.open(ctx, cfg, log); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Machine) open(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	metrics := newMetrics()
	deps := Deps{Block: m.block}
	var err error
	if deps.Secret, err = cfg.LoadSecret(); err != nil {
		return err
	}
	if err := claimFormat(cfg.Data); err != nil {
		return err
	}
	db, err := badgerdb.Open(ctx, badgerdb.Config{Dir: cfg.StoreDir(), Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	m.parts.add("the engine", db.Close)
	m.engine, deps.Engine = db, db
	index, err := scorch.Open(filepath.Join(cfg.Data, "search"), log)
	if err != nil {
		return err
	}
	m.parts.add("the files of the search index", index.Close)
	deps.Index = index
	if err := m.listen(cfg, metrics); err != nil {
		return err
	}
	if err := m.openNetwork(ctx, cfg, deps.Secret, log, metrics); err != nil {
		return err
	}
	deps.Transport, deps.Broadcaster, deps.Members = m.host, m.host, m.swim
	deps.Reachable, deps.Rejoins = m.host.Reachable, m.rejoins
	m.Node, err = assemble(cfg, deps, log, metrics)
	if err != nil {
		return err
	}
	m.parts.add("the node", m.Node.Close)
	m.parts.add("the estimate of the load", until(m.inspector.estimateLoad))
	return m.answerDNS(cfg, metrics)
}

// answerDNS begins to, when that is wanted.
func (m *Machine) answerDNS(cfg config.Config, metrics prometheus.Registerer) error {
	if cfg.DNS == "" {
		return nil
	}
	server, err := dns.New(dns.Config{
		Listen: cfg.DNS, Name: cfg.DNSName, Nodes: m.healthy, Log: m.log, Metrics: metrics,
	})
	if err != nil {
		return fmt.Errorf("--dns: %w", err)
	}
	m.parts.add("DNS", server.Close)
	m.ready.DNS = server.Addr()
	return nil
}

// listen binds the address of the API, with TLS when there is a certificate.
func (m *Machine) listen(cfg config.Config, metrics prometheus.Registerer) error {
	var err error
	if m.listener, err = net.Listen("tcp", cfg.HTTP); err != nil {
		return fmt.Errorf("--http: %w", err)
	}
	m.parts.add("the HTTP listener", m.closeListener)
	m.scheme = "http://"
	if cfg.TLSCert == "" {
		return nil
	}
	pair, err := openCertificate(cfg.TLSCert, cfg.TLSKey, m.log, metrics)
	if err != nil {
		return err
	}
	m.parts.add("the certificate", until(pair.watch))
	m.scheme, m.listener = "https://", tls.NewListener(m.listener, pair.config())
	return nil
}

// openNetwork starts the streams and the failure detector, each of which needs
// the other's addresses.
func (m *Machine) openNetwork(ctx context.Context, cfg config.Config, secret config.Secret, log *slog.Logger, metrics prometheus.Registerer) error {
	key, err := libp2pnet.LoadOrCreateKey(cfg.Data)
	if err != nil {
		return err
	}
	p2pHost, err := cfg.AdvertiseHost(cfg.P2P)
	if err != nil {
		return err
	}
	gossipHost, err := cfg.AdvertiseHost(cfg.Gossip)
	if err != nil {
		return err
	}
	var members atomic.Pointer[swim.Swim]
	m.host, err = libp2pnet.New(ctx, libp2pnet.Config{
		Key: key, Secret: secret, Listen: cfg.P2P, Advertise: p2pHost, Log: log, Metrics: metrics,
		Addr: func(id p2p.NodeID) (string, bool) {
			s := members.Load()
			if s == nil {
				return "", false
			}
			member, ok := s.Member(id)
			return member.Addrs.P2P, ok
		},
	})
	if err != nil {
		return fmt.Errorf("--p2p: %w", err)
	}
	m.parts.add("the streams", m.host.Close)
	httpAddr, err := advertisedHTTP(cfg, m.listener)
	if err != nil {
		return err
	}
	peers := peersFile(filepath.Join(cfg.Data, "peers.json"))
	remembered := peers.load(log)
	m.rejoins = len(remembered) > 0
	m.swim, err = swim.New(ctx, swim.Config{
		Self: m.host.Self(), Key: key, Secret: secret, Listen: cfg.Gossip, Advertise: gossipHost,
		Addrs: p2p.Addrs{P2P: m.host.Addr(), HTTP: client.Address(m.scheme + httpAddr)}, Join: cfg.Join,
		Remembered: remembered, Save: func(addrs []string) { peers.save(addrs, log) },
		Log: log, Metrics: metrics,
	})
	if err != nil {
		return fmt.Errorf("--gossip: %w", err)
	}
	m.parts.add("the failure detector", m.leave)
	members.Store(m.swim)
	// Before anything is done in this node's name.
	if err := m.swim.Meet(ctx); err != nil {
		return err
	}
	m.parts.add("the connections", until(m.keepConnected))
	m.ready = config.Ready{HTTP: httpAddr, URL: m.scheme + httpAddr, P2P: m.host.Addr(), Gossip: m.swim.GossipAddr(), ID: string(m.host.Self())}
	return nil
}

// keepConnected wants a connection to every living member.
func (m *Machine) keepConnected(ctx context.Context) {
	updates, stop := m.swim.Updates()
	defer stop()
	for {
		var alive []p2p.NodeID
		for _, member := range m.swim.Members() {
			if member.Alive {
				alive = append(alive, member.ID)
			}
		}
		m.host.SetPeers(alive)
		select {
		case <-updates:
		case <-ctx.Done():
			return
		}
	}
}

// Run serves the API until ctx ends or the node has left the ring, then for
// DrainSeconds longer while it says that it is not ready, lets requests under way end,
// and closes the node.
//
// It ends with an error that wraps swim.ErrIdentityInUse when another process has
// been running for longer with this node's identity, and with one that wraps
// badgerdb.ErrDamaged when a file of the data directory turns out to be damaged.
func (m *Machine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := until(func(watch context.Context) {
		select {
		case <-m.swim.Displaced():
			m.log.Error("this node ends", "error", m.swim.DisplacedBy())
			cancel(errUnfit)
		case <-m.engine.Damaged(): // it has logged why
			cancel(errUnfit)
		case <-watch.Done():
		}
	})
	err := m.serve(ctx, m.listener, m.ready)
	_ = watched() // never fails
	return errors.Join(m.swim.DisplacedBy(), m.engine.Err(), err, m.Close())
}

// Close stops the machine's node and gives its parts back.
func (m *Machine) Close() error { return m.parts.close() }

// leave tells the others that this node goes of its own will, so that they need
// not find out.
func (m *Machine) leave() error {
	if m.swim.DisplacedBy() != nil {
		return m.swim.Close() // the name is the other's, which stays
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := m.swim.Leave(ctx); err != nil {
		// The others will find out. When all stop at once, nobody is left to tell.
		m.log.Debug("the others could not be told", "error", err)
	}
	return m.swim.Close()
}

// closeListener closes what the HTTP server has usually closed before.
func (m *Machine) closeListener() error {
	if err := m.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (m *Machine) block(blocked func(p2p.NodeID) bool) {
	m.host.Block(blocked)
	m.swim.Block(blocked)
}

// advertisedHTTP is the address at which others reach the API.
func advertisedHTTP(cfg config.Config, l net.Listener) (string, error) {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", err
	}
	host, err := cfg.AdvertiseHost(cfg.HTTP)
	return net.JoinHostPort(host, port), err
}

// peersFile remembers the gossip addresses of members between runs.
type peersFile string

func (f peersFile) load(log *slog.Logger) []string {
	b, err := os.ReadFile(string(f))
	var addrs []string
	if err == nil {
		err = json.Unmarshal(b, &addrs)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("the remembered peers cannot be read; --join still works", "file", string(f), "error", err)
	}
	return addrs
}

func (f peersFile) save(addrs []string, log *slog.Logger) {
	b, err := json.Marshal(addrs)
	if err == nil {
		temporary := string(f) + ".new"
		if err = os.WriteFile(temporary, b, 0o600); err == nil {
			err = os.Rename(temporary, string(f))
		}
	}
	if err != nil {
		log.Warn("the peers cannot be remembered", "file", string(f), "error", err)
	}
}
