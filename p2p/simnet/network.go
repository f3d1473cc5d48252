// Package simnet is the network in memory: the twin of p2p/libp2pnet and
// p2p/swim for simulations, with delay, loss, duplication, replay, cuts, pauses,
// forged messages, false suspicion and crashes. All waiting is on channels and
// timers, so that it runs in virtual time inside a testing/synctest bubble, and in
// real time outside. It makes no call of the operating system.
//
// Streams are reliable or broken; only gossip is lost, duplicated and reordered.
// Gossip goes from publisher to subscriber without relays, so a cut between two
// nodes stops it where a real mesh would find a way round.
//
// # What a seed determines
//
// The k-th message from one node to another has the same delay, loss, repetition
// and replay in every run with the same Seed, whatever goes on between other
// nodes, as long as what is sent before it and the conditions are the same.
// Messages arrive by due time; those of one virtual instant by the name of the
// sender, then of the receiver, then in the order in which they were sent, and a
// nanosecond apart: in a bubble, whatever the first sets off has run until it waits
// for time to pass before the second arrives. Messages without any delay arrive
// while they are sent. Nothing depends on the order of a map.
//
// In which order several goroutines run that one arrival, fault or timer wakes is
// up to Go's scheduler, and so is which of two that send over one link at one
// instant comes first. Where the scheduler follows a seed of its own, as in a
// wasip1 host that provides clock and randomness, whole runs are the same.
package simnet

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
)

// Options describe a network. The zero value is one without faults or delay.
type Options struct {
	// Seed determines the fate of messages; see the package comment.
	Seed uint64
	// MinDelay and MaxDelay bound the time a message takes one way.
	MinDelay, MaxDelay time.Duration
	// Loss and Duplicate are the probabilities that a subscriber does not get a
	// gossip message, or gets it twice.
	Loss, Duplicate float64
	// DetectAfter is how long a cut, paused or crashed peer is still believed
	// alive, by default 1 s. Its return is seen at once.
	DetectAfter time.Duration
	// ReplayWithin bounds how long after it was sent a message comes once more
	// under Conditions.Replay, by default 5 minutes.
	ReplayWithin time.Duration
	// ReplayCalls are the protocols whose requests may come once more. Those whose
	// handlers take a request that comes again for a new one have no place here.
	ReplayCalls []string
}

func (o Options) replayable(protocol string) bool { return slices.Contains(o.ReplayCalls, protocol) }

// Network connects the nodes that join it. It is safe for concurrent use.
type Network struct {
	opts Options
	wg   sync.WaitGroup // goroutines of the network and all its nodes

	mu      sync.Mutex // guards all below, and the fields of nodes, links, lanes and subscriptions
	closed  bool
	usual   Conditions // of links that are not yet made
	nodes   map[p2p.NodeID]*Node
	order   []*Node // the nodes by name
	links   map[direction]*link
	sights  map[direction]*sight
	flights []*flight   // under way, by arrival
	landed  time.Time   // when the last of them arrived
	alarm   *time.Timer // when the next does
	replays int         // those of them that come once more, at most maxQueued
	traffic map[Flow]Volume
}

// New returns a network without nodes.
func New(o Options) *Network {
	if o.DetectAfter == 0 {
		o.DetectAfter = time.Second
	}
	if o.ReplayWithin == 0 {
		o.ReplayWithin = 5 * time.Minute
	}
	return &Network{
		opts:    o,
		usual:   o.Conditions(),
		nodes:   map[p2p.NodeID]*Node{},
		links:   map[direction]*link{},
		sights:  map[direction]*sight{},
		traffic: map[Flow]Volume{},
	}
}

// Join adds a node, or brings one back that crashed or was closed. It panics when
// a node of that id is up or the network is closed.
func (n *Network) Join(id p2p.NodeID, addrs p2p.Addrs) *Node {
	node := newNode(n, id, addrs)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		panic("simnet: Join on a closed network")
	}
	if old := n.nodes[id]; old != nil && (!old.closed || !old.left) {
		panic("simnet: a node " + string(id) + " is up")
	}
	n.nodes[id] = node
	n.order = slices.SortedFunc(maps.Values(n.nodes), func(a, b *Node) int { return cmp.Compare(a.id, b.id) })
	n.unsuspect(id)
	n.observe()
	return node
}

// Close takes all nodes down and waits for everything that runs on them.
func (n *Network) Close() {
	n.change(func() {
		n.closed = true
		n.flights = nil
		if n.alarm != nil {
			n.alarm.Stop()
		}
		for _, node := range n.order {
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
