package simnet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
)

// Node is one node's end of the network.
type Node struct {
	net    *Network
	id     p2p.NodeID
	addrs  p2p.Addrs
	ctx    context.Context // ends when streams and gossip do
	cancel context.CancelFunc
	serves sync.WaitGroup // handlers that run on this node

	// The rest is guarded by the network's mutex.
	closed   bool // streams and gossip
	left     bool // membership
	paused   bool
	parked   []parked // at most maxParked
	handlers map[string]p2p.Handler
	lanes    map[address]*lane
	topics   map[string]*subscription
	watchers []chan struct{}
}

// parked is a message that waits for its paused sender or target.
type parked struct {
	flight *flight
	resume func(after time.Duration)
}

func newNode(n *Network, id p2p.NodeID, addrs p2p.Addrs) *Node {
	ctx, cancel := context.WithCancel(context.Background())
	return &Node{
		net: n, id: id, addrs: addrs, ctx: ctx, cancel: cancel,
		handlers: map[string]p2p.Handler{},
		lanes:    map[address]*lane{},
		topics:   map[string]*subscription{},
	}
}

// Transport gives the node's streams. Closing it ends the node's gossip too, as
// both run over the same connections.
func (n *Node) Transport() p2p.Transport { return (*transport)(n) }

// Broadcaster gives the node's gossip.
func (n *Node) Broadcaster() p2p.Broadcaster { return (*broadcaster)(n) }

// Members gives the node's view of who is alive.
func (n *Node) Members() p2p.Members { return (*members)(n) }

// shut ends streams and gossip without waiting. The network's mutex is held.
func (n *Node) shut() {
	if n.closed {
		return
	}
	n.closed = true
	n.cancel()
	for _, name := range slices.Sorted(maps.Keys(n.topics)) {
		n.topics[name].shut()
	}
	clear(n.topics)
	for _, p := range n.parked {
		p.flight.lose()
	}
	n.parked = nil
}

// park keeps a message while the node is paused. The network's mutex is held.
func (n *Node) park(f *flight, resume func(after time.Duration)) {
	if len(n.parked) >= maxParked {
		f.lose()
		return
	}
	n.parked = append(n.parked, parked{f, resume})
}

// resume ends a pause. What waited moves on in order, a nanosecond apart. The
// network's mutex is held.
func (n *Node) resume() {
	waiting := n.parked
	n.paused, n.parked = false, nil
	for i, p := range waiting {
		p.resume(time.Duration(i))
	}
}

// handle runs the handler of a protocol in a goroutine of its own, for a message
// whose reply nobody waits for. The network's mutex is held.
func (n *Node) handle(from p2p.NodeID, protocol string, message []byte) {
	n.net.wg.Go(func() { _, _ = n.serve(context.Background(), from, protocol, message) })
}

// serve runs the handler of a protocol on this node, in the caller's goroutine.
// It reports ErrUnreachable when the node is down.
func (n *Node) serve(caller context.Context, from p2p.NodeID, protocol string, request []byte) ([]byte, error) {
	n.net.mu.Lock()
	h, closed := n.handlers[protocol], n.closed
	if !closed {
		n.serves.Add(1)
	}
	n.net.mu.Unlock()
	if closed {
		return nil, p2p.ErrLost
	}
	defer n.serves.Done()
	if h == nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeUnsupported, Message: "protocol " + protocol + " is not served"}
	}
	ctx := n.ctx
	if deadline, ok := caller.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	return h(ctx, from, request)
}
