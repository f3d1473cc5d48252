package replica

import (
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
	"grapevine/p2p"
)

// partition is this node's state of one partition that it stores.
type partition struct {
	mu sync.Mutex
	// vector says which dots are applied and durable here. Only the applier
	// writes it, after the commit and never before, so that whoever finds a dot in
	// it finds its effect in the engine.
	vector *causal.Vector
	digest uint64 // of vector; 0 when not known
	rows   int    // stored, visible or not
	// caughtUp says that reads may be served: the vector has covered what each
	// reachable owner had when this node came to own the partition.
	caughtUp bool
	// covered are the peers whose vector of after our coming has been covered.
	covered map[p2p.NodeID]bool
	since   time.Time // when this node came to store the partition, or started
	// handed are the peers known to have all that is here. It is kept for a copy
	// that this node no longer counts for.
	handed map[p2p.NodeID]bool
}

func newPartition(now time.Time) *partition {
	return &partition{
		vector: causal.NewVector(), since: now,
		covered: map[p2p.NodeID]bool{}, handed: map[p2p.NodeID]bool{},
	}
}

// owes says whether there is something here that a peer may not have.
func (p *partition) owes(peer p2p.NodeID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.handed[peer] && !p.vector.Empty()
}

// handOver notes that a peer has theirs, and whether that is all there is here.
func (p *partition) handOver(peer p2p.NodeID, theirs *causal.Vector) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handed[peer] = theirs.Covers(p.vector)
}

// sees says whether all dots are applied here.
func (p *partition) sees(dots []causal.Dot) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range dots {
		if !p.vector.Contains(d) {
			return false
		}
	}
	return true
}

// snapshot gives a copy of the vector.
func (p *partition) snapshot() *causal.Vector {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vector.Clone()
}

// add records dots as applied, and the change in the number of rows.
func (p *partition) add(dots *causal.Vector, rows int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vector.Merge(dots)
	clear(p.handed)
	p.digest = 0
	p.rows += rows
}

// vectorDigest is equal for equal vectors and never 0.
func (p *partition) vectorDigest() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.digest == 0 {
		p.digest = xxh3.Hash(p.vector.Append(nil)) | 1
	}
	return p.digest
}

func (p *partition) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.caughtUp
}

func (p *partition) setCaughtUp(v bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.caughtUp = v
}

// seenBy is the causal context of a partition within a transaction that is not
// yet committed: what is applied, and what the transaction adds.
type seenBy struct {
	applied *causal.Vector // read without its lock: the applier is its only writer
	adding  *causal.Vector
}

// Contains implements causal.Context.
func (s seenBy) Contains(d causal.Dot) bool {
	return s.applied.Contains(d) || s.adding.Contains(d)
}

// next gives the sequence number that follows a replica's last.
func (s seenBy) next(r causal.Replica) uint64 {
	return max(s.applied.Max(r), s.adding.Max(r)) + 1
}
