package libp2pnet

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"golang.org/x/time/rate"

	"grapevine/p2p"
)

// warnInterval is the least time between two warnings of what peers do.
const warnInterval = 10 * time.Second

// Host is a node's end of the network: it calls peers and is called by them,
// and spreads messages by gossip. It is safe for concurrent use.
type Host struct {
	cfg     Config
	log     *slog.Logger
	metrics metrics
	self    p2p.NodeID
	host    host.Host
	swarm   *swarm.Swarm
	gossip  *pubsub.PubSub
	addr    string
	nonce   atomic.Uint64 // of the last message published
	blocked atomic.Pointer[func(p2p.NodeID) bool]

	offences *offences
	seldom   rate.Sometimes // for what peers could make this node log at will

	ctx    context.Context // ends when Close is called
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines and running handlers; see enter

	mu       sync.RWMutex
	closed   bool
	handlers map[string]p2p.Handler
	remotes  map[p2p.NodeID]*remote
	inbound  map[inboundKey]*inbound

	loopbackMu sync.Mutex
	loopbacks  map[string]chan<- []byte

	keeperWake chan struct{} // capacity 1
	wantedMu   sync.Mutex
	wanted     map[p2p.NodeID]time.Time // since when
	leaving    map[p2p.NodeID]time.Time // since when no longer wanted
}

// New starts listening. ctx bounds the start only; the host lives until Close.
func New(ctx context.Context, cfg Config) (*Host, error) {
	if err := cfg.verify(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{
		cfg:        cfg,
		log:        cfg.Log,
		metrics:    newMetrics(cfg.Metrics),
		handlers:   map[string]p2p.Handler{},
		remotes:    map[p2p.NodeID]*remote{},
		inbound:    map[inboundKey]*inbound{},
		loopbacks:  map[string]chan<- []byte{},
		keeperWake: make(chan struct{}, 1),
		leaving:    map[p2p.NodeID]time.Time{},
		offences:   newOffences(time.Now),
		seldom:     rate.Sometimes{Interval: warnInterval},
	}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.nonce.Store(rand.Uint64())
	if err := h.listen(ctx); err != nil {
		h.cancel()
		return nil, err
	}
	registerConnections(cfg.Metrics, func() int { return len(h.swarm.Conns()) })
	h.swarm.Notify(h.notifiee())
	h.spawn(h.keep)
	return h, nil
}

// Self implements p2p.Transport.
func (h *Host) Self() p2p.NodeID { return h.self }

// Addr is the HOST:PORT that peers should dial.
func (h *Host) Addr() string { return h.addr }

// Close implements p2p.Transport. It ends topics too. Closing again does
// nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	h.cancel()
	err := h.host.Close()
	h.wg.Wait()
	return err
}

// enter registers work that Close must wait for, to be ended with h.wg.Done. It
// reports false when the host is closed.
func (h *Host) enter() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return false
	}
	h.wg.Add(1)
	return true
}

// spawn runs f on a goroutine that Close waits for, unless the host is closed.
func (h *Host) spawn(f func()) bool {
	if !h.enter() {
		return false
	}
	go func() {
		defer h.wg.Done()
		f()
	}()
	return true
}
