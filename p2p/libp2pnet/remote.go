package libp2pnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"

	"grapevine/p2p"
)

const (
	// dialTimeout bounds an attempt to connect, handshakes included.
	dialTimeout = time.Second
	// A peer that could not be reached is not dialled again for a time that
	// doubles from backoffMin to backoffMax with each failure, less up to a half at
	// random.
	backoffMin = 100 * time.Millisecond
	backoffMax = 2 * time.Second
)

// remote is a peer as seen from here.
type remote struct {
	id  p2p.NodeID
	pid peer.ID

	mu       sync.Mutex
	lanes    map[string]*laneSlot
	dialling *dial // the attempt under way, if any
	failures int
	retryAt  time.Time
}

// dial is one attempt to connect, shared by all who wait for it.
type dial struct {
	done chan struct{}
	err  error // valid once done
}

// laneSlot holds the current lane of a protocol. Whoever has its turn may
// replace it.
type laneSlot struct {
	current atomic.Pointer[lane]
	turn    chan struct{} // capacity 1
}

func (s *laneSlot) live() *lane {
	if l := s.current.Load(); l != nil && !l.lost() {
		return l
	}
	return nil
}

// remote gives the state kept of a peer, making it when the peer is first met.
func (h *Host) remote(id p2p.NodeID) (*remote, error) {
	h.mu.RLock()
	r := h.remotes[id]
	h.mu.RUnlock()
	if r != nil {
		return r, nil
	}
	pid, err := peer.Decode(string(id))
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no node id: %w", p2p.ErrUnreachable, id, err)
	}
	if _, known := h.cfg.Addr(id); !known && !h.Reachable(id) {
		return nil, fmt.Errorf("%w: no address known", p2p.ErrUnreachable)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.remotes[id]; r != nil {
		return r, nil
	}
	r = &remote{id: id, pid: pid, lanes: map[string]*laneSlot{}}
	h.remotes[id] = r
	return r, nil
}

// lane gives the live lane of a protocol to a peer, opening it if need be.
func (h *Host) lane(ctx context.Context, to p2p.NodeID, name string) (*lane, error) {
	r, err := h.remote(to)
	if err != nil {
		return nil, err
	}
	slot := r.slot(name)
	if l := slot.live(); l != nil {
		return l, nil
	}
	select {
	case slot.turn <- struct{}{}:
		defer func() { <-slot.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l := slot.live(); l != nil {
		return l, nil
	}
	if err := h.connect(ctx, r); err != nil {
		return nil, err
	}
	l, err := h.openLane(ctx, r, name)
	if err != nil {
		return nil, err
	}
	slot.current.Store(l)
	return l, nil
}

func (r *remote) slot(name string) *laneSlot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.lanes[name]
	if s == nil {
		s = &laneSlot{turn: make(chan struct{}, 1)}
		r.lanes[name] = s
	}
	return s
}

func (h *Host) openLane(ctx context.Context, r *remote, name string) (*lane, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "connected before"), dialTimeout)
	defer cancel()
	s, err := h.host.NewStream(ctx, r.pid, protocolID(name))
	if errors.Is(err, multistream.ErrNotSupported[protocol.ID]{}) {
		return nil, unsupported(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: open stream: %w", p2p.ErrUnreachable, err)
	}
	l := newLane(s, h.metrics.traffic.of(name))
	if !l.start(h, r.id, name) {
		return nil, p2p.ErrClosed
	}
	return l, nil
}

// connect waits until a connection to the peer stands. It fails at once while
// the peer is blocked or an earlier failure is recent.
func (h *Host) connect(ctx context.Context, r *remote) error {
	if h.connected(r.pid) {
		return nil
	}
	d, err := h.dial(r)
	if err != nil {
		return err
	}
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", p2p.ErrUnreachable, ctx.Err())
	}
}

// dial gives the attempt under way or starts one.
func (h *Host) dial(r *remote) (*dial, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dialling != nil {
		return r.dialling, nil
	}
	if h.keptOut(r.id) {
		return nil, fmt.Errorf("%w: kept out", p2p.ErrUnreachable)
	}
	if time.Now().Before(r.retryAt) {
		return nil, fmt.Errorf("%w: could not be reached a moment ago", p2p.ErrUnreachable)
	}
	d := &dial{done: make(chan struct{})}
	if !h.spawn(func() { h.runDial(r, d) }) {
		return nil, p2p.ErrClosed
	}
	r.dialling = d
	return d, nil
}

func (h *Host) runDial(r *remote, d *dial) {
	d.err = h.dialOnce(r)
	if d.err == nil {
		h.metrics.dials.WithLabelValues("ok").Inc()
	} else {
		h.metrics.dials.WithLabelValues("failed").Inc()
		h.log.Debug("could not connect", "peer", r.id, "error", d.err)
	}
	r.mu.Lock()
	r.dialling = nil
	r.note(d.err)
	r.mu.Unlock()
	close(d.done)
	h.wakeKeeper()
}

// dialOnce connects to the peer's present address, forgetting former ones.
func (h *Host) dialOnce(r *remote) error {
	hostport, ok := h.cfg.Addr(r.id)
	if !ok {
		return fmt.Errorf("%w: no address known", p2p.ErrUnreachable)
	}
	addr, err := multiaddrOf(hostport)
	if err != nil {
		return fmt.Errorf("%w: address %q: %w", p2p.ErrUnreachable, hostport, err)
	}
	ctx, cancel := context.WithTimeout(h.ctx, dialTimeout)
	defer cancel()
	store := h.host.Peerstore()
	store.ClearAddrs(r.pid)
	store.AddAddr(r.pid, addr, peerstore.TempAddrTTL)
	h.swarm.Backoff().Clear(r.pid)
	if _, err := h.swarm.DialPeer(ctx, r.pid); err != nil {
		return fmt.Errorf("%w: %w", p2p.ErrUnreachable, err)
	}
	return nil
}

// note reckons when to try again. The caller holds r.mu.
func (r *remote) note(err error) {
	if err == nil {
		r.failures, r.retryAt = 0, time.Time{}
		return
	}
	wait := min(backoffMin<<min(r.failures, 10), backoffMax)
	r.failures++
	r.retryAt = time.Now().Add(wait - rand.N(wait/2))
}

func (r *remote) resetBackoff() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures, r.retryAt = 0, time.Time{}
}
