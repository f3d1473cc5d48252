// Package simnet is the network in memory: the twin of p2p/libp2pnet and
// p2p/swim for simulations, with delay, loss, duplication, cuts and crashes. All
// waiting is on channels and timers, so that it runs in virtual time inside a
// testing/synctest bubble, and in real time outside.
//
// Streams are reliable or broken; only gossip is lost, duplicated and reordered.
// Gossip goes from publisher to subscriber without relays, so a cut between two
// nodes stops it where a real mesh would find a way round.
package simnet

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/p2p"
)

// Options describe a network. The zero value is one without faults or delay.
type Options struct {
	// Seed determines what is lost, duplicated and how long a message takes: the
	// k-th message from one node to another fares the same in every run.
	Seed uint64
	// MinDelay and MaxDelay bound the time a message takes one way.
	MinDelay, MaxDelay time.Duration
	// Loss and Duplicate are the probabilities that a subscriber does not get a
	// gossip message, or gets it twice.
	Loss, Duplicate float64
	// DetectAfter is how long a cut or crashed peer is still believed alive, by
	// default 1 s. Its return is seen at once.
	DetectAfter time.Duration
}

// Network connects the nodes that join it. It is safe for concurrent use.
type Network struct {
	opts Options
	wg   sync.WaitGroup // goroutines of the network and all its nodes

	mu     sync.Mutex // guards all below, and the fields of nodes, links and subscriptions
	closed bool
	nodes  map[p2p.NodeID]*Node
	links  map[direction]*link
	pairs  map[direction]*pair // by from < to
}

// direction names the way from one node to another.
type direction struct{ from, to p2p.NodeID }

// link is the state of one direction.
type link struct {
	rng    *rand.Rand
	cut    bool
	broken chan struct{} // closed while cut
}

// New returns a network without nodes.
func New(o Options) *Network {
	if o.DetectAfter == 0 {
		o.DetectAfter = time.Second
	}
	o.MaxDelay = max(o.MaxDelay, o.MinDelay)
	return &Network{
		opts:  o,
		nodes: map[p2p.NodeID]*Node{},
		links: map[direction]*link{},
		pairs: map[direction]*pair{},
	}
}

// Join adds a node, or brings one back that crashed or was closed. It panics when
// a node of that id is up or the network is closed.
func (n *Network) Join(id p2p.NodeID, addrs p2p.Addrs) *Node {
	ctx, cancel := context.WithCancel(context.Background())
	node := &Node{
		net: n, id: id, addrs: addrs, ctx: ctx, cancel: cancel,
		handlers: map[string]p2p.Handler{},
		outboxes: map[address]*outbox{},
		topics:   map[string]*subscription{},
		watchers: map[chan struct{}]struct{}{},
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		panic("simnet: Join on a closed network")
	}
	if old := n.nodes[id]; old != nil && (!old.closed || !old.left) {
		panic("simnet: a node " + string(id) + " is up")
	}
	n.nodes[id] = node
	n.observe()
	return node
}

// Cut stops everything between a and b, in both directions.
func (n *Network) Cut(a, b p2p.NodeID) {
	n.change(func() { n.cut(a, b); n.cut(b, a) })
}

// CutOneWay stops everything on the way from one node to another. Requests of
// the other still arrive; their replies do not.
func (n *Network) CutOneWay(from, to p2p.NodeID) {
	n.change(func() { n.cut(from, to) })
}

// Partition cuts every node of a group off from every node of the others, beside
// the cuts there are. Nodes in no group keep their links.
func (n *Network) Partition(groups ...[]p2p.NodeID) {
	n.change(func() {
		for i, group := range groups {
			for _, other := range groups[i+1:] {
				for _, a := range group {
					for _, b := range other {
						n.cut(a, b)
						n.cut(b, a)
					}
				}
			}
		}
	})
}

// Heal mends all cuts.
func (n *Network) Heal() {
	n.change(func() {
		for _, l := range n.links {
			if l.cut {
				l.cut, l.broken = false, make(chan struct{})
			}
		}
	})
}

// Crash takes a node down without warning: its calls in flight fail on both
// sides, and the contexts of its handlers end. Its Transport, Broadcaster and
// Members are closed from then on. It does not wait for running handlers.
func (n *Network) Crash(id p2p.NodeID) {
	n.change(func() {
		if node := n.nodes[id]; node != nil {
			node.shut()
			node.left = true
		}
	})
}

// Close takes all nodes down and waits for everything that runs on them.
func (n *Network) Close() {
	n.change(func() {
		n.closed = true
		for _, node := range n.nodes {
			node.shut()
			node.left = true
		}
	})
	n.wg.Wait()
}

// change alters the topology and lets the nodes see it.
func (n *Network) change(alter func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	alter()
	n.observe()
}

func (n *Network) cut(from, to p2p.NodeID) {
	if l := n.link(from, to); from != to && !l.cut {
		l.cut = true
		close(l.broken)
	}
}

// link gives the state of a direction, which is made at first use.
func (n *Network) link(from, to p2p.NodeID) *link {
	d := direction{from, to}
	l := n.links[d]
	if l == nil {
		stream := xxh3.HashString(string(from) + "\x00" + string(to))
		l = &link{rng: rand.New(rand.NewPCG(n.opts.Seed, stream)), broken: make(chan struct{})}
		n.links[d] = l
	}
	return l
}

// delay draws the time that the next message on l takes.
func (n *Network) delay(l *link) time.Duration {
	spread := n.opts.MaxDelay - n.opts.MinDelay
	return n.opts.MinDelay + time.Duration(l.rng.Int64N(int64(spread)+1))
}
