package routing

import (
	"slices"
	"time"

	"grapevine/p2p"
	"grapevine/store/replica"
)

// The ranks of nodes, best first. All are listed: one that is last may yet be the
// only one.
const (
	fine     = iota
	doubtful // it refused or failed a moment ago, or is being tried
	ejected
	dead
)

// The places among those who are fine, unless they are slower than nearness is worth.
const (
	here = iota
	near
	far
	slow
)

// Nearness is worth up to three times the best cost, and what is lost in the noise of
// a busy machine.
const (
	nearnessFactor = 3
	nearnessSlack  = 5 * time.Millisecond
)

// alike is the factor within which costs are held to be the same: what calls took
// differs by as much from one to the next.
const alike = 5 / 4.0

// ranked is a candidate and where it stands.
type ranked struct {
	node        p2p.NodeID
	rank, place int
	cost        time.Duration
	proved      bool // it has answered well of late
}

// Order implements replica.Router.
func (r *Router) Order(op replica.Op, candidates []replica.Candidate) []p2p.NodeID {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	list := make([]ranked, len(candidates))
	for i, c := range candidates {
		list[i] = r.rank(op, c, now)
	}
	demote(list)
	slices.SortStableFunc(list, func(a, b ranked) int {
		switch {
		case a.rank != b.rank:
			return a.rank - b.rank
		case a.place != b.place:
			return a.place - b.place
		default:
			return int(a.cost - b.cost)
		}
	})
	r.choose(list)
	out := make([]p2p.NodeID, len(list))
	for i, c := range list {
		out[i] = c.node
	}
	return out
}

func (r *Router) rank(op replica.Op, c replica.Candidate, now time.Time) ranked {
	h := r.of(op, c.Node)
	out := ranked{node: c.Node, rank: h.rank(now), place: far, cost: h.cost(now), proved: !h.trial}
	switch {
	case c.Node == r.cfg.Self:
		// Its load shows in its latency; to spread it costs more than it saves.
		out.place, out.cost = here, h.delay(now)
	case !r.cfg.Alive(c.Node):
		out.rank = dead
	case c.Near:
		out.place = near
	}
	return out
}

// demote takes nearness from those whose cost is not worth it. A node that nothing is
// known of is no reason: it may be the one that makes the near one wait.
func demote(list []ranked) {
	best := time.Duration(-1)
	for _, c := range list {
		if c.rank == fine && c.proved && (best < 0 || c.cost < best) {
			best = c.cost
		}
	}
	for i := range list {
		if best >= 0 && list[i].cost > nearnessFactor*best+nearnessSlack {
			list[i].place = slow
		}
	}
}

// choose puts the better of two first, drawn from those who stand as the first does:
// were it always the best, all who ask would descend on it at once. Of two that are
// alike it is either.
func (r *Router) choose(list []ranked) {
	n := 0
	for n < len(list) && list[n].rank == list[0].rank && list[n].place == list[0].place {
		n++
	}
	if n < 2 {
		return
	}
	a, b := r.rng.IntN(n), r.rng.IntN(n-1)
	if b >= a {
		b++
	}
	better, worse := min(a, b), max(a, b) // they are in order
	if float64(list[worse].cost) <= alike*float64(list[better].cost) && r.rng.IntN(2) == 0 {
		better = worse
	}
	chosen := list[better]
	copy(list[1:better+1], list[:better])
	list[0] = chosen
}
