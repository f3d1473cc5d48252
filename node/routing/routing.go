// Package routing orders the nodes that could answer by how well they do.
//
// DESIGN.md tells the rules and why they are so.
package routing

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/p2p"
	"grapevine/store/replica"
)

// Config is what a Router goes by. Self and Alive are required.
type Config struct {
	Self p2p.NodeID
	// Alive says who is believed to be reachable at all. It must not block.
	Alive func(p2p.NodeID) bool
	// Now is a clock; default time.Now.
	Now func() time.Time
}

// Router implements replica.Router by peak EWMA and power of two choices, with
// ejection of outliers. It keeps a few hundred bytes for each node that it was told
// of. It is safe for concurrent use.
type Router struct {
	cfg Config

	mu      sync.Mutex
	rng     *rand.Rand
	health  map[key]*health
	heardOf map[p2p.NodeID]time.Time // the last answer of any kind
	recent  [replica.Ops]quantile
	retries budget
	again   uint64 // repetitions granted
	refused uint64 // and those for which the budget had nothing
}

// key is a node and what it is asked to do: one with a slow disk reads quickly.
type key struct {
	node p2p.NodeID
	op   replica.Op
}

var _ replica.Router = (*Router)(nil)

// New returns a Router that knows nothing yet of how anybody answers. Which two are
// compared follows from Self and the calls alone.
func New(cfg Config) *Router {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	seed := xxh3.HashString128(string(cfg.Self))
	return &Router{
		cfg: cfg, rng: rand.New(rand.NewPCG(seed.Hi, seed.Lo)), health: map[key]*health{}, heardOf: map[p2p.NodeID]time.Time{},
		retries: budget{tokens: maxTokens, at: cfg.Now()},
	}
}

// of gives what is known of a node. The mutex is held.
func (r *Router) of(op replica.Op, node p2p.NodeID) *health {
	k := key{node, op}
	h := r.health[k]
	if h == nil {
		h = &health{trial: node != r.cfg.Self}
		r.health[k] = h
	}
	return h
}

// Begin implements replica.Router.
func (r *Router) Begin(op replica.Op, node p2p.NodeID) (done func(replica.Outcome)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	began := r.cfg.Now()
	r.retries.earn(began)
	call := r.of(op, node).begin(began)
	return func(outcome replica.Outcome) {
		r.mu.Lock()
		defer r.mu.Unlock()
		now := r.cfg.Now()
		h, took := r.of(op, node), now.Sub(began)
		h.end(call)
		r.heard(node, outcome, now)
		if node != r.cfg.Self && (outcome == replica.Answered || outcome == replica.Abandoned) {
			r.recent[op].add(took)
		}
		if h.note(outcome, took, now, r.outlier(op, node, took)) && r.mayEject(op, node, now) {
			h.eject(now)
		}
	}
}

// heard keeps writes, which cannot be put to two, from a node that has left another
// request unanswered and has answered none since. The mutex is held.
func (r *Router) heard(node p2p.NodeID, outcome replica.Outcome, now time.Time) {
	switch write := r.of(replica.OpWrite, node); outcome {
	case replica.Abandoned, replica.Unreachable:
		write.silent = now.Add(shunTime)
	case replica.Answered, replica.Refused, replica.NoVerdict:
		write.silent, r.heardOf[node] = time.Time{}, now
	}
}

// justNow is how long an answer shows that a node runs.
const justNow = 25 * time.Millisecond

// Heard implements replica.Router.
func (r *Router) Heard(node p2p.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ever := r.heardOf[node]
	return ever && r.cfg.Now().Sub(last) < justNow
}

// HedgeAfter implements replica.Router: the 95th percentile of what others took.
func (r *Router) HedgeAfter(op replica.Op) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recent[op].p95()
}

// Again implements replica.Router.
func (r *Router) Again() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.retries.spend(r.cfg.Now()) {
		r.refused++
		return false
	}
	r.again++
	return true
}
