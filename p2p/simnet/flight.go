package simnet

import (
	"cmp"
	"slices"
	"time"

	"grapevine/p2p"
)

// maxParked bounds the messages that wait for one paused node, in either
// direction. What comes beyond them is lost.
const maxParked = 8192

// flight is a message under way.
type flight struct {
	direction
	link   *link
	sender *Node         // nil when it only poses as its sender
	target *Node         // nil stands for whoever bears the name on arrival
	broken chan struct{} // of the link, when sent
	delay  time.Duration
	size   int
	lane   *lane // nil when order does not matter
	due    time.Time
	place  uint64 // among the messages of the link

	// arrive hands the message over, and lost is told when it never will be, with
	// the network's mutex held. They must not block. lost may be nil.
	arrive func(*Node)
	lost   func()
}

// launch sends a message on its way. A paused sender keeps it until it resumes.
// The network's mutex is held.
func (n *Network) launch(f *flight) {
	if f.sender != nil && f.sender.paused {
		f.sender.park(f, func(after time.Duration) { f.delay += after; n.launch(f) })
		return
	}
	now := time.Now()
	f.schedule(f.link.pass(now, f.size).Add(f.delay))
	f.place = f.link.sent
	f.link.sent++
	if f.due.After(now) || n.due(now) {
		n.await(f)
		return
	}
	n.land(f)
}

// due says whether something should have landed by now. It is what comes next.
func (n *Network) due(now time.Time) bool {
	return len(n.flights) > 0 && !n.flights[0].due.After(now)
}

// schedule says when a message is due: not before those of its lane.
func (f *flight) schedule(due time.Time) {
	f.due = due
	if f.lane != nil {
		f.due = f.lane.follow(due)
	}
}

// await has a message land when it is due.
func (n *Network) await(f *flight) {
	i, _ := slices.BinarySearchFunc(n.flights, f, earlier)
	n.flights = slices.Insert(n.flights, i, f)
	n.arm()
}

// arm has the next message land when it is due, and a nanosecond after the last:
// in a bubble that is time enough for all that a message sets off.
func (n *Network) arm() {
	if len(n.flights) == 0 {
		return
	}
	next := n.flights[0].due
	if free := n.landed.Add(1); next.Before(free) {
		next = free
	}
	if n.alarm == nil {
		n.alarm = time.AfterFunc(time.Until(next), n.landNext)
	} else {
		n.alarm.Reset(time.Until(next))
	}
}

// earlier orders flights by arrival. Those of one instant arrive by the names of
// their ends, and by their place on the link.
func earlier(a, b *flight) int {
	return cmp.Or(
		a.due.Compare(b.due),
		cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.place, b.place),
	)
}

func (n *Network) landNext() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); n.due(now) && n.landed.Before(now) {
		f := n.flights[0]
		n.flights = n.flights[1:]
		n.landed = now
		n.land(f)
	}
	n.arm()
}

// land hands a message over, unless it is lost. A paused target gets it when it
// resumes. The network's mutex is held.
func (n *Network) land(f *flight) {
	target := f.target
	if target == nil {
		target = n.nodes[f.to]
	}
	switch {
	case n.closed, target == nil, target.closed, f.link.cut, isClosed(f.broken):
		f.lose()
	case target.paused:
		target.park(f, func(after time.Duration) { f.schedule(time.Now().Add(after)); n.await(f) })
	default:
		f.arrive(target)
	}
}

func (f *flight) lose() {
	if f.lost != nil {
		f.lost()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// replay lets a message come once more, by chance. The network's mutex is held.
func (n *Network) replay(l *link, d direction, arrive func(*Node)) {
	if !l.chance(l.Replay) {
		return
	}
	after := time.Duration(l.rng.Int64N(int64(n.opts.ReplayWithin) + 1))
	if n.replays >= maxQueued {
		return
	}
	n.replays++
	done := func() { n.replays-- }
	n.launch(&flight{
		direction: d, link: l, delay: after,
		arrive: func(to *Node) { done(); arrive(to) }, lost: done,
	})
}

// Inject delivers bytes to a node's handler of a protocol as if a member had sent
// them, whether that member is up or not. They travel as a message without reply;
// like any longer than p2p.MaxMessage, such never leave.
func (n *Network) Inject(from, to p2p.NodeID, protocol string, message []byte) {
	if len(message) > p2p.MaxMessage {
		return
	}
	message = slices.Clone(message)
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.link(from, to)
	n.count(from, to, protocol, len(message))
	n.launch(&flight{
		direction: direction{from, to}, link: l, broken: l.broken, delay: l.delay(), size: len(message),
		arrive: func(to *Node) { to.handle(from, protocol, message) },
	})
}
