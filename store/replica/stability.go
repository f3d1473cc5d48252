package replica

import (
	"bytes"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
	"time"
)

const (
	pruneChunk = 2048            // log entries that leave in one commit
	pruneMany  = 512             // that are worth a commit while writes go on
	pruneQuiet = 2 * time.Second // after which any number is
)

// runTidy does what nobody waits for: it shortens the logs of what has become
// stable, drops copies that are no longer needed, and finishes snapshots.
func (s *Store) runTidy() {
	select {
	case <-s.known:
	case <-s.ctx.Done():
		return
	}
	for sleep(s.ctx, s.cfg.SyncEvery) {
		now := time.Now()
		var extra []store.Partition
		for i := range s.partitions {
			id := store.Partition(i)
			if !s.tidyWanted(id, now) {
				continue
			}
			if !s.stores(id) && !s.partitions[id].record().dropping {
				extra = append(extra, id)
			} else if err := s.tidyPartition(id); err != nil && s.ctx.Err() == nil {
				s.log.Debug("a partition is left untidy", "partition", id, "error", err)
			}
		}
		if err := s.dropProved(extra); err != nil && s.ctx.Err() == nil {
			s.log.Debug("copies that do not count are kept", "partitions", len(extra), "error", err)
		}
	}
}

// tidyWanted says whether a partition may need any of it, at little cost.
func (s *Store) tidyWanted(id store.Partition, now time.Time) bool {
	p := s.partitions[id]
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := p.rec.snapshot != nil && p.rec.snapshot.phase != copying
	if !s.stores(id) || p.rec.dropping || rest {
		return p.rec.dropping || rest || !p.vector.Empty() || p.tally.rows > 0
	}
	if p.doubtful && p.caughtUp && now.Sub(p.added) >= pruneQuiet {
		return true
	}
	return p.tally.logged >= pruneMany || p.tally.logged > 0 && now.Sub(p.added) >= pruneQuiet
}

func (s *Store) tidyPartition(id store.Partition) error {
	switch rec := s.partitions[id].record(); {
	case rec.dropping:
		return s.finishDrop(s.ctx, id)
	case rec.snapshot != nil && rec.snapshot.phase != copying:
		return s.finishSnapshot(s.ctx, id)
	}
	if err := s.prune(id); err != nil || !s.partitions[id].isDoubtful() {
		return err
	}
	return s.repair(id)
}

// stable gives the dots that every owner of a partition, present or coming, is
// known to have, and the members of which too little is known.
func (s *Store) stable(id store.Partition) (common *causal.Vector, behind []p2p.NodeID) {
	set := s.placement.Load().sets[id]
	p := s.partitions[id]
	p.mu.Lock()
	defer p.mu.Unlock()
	common = p.vector
	for _, peer := range set.peers {
		theirs := p.theirs[peer]
		if theirs == nil {
			theirs = causal.NewVector()
		}
		if !theirs.Covers(p.vector) {
			behind = append(behind, peer)
		}
		common = common.Intersect(theirs)
	}
	if mutated(skipStability) {
		return p.vector.Clone(), behind
	}
	return common.Clone(), behind
}

// prune shortens the log of a partition by what has become stable. Causal
// stability (Baquero, Almeida, Shoker 2014) is what ends the bookkeeping; whoever
// needs what was pruned, having lost or never had it, takes a snapshot.
func (s *Store) prune(id store.Partition) error {
	stable, _ := s.stable(id)
	for {
		if s.partitions[id].record().base.Covers(stable) {
			return nil
		}
		w := &pruning{partition: id, stable: stable, done: make(chan error, 1)}
		if err := s.do(s.ctx, w); err != nil {
			return err
		}
		if w.pruned < pruneChunk/2 {
			return nil
		}
	}
}

// pruning is the work of moving stable dots from the log to the base.
//
// The base stays closed: a dot moves only when the births that it ended are in the
// base, or move with it. Otherwise one who takes the base over with a snapshot
// could receive such a birth afterwards, and would not know that it has ended.
type pruning struct {
	partition store.Partition
	stable    *causal.Vector
	pruned    int
	done      chan error
}

func (w *pruning) size() int64      { return 0 }
func (w *pruning) finish(err error) { w.done <- err }
func (w *pruning) wait() error      { return <-w.done }

// logEntry is one entry of the log of dots.
type logEntry struct {
	key  []byte
	dot  causal.Dot
	rows []touched
}

func (w *pruning) add(t *txn) error {
	w.pruned = 0
	if !t.stores(w.partition) || t.peek(w.partition).snapshot != nil {
		return nil
	}
	entries, err := w.collect(t)
	if err != nil {
		return err
	}
	moving := closure(entries, t.peek(w.partition).base)
	if len(moving) == 0 {
		return nil
	}
	rec := t.record(w.partition)
	for _, e := range moving {
		t.batch.Delete(e.key)
		rec.base.Add(e.dot)
	}
	t.grow(w.partition).logged -= len(moving)
	w.pruned = len(moving)
	return nil
}

// collect gives the stable entries of the log, up to a bound.
func (w *pruning) collect(t *txn) (entries []logEntry, err error) {
	wanted := t.peek(w.partition).base.Missing(w.stable)
	for _, replica := range wanted.Replicas() {
		for _, r := range wanted.Ranges(replica) {
			first := dotKey(w.partition, causal.Dot{Replica: replica, Seq: r.First})
			var failed error
			err = t.snapshot.Scan(first[:len(first)-8], first, false, func(key, value []byte) bool {
				_, dot, err := parseDotKey(key)
				if failed = err; err != nil || dot.Seq > r.Last || len(entries) == pruneChunk {
					return false
				}
				e := logEntry{key: bytes.Clone(key), dot: dot}
				e.rows, failed = consumeTouched(value)
				entries = append(entries, e)
				return failed == nil
			})
			if err == nil {
				err = failed
			}
			if err != nil || len(entries) == pruneChunk {
				return entries, err
			}
		}
	}
	return entries, nil
}

// closure gives the largest part of entries that leaves base closed.
func closure(entries []logEntry, base *causal.Vector) []logEntry {
	for {
		within := base.Clone()
		for _, e := range entries {
			within.Add(e.dot)
		}
		var closed []logEntry
		for _, e := range entries {
			if e.endsWithin(within) {
				closed = append(closed, e)
			}
		}
		if len(closed) == len(entries) {
			return closed
		}
		entries = closed
	}
}

func (e *logEntry) endsWithin(v *causal.Vector) bool {
	for _, r := range e.rows {
		for _, d := range r.ended {
			if !v.Contains(d) {
				return false
			}
		}
	}
	return true
}
