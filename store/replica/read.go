package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// seeWait bounds how long an owner waits for a session's write to arrive before
// another owner is asked.
const seeWait = 250 * time.Millisecond

// demand is what a read requires of the owner that answers it.
type demand struct {
	Needs  []byte `cbor:"1,keyasint,omitempty"` // vector of what the session must see
	Quorum bool   `cbor:"2,keyasint,omitempty"`
}

func demandOf(ctx context.Context, p store.Partition) demand {
	r := store.RequestOf(ctx)
	if r == nil {
		return demand{}
	}
	d := demand{Quorum: r.Consistency == store.Quorum}
	if needs := r.Needs(p); len(needs) > 0 {
		d.Needs = vectorOf(needs).Append(nil)
	}
	return d
}

// needs gives the vector of what the session must see.
func (d demand) needs() (*causal.Vector, error) {
	if len(d.Needs) == 0 {
		return causal.NewVector(), nil
	}
	needs, _, err := causal.ConsumeVector(d.Needs)
	return needs, err
}

func vectorOf(needs []store.Need) *causal.Vector {
	v := causal.NewVector()
	for _, n := range needs {
		v.AddRange(n.Replica, n.Range)
	}
	return v
}

// serves says whether this node may answer reads of a partition.
func (s *Store) serves(p store.Partition) bool {
	place := s.placement.Load()
	return place != nil && place.own[p] && (s.partitions[p].ready() || mutated(serveBeforeCaughtUp))
}

// meet waits until this node can answer a read as demanded, or says why not.
func (s *Store) meet(ctx context.Context, p store.Partition, d demand) error {
	if !s.serves(p) {
		return errNotServing
	}
	needs, err := d.needs()
	if err != nil {
		return err
	}
	if err := s.see(ctx, p, needs); err != nil {
		return err
	}
	if d.Quorum {
		return s.consult(ctx, p)
	}
	return nil
}

// readHere answers a read as demanded from the rows of this node. While what was
// demanded came the ring may have moved on and the copy have gone.
func (s *Store) readHere(ctx context.Context, p store.Partition, d demand, read func() error) error {
	if err := s.meet(ctx, p, d); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	if !s.serves(p) {
		return errNotServing
	}
	return nil
}

// Current says whether this node owns a slot, has caught up with its partition,
// and has applied what the context's session wrote there: whether an answer
// cached here and not invalidated since is as good as a local read.
func (s *Store) Current(ctx context.Context, slot store.Slot) bool {
	p := s.partitionOf(slot)
	if !s.serves(p) {
		return false
	}
	r := store.RequestOf(ctx)
	if r == nil {
		return true
	}
	if r.Consistency == store.Quorum {
		return false
	}
	needs := r.Needs(p)
	return len(needs) == 0 || s.sees(p, vectorOf(needs))
}

// sees says whether what a session needs is applied here. Of an incarnation that
// is no more, writes between a session's own may never come: those are not waited
// for. While others are known to have another view of the ring, one that is not in
// this node's may be new as well.
func (s *Store) sees(p store.Partition, needs *causal.Vector) bool {
	missing := s.partitions[p].missing(needs)
	if missing.Empty() {
		return true
	}
	doubtful := s.doubts.any(s.alive)
	for _, r := range missing.Replicas() {
		last := causal.Dot{Replica: r, Seq: needs.Max(r)}
		if doubtful || s.placement.Load().lives[r] || missing.Contains(last) {
			return false
		}
	}
	return true
}

// see waits until all needs are applied here, for a bounded time.
func (s *Store) see(ctx context.Context, p store.Partition, needs *causal.Vector) error {
	if s.sees(p, needs) {
		return nil
	}
	deadline := time.NewTimer(seeWait)
	defer deadline.Stop()
	for {
		applied := s.applied.wait()
		if s.sees(p, needs) {
			return nil
		}
		select {
		case <-applied:
		case <-deadline.C:
			return store.ErrBehind
		case <-ctx.Done():
			return store.ErrBehind
		}
	}
}

// consult makes this node hold everything that a majority of the owners, itself
// included, has seen. A quorum read is then a local one, and has repaired what it
// found missing.
func (s *Store) consult(ctx context.Context, p store.Partition) error {
	set := s.placement.Load().sets[p]
	// All are asked at once: one that hangs must not hold up the rest.
	ctx, cancel := context.WithTimeout(ctx, readAttempt)
	answers := make(chan error, len(set.owners))
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	for _, peer := range set.owners {
		asking.Go(func() { answers <- s.catchUpWith(ctx, peer, p) })
	}
	others := (len(set.owners) + 1) / 2
	for asked := len(set.owners); others > 0; asked-- {
		if asked < others {
			return store.ErrUnavailable
		}
		if err := <-answers; err == nil {
			others--
		}
	}
	return nil
}

// catchUpWith brings here what a peer that is ready has seen of a partition. One
// that has not caught up has an answer, but not an owner's.
func (s *Store) catchUpWith(ctx context.Context, peer p2p.NodeID, p store.Partition) error {
	if !s.alive(peer) {
		return p2p.ErrUnreachable
	}
	answer, err := s.exchangeVectors(ctx, peer, []store.Partition{p})
	if err != nil {
		return err
	}
	if !answer.ready(p) {
		return errNotServing
	}
	for {
		err := s.fetch(ctx, peer, p, answer.vectors[0])
		if !errors.Is(err, errBusy) {
			return err
		}
		applied := s.applied.wait()
		select {
		case <-applied:
		case <-time.After(busyRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// busyRetry is how long a quorum read waits for a fetch under way to end.
const busyRetry = 10 * time.Millisecond

func (s *Store) getLocal(ks []store.Key) ([]crdt.Row, error) {
	rows := make([]crdt.Row, len(ks))
	err := s.engine.View(func(snapshot store.Snapshot) error {
		for i, k := range ks {
			var err error
			if rows[i], _, err = readRow(snapshot, k); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

func (s *Store) scanLocal(r store.Range) ([]store.Entry, error) {
	var out []store.Entry
	prefix := append(dataPrefix(nil, r.Slot, r.Family), r.Prefix...)
	var after []byte
	if r.After != "" {
		after = dataKey(store.Key{Slot: r.Slot, Family: r.Family, Sort: r.After})
	}
	err := s.engine.View(func(snapshot store.Snapshot) error {
		var failed error
		err := snapshot.Scan(prefix, after, r.Reverse, func(key, value []byte) bool {
			if bytes.Equal(key, after) {
				return true
			}
			var e store.Entry
			if e, failed = readEntry(key, value); failed != nil {
				return false
			}
			if e.Row.Exists() {
				out = append(out, e)
			}
			return len(out) < r.Limit
		})
		if err == nil {
			err = failed
		}
		return err
	})
	return out, err
}

// countLocal counts what scanLocal would give of each range.
func (s *Store) countLocal(rs []store.Range) ([]int, error) {
	counts := make([]int, len(rs))
	err := s.engine.View(func(snapshot store.Snapshot) (err error) {
		for i, r := range rs {
			if counts[i], err = countRange(snapshot, r); err != nil {
				break
			}
		}
		return err
	})
	return counts, err
}

func countRange(snapshot store.Snapshot, r store.Range) (n int, err error) {
	prefix := append(dataPrefix(nil, r.Slot, r.Family), r.Prefix...)
	var after []byte
	if r.After != "" {
		after = dataKey(store.Key{Slot: r.Slot, Family: r.Family, Sort: r.After})
	}
	var failed error
	err = snapshot.Scan(prefix, after, r.Reverse, func(key, value []byte) bool {
		if bytes.Equal(key, after) {
			return true
		}
		var exists bool
		if exists, failed = crdt.EncodedExists(value); exists {
			n++
		}
		return failed == nil && n < r.Limit
	})
	return n, errors.Join(err, failed)
}

// readEntry copies an entry out of a scan.
func readEntry(key, value []byte) (store.Entry, error) {
	k, err := parseDataKey(key)
	if err != nil {
		return store.Entry{}, err
	}
	row, _, err := crdt.ConsumeRow(bytes.Clone(value))
	return store.Entry{Key: k, Row: row}, err
}

// scanIndexLocal reads the index of this node for some partitions.
func (s *Store) scanIndexLocal(r store.IndexRange, wanted []bool) ([]store.Entry, error) {
	var out []store.Entry
	prefix := indexKey(r.Family, "")
	var after []byte
	if r.After != "" {
		after = indexKey(r.Family, r.After)
	}
	err := s.engine.View(func(snapshot store.Snapshot) error {
		var failed error
		err := snapshot.Scan(prefix, after, r.Reverse, func(key, value []byte) bool {
			if len(value) != 2 || bytes.Equal(key, after) {
				return true
			}
			k := store.Key{
				Slot:   store.Slot(binary.BigEndian.Uint16(value)),
				Family: r.Family, Sort: string(key[len(prefix):]),
			}
			if !wanted[s.partitionOf(k.Slot)] {
				return true
			}
			var row crdt.Row
			if row, _, failed = readRow(snapshot, k); failed != nil {
				return false
			}
			if row.Exists() {
				out = append(out, store.Entry{Key: k, Row: row})
			}
			return len(out) < r.Limit
		})
		if err == nil {
			err = failed
		}
		return err
	})
	if err == nil && !s.servesAll(wanted) {
		err = errNotServing // as in readHere
	}
	return out, err
}
