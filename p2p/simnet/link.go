package simnet

import (
	"math/rand/v2"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/p2p"
)

// direction names the way from one node to another.
type direction struct{ from, to p2p.NodeID }

// link is the state of one direction.
type link struct {
	Conditions
	rng    *rand.Rand
	cut    bool
	broken chan struct{} // closed by a cut or a reset, with all that is under way
	free   time.Time     // when what was sent before has passed the bandwidth
	sent   uint64        // messages so far
}

// link gives the state of a direction, which is made at first use.
func (n *Network) link(from, to p2p.NodeID) *link {
	d := direction{from, to}
	l := n.links[d]
	if l == nil {
		stream := xxh3.HashString(string(from) + "\x00" + string(to))
		l = &link{rng: rand.New(rand.NewPCG(n.opts.Seed, stream)), broken: make(chan struct{})}
		l.set(n.usual)
		n.links[d] = l
	}
	return l
}

func (l *link) set(c Conditions) {
	c.MaxDelay = max(c.MaxDelay, c.MinDelay)
	l.Conditions = c
}

func (l *link) close() {
	if !l.cut {
		l.cut = true
		close(l.broken)
	}
}

func (l *link) mend() {
	if l.cut {
		l.cut, l.broken = false, make(chan struct{})
	}
}

// delay draws the time that the next message takes.
func (l *link) delay() time.Duration {
	return l.MinDelay + time.Duration(l.rng.Int64N(int64(l.MaxDelay-l.MinDelay)+1))
}

// chance says whether something of probability p happens. What cannot happen
// leaves the sequence of draws as it is.
func (l *link) chance(p float64) bool { return p > 0 && l.rng.Float64() < p }

// pass gives the time at which a message of some bytes, sent now, has passed the
// bandwidth.
func (l *link) pass(now time.Time, size int) time.Time {
	if l.Bandwidth <= 0 {
		return now
	}
	if l.free.Before(now) {
		l.free = now
	}
	seconds := float64(size) / float64(l.Bandwidth)
	l.free = l.free.Add(time.Duration(seconds * float64(time.Second)))
	return l.free
}
