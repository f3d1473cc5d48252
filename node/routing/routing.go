// Package routing orders the owners of data by how well they answer.
package routing

import (
	"errors"
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
)

// Router implements replica.Router by smoothed latency with peak sensitivity: a
// slow answer counts at once, a quick one forgives slowly (Finagle's peak EWMA).
// It is safe for concurrent use.
type Router struct {
	alive func(p2p.NodeID) bool
	now   func() time.Time

	mu    sync.Mutex
	peers map[p2p.NodeID]*peer
}

type peer struct {
	latency time.Duration // as of seen
	seen    time.Time     // of the last answer
	failed  time.Time     // of the last call that could not reach the peer
}

const (
	// failurePenalty is how long a peer that could not be reached is asked last.
	failurePenalty = time.Second
	// forgiveness is the weight of the past in the average: 1/8 of the distance to
	// a quicker answer is covered each time.
	forgiveness = 8
	// halfLife is how long it takes for half of what a peer was slow by to be
	// forgotten while it is not asked: else one slow answer would shut it out for as
	// long as the others are quick.
	halfLife = time.Second
)

// New returns a Router that believes alive about who can be reached at all.
func New(alive func(p2p.NodeID) bool, now func() time.Time) *Router {
	return &Router{alive: alive, now: now, peers: map[p2p.NodeID]*peer{}}
}

// Order implements replica.Router.
func (r *Router) Order(peers []p2p.NodeID) []p2p.NodeID {
	type scored struct {
		id    p2p.NodeID
		class int
		cost  time.Duration
	}
	list := make([]scored, len(peers))
	now := r.now()
	r.mu.Lock()
	for i, id := range peers {
		list[i] = scored{id: id}
		if p := r.peers[id]; p != nil {
			list[i].cost = p.cost(now)
			if now.Sub(p.failed) < failurePenalty {
				list[i].class = 1
			}
		}
	}
	r.mu.Unlock()
	for i := range list {
		if !r.alive(list[i].id) {
			list[i].class = 2
		}
	}
	slices.SortStableFunc(list, func(a, b scored) int {
		if a.class != b.class {
			return a.class - b.class
		}
		return int(a.cost - b.cost)
	})
	out := make([]p2p.NodeID, len(list))
	for i, s := range list {
		out[i] = s.id
	}
	return out
}

// Observe implements replica.Router.
func (r *Router) Observe(id p2p.NodeID, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[id]
	if p == nil {
		p = &peer{latency: took}
		r.peers[id] = p
	}
	now := r.now()
	if errors.Is(err, p2p.ErrUnreachable) {
		p.failed = now
		return
	}
	p.latency, p.seen = p.cost(now), now
	if took > p.latency {
		p.latency = took
		return
	}
	p.latency += (took - p.latency) / forgiveness
}

// cost is the peer's latency, less what time has made of it.
func (p *peer) cost(now time.Time) time.Duration {
	return p.latency >> min(max(now.Sub(p.seen)/halfLife, 0), 62)
}
