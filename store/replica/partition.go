package replica

import (
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
	"grapevine/p2p"
)

// partition is this node's state of one partition.
type partition struct {
	mu sync.Mutex
	// vector says which dots are applied and durable here. Only the applier
	// writes it, after the commit and never before, so that whoever finds a dot in
	// it finds its effect in the engine.
	vector *causal.Vector
	rec    *record
	digest uint64 // of vector; 0 when not known
	tally  tally
	added  time.Time // when the last dots were applied
	// caughtUp says that reads may be served: the vector has covered what each
	// reachable owner had when this node came to own the partition.
	caughtUp bool
	// covered are the peers whose vector of after our coming has been covered.
	covered map[p2p.NodeID]bool
	// trusts counts how often trust in this copy began anew: what was found covered
	// before does not count.
	trusts int
	// whole is set when one of them had a complete copy.
	whole bool
	// doubtful says that the rows may differ from those of an owner though the vectors
	// do not (repair.go).
	doubtful bool
	since    time.Time // when this node came to store the partition, or started
	// theirs is what each peer was last known to have: at least that is on its disk,
	// as long as it keeps the disk.
	theirs   map[p2p.NodeID]*causal.Vector
	transfer *transfer // under way, nil for none

	// fetching is held by who fetches from a peer, so that nothing comes twice.
	fetching sync.Mutex
}

// tally counts what is stored of a partition.
type tally struct {
	rows   int   // visible or not
	marks  int   // rows that remember removals of births still to come
	logged int   // entries of the log of dots
	bytes  int64 // of rows with their keys
}

func (t *tally) add(o tally) {
	t.rows += o.rows
	t.marks += o.marks
	t.logged += o.logged
	t.bytes += o.bytes
}

func newPartition(now time.Time) *partition {
	return &partition{
		vector: causal.NewVector(), rec: newRecord(), since: now,
		covered: map[p2p.NodeID]bool{}, theirs: map[p2p.NodeID]*causal.Vector{},
	}
}

// record gives the installed record, which must not be changed.
func (p *partition) record() *record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rec
}

// empty says whether nothing at all is stored here.
func (p *partition) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vector.Empty() && p.tally.rows == 0 && !p.rec.dropping
}

// owes says whether there is something here that a peer may not have.
func (p *partition) owes(peer p2p.NodeID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	theirs := p.theirs[peer]
	return !p.vector.Empty() && (theirs == nil || !theirs.Covers(p.vector))
}

// hasSeen notes what a peer has, at least. The vector is not changed any more.
func (p *partition) hasSeen(peer p2p.NodeID, theirs *causal.Vector) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.theirs[peer] = theirs
}

// forget drops what was known of a peer's disk, which is gone.
func (p *partition) forget(peer p2p.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubtful = true
	delete(p.theirs, peer)
	delete(p.covered, peer)
}

// equals notes that a peer's vector was equal to this node's when that had the
// digest. It matters while there is something to become stable.
func (p *partition) equals(peer p2p.NodeID, digest uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.digest == digest && p.tally.logged > 0 {
		p.theirs[peer] = p.vector.Clone()
	}
}

// snapshot gives a copy of the vector.
func (p *partition) snapshot() *causal.Vector {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vector.Clone()
}

// context gives a copy of the vector as the context of rows that are read next, and
// what isStill needs to tell whether these rows were there.
func (p *partition) context() (vector *causal.Vector, trusts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vector.Clone(), p.trusts
}

// isStill says whether the copy is still the one of an earlier context. That of one
// that has gone would say of its rows that they were removed.
func (p *partition) isStill(trusts int) bool { return p.trust() == trusts }

// missing gives the dots of v that are not applied here.
func (p *partition) missing(v *causal.Vector) *causal.Vector {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vector.Missing(v)
}

// add records what a commit brought: dots, a new record unless nil, and the
// change in what is stored.
func (p *partition) add(dots *causal.Vector, rec *record, grown tally, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !dots.Empty() {
		p.vector.Merge(dots)
		p.digest, p.added = 0, now
	}
	if rec != nil {
		p.rec = rec
	}
	p.tally.add(grown)
}

// vanish makes the copy one that has seen nothing. What is left of it in the engine
// does not count.
func (p *partition) vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vector, p.digest, p.tally = causal.NewVector(), 0, tally{}
	p.distrust()
}

// distrust makes the copy one that has covered nothing yet. The caller holds mu.
func (p *partition) distrust() {
	p.caughtUp, p.whole = false, false
	p.trusts++
	clear(p.covered)
}

// trust gives the present trusts, to be handed to cover.
func (p *partition) trust() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trusts
}

// cover notes that nothing a peer had is missing here, and whether the peer's copy
// was whole, unless trust has begun anew since.
func (p *partition) cover(peer p2p.NodeID, whole bool, trusts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.caughtUp && p.trusts == trusts {
		p.covered[peer] = true
		p.whole = p.whole || whole
	}
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

// Transfer is a partition on its way here.
type Transfer struct {
	From     p2p.NodeID
	Snapshot bool  // all rows, because what is missing is no longer logged
	Rows     int64 // so far
	Bytes    int64 // so far
	Started  time.Time
}

// transfer is a Transfer that is counted by who fetches and shown to others.
type transfer struct {
	mu   sync.Mutex
	seen Transfer
}

func (t *transfer) note(rows int, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Rows += int64(rows)
	t.seen.Bytes += bytes
}

func (t *transfer) isSnapshot() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Snapshot = true
}

func (t *transfer) show() *Transfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.seen
	return &seen
}

func (p *partition) beginTransfer(from p2p.NodeID, now time.Time) *transfer {
	t := &transfer{seen: Transfer{From: from, Started: now}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.transfer = t
	return t
}

func (p *partition) endTransfer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.transfer = nil
}

func (p *partition) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.caughtUp
}

// open lets the copy be read, unless trust in it has begun anew since.
func (p *partition) open(trusts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trusts == trusts {
		p.caughtUp = true
	}
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
