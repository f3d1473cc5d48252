package replica

import (
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
	"grapevine/store"
)

// Op is a kind of operation: who is quick at one may be slow at another.
type Op int

// The kinds of operations.
const (
	OpRead  Op = iota // rows by key
	OpScan            // rows of a range
	OpIndex           // rows of an index, of many partitions
	OpWrite           // to coordinate a write
	Ops               // how many there are
)

// String names the kind, for metrics and people.
func (o Op) String() string { return [...]string{"read", "scan", "index", "write"}[o] }

// Outcome is what a call says of the node that was asked.
type Outcome int

// The outcomes of calls.
const (
	Answered    Outcome = iota // it did what it was asked to, if only to find nothing
	Abandoned                  // nobody waits any longer: it takes at least as long
	Refused                    // it is there, and has no room, is stopping or failed
	Unreachable                // it could not be asked, or did not answer
	NoVerdict                  // it does not serve the data now, which says nothing of other data
)

// Candidate is a node that could be asked.
type Candidate struct {
	Node p2p.NodeID
	Near bool // in the zone of this node
}

// Router orders nodes, this one among them, by how well they have been answering,
// and bounds how often one request is put to several. Routers are told of every
// call. They are safe for concurrent use and never block.
type Router interface {
	// Order returns the candidates, best first. Those thought dead come last, for
	// they may yet answer.
	Order(op Op, candidates []Candidate) []p2p.NodeID
	// Begin notes that a node is being asked. done is called once, when that ends.
	Begin(op Op, node p2p.NodeID) (done func(Outcome))
	// Heard says whether a node has answered something just now.
	Heard(node p2p.NodeID) bool
	// HedgeAfter is how long a peer is waited for until a second one is asked too.
	HedgeAfter(op Op) time.Duration
	// Again takes leave to repeat a request, or to ask a second node as well. It
	// says no when there have been too many repetitions.
	Again() bool
}

// ordered gives nodes in the order in which to ask them for something.
func (s *Store) ordered(op Op, nodes []p2p.NodeID) []p2p.NodeID {
	view := s.placement.Load().ring.View()
	candidates := make([]Candidate, len(nodes))
	for i, node := range nodes {
		m, _ := view.Member(node)
		candidates[i] = Candidate{Node: node, Near: s.cfg.Zone != "" && m.Zone == s.cfg.Zone}
	}
	return s.cfg.Router.Order(op, candidates)
}

// orderFor gives the owners of a partition in the order to ask: by health and
// nearness, and last those that do not serve it now. Reads of what this node serves
// begin here, however it fares: fan-out, streams and caches act on what was applied
// here, and what another owner lacks yet they would take for gone.
func (s *Store) orderFor(op Op, p store.Partition) []p2p.NodeID {
	place := s.placement.Load()
	if place == nil {
		return nil
	}
	owners := place.sets[p].owners
	if place.own[p] {
		owners = append([]p2p.NodeID{s.cfg.Self}, owners...)
	}
	order := s.ordered(op, owners)
	now := time.Now()
	away := func(node p2p.NodeID) int {
		if node == s.cfg.Self && !s.serves(p) || s.refusals.recent(node, p, now) {
			return 1
		}
		return 0
	}
	first := func(node p2p.NodeID) int {
		if op != OpWrite && node == s.cfg.Self && s.serves(p) {
			return -1
		}
		return away(node)
	}
	slices.SortStableFunc(order, func(a, b p2p.NodeID) int { return first(a) - first(b) })
	return order
}

// serialOrder gives the owners in the ring's own order, the reachable ones
// first: all nodes that see the same members choose the same coordinator.
func (s *Store) serialOrder(p store.Partition) []p2p.NodeID {
	place := s.placement.Load()
	if place == nil {
		return nil
	}
	order := slices.Clone(place.ring.Owners(p))
	slices.SortStableFunc(order, func(a, b p2p.NodeID) int {
		switch aliveA, aliveB := s.alive(a), s.alive(b); {
		case aliveA == aliveB:
			return 0
		case aliveA:
			return -1
		default:
			return 1
		}
	})
	return order
}

const (
	// refusalTime is how long an owner that did not serve a partition is asked last.
	refusalTime = 250 * time.Millisecond
	maxRefusals = 4096
)

// refusals are the owners that did not serve a partition a moment ago, because they
// were catching up with it.
type refusals struct {
	mu    sync.Mutex
	until map[refusal]time.Time // at most maxRefusals
}

type refusal struct {
	node      p2p.NodeID
	partition store.Partition
}

func (r *refusals) note(node p2p.NodeID, p store.Partition, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil || len(r.until) >= maxRefusals {
		r.until = map[refusal]time.Time{}
	}
	r.until[refusal{node, p}] = now.Add(refusalTime)
}

func (r *refusals) recent(node p2p.NodeID, p store.Partition, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, noted := r.until[refusal{node, p}]
	if noted && !now.Before(until) {
		delete(r.until, refusal{node, p})
	}
	return noted && now.Before(until)
}
