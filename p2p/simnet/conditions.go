package simnet

import (
	"time"

	"grapevine/p2p"
)

// Conditions are how the way from one node to another is. The zero value is a
// way without delay or fault.
type Conditions struct {
	// MinDelay and MaxDelay bound the time a message takes.
	MinDelay, MaxDelay time.Duration
	// Loss and Duplicate are the probabilities that a subscriber does not get a
	// gossip message, or gets it twice.
	Loss, Duplicate float64
	// ReplyLoss is the probability that a call is carried out and its connection
	// reset before the reply: the caller gets p2p.ErrLost. It counts on the way of
	// the request.
	ReplyLoss float64
	// Replay is the probability that a gossip message, a message without reply, or
	// a call of Options.ReplayCalls comes once more, as if it were new, up to
	// Options.ReplayWithin after it was sent. The reply of such a call goes nowhere.
	Replay float64
	// Bandwidth is in bytes per second; messages queue for it. 0 means no bound.
	Bandwidth int
}

// Conditions gives the conditions that every way has at first.
func (o Options) Conditions() Conditions {
	return Conditions{
		MinDelay: o.MinDelay, MaxDelay: o.MaxDelay,
		Loss: o.Loss, Duplicate: o.Duplicate,
	}
}

// SetLink sets the conditions of one direction for what is sent from now on.
func (n *Network) SetLink(from, to p2p.NodeID, c Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(from, to).set(c)
}

// SetAll sets the conditions of every direction, also of nodes that are yet to
// join.
func (n *Network) SetAll(c Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setAll(c)
}

func (n *Network) setAll(c Conditions) {
	n.usual = c
	for _, l := range n.links {
		l.set(c)
	}
}

// Calm ends every fault but crashes: cuts are mended, conditions are as at first,
// paused nodes resume, and nobody is suspected without cause.
func (n *Network) Calm() {
	n.change(func() {
		n.heal()
		n.setAll(n.opts.Conditions())
		for _, s := range n.sights {
			s.suspected = false
		}
		for _, node := range n.order {
			node.resume()
		}
	})
}
