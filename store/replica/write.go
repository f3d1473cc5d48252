package replica

import (
	"context"
	"errors"
	"time"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// How long an acknowledgement waits for copies beyond the coordinator's. What is
// missing then is still delivered. A client that named no number is not kept
// waiting while the failure detector makes up its mind.
const (
	copiesWait  = 1200 * time.Millisecond
	durableWait = 3 * time.Second // where the client insists
)

// defaultCopies is W: the durable copies a write waits for when its client says
// nothing.
const defaultCopies = 2

// Write implements store.Rows.
func (s *Store) Write(ctx context.Context, w store.Write) (store.Receipt, error) {
	if s.placement.Load() == nil {
		return store.Receipt{}, store.ErrUnavailable
	}
	p, size, err := s.checkWrite(w)
	if err != nil {
		return store.Receipt{}, err
	}
	request := store.RequestOf(ctx)
	d := demandOf(ctx, p)
	durability := store.Default
	if request != nil {
		durability = request.Durability
	}
	order := s.orderFor(OpWrite, p)
	if w.Serial {
		order = s.serialOrder(p)
	}
	var receipt store.Receipt
	err = errAllAway
	if s.anyOwner(p) {
		receipt, err = job[store.Receipt]{
			s: s, op: OpWrite, partition: p, order: order,
			serial:   w.Serial,
			unjudged: durability != store.Default, // what all copies take is not its coordinator's doing
			local: func(ctx context.Context) (store.Receipt, error) {
				return s.writeHere(ctx, p, w, size, d, durability)
			},
			remote: func(ctx context.Context, node p2p.NodeID) (store.Receipt, error) {
				return s.writeRemote(ctx, node, w, d, durability)
			},
		}.run(ctx)
	}
	if errors.Is(err, errAllAway) && !s.placement.Load().own[p] && !s.leaving.begun() {
		receipt, err = s.standIn(ctx, p, w, size, d, durability)
	}
	if err == nil || errors.Is(err, store.ErrDurability) || errors.Is(err, store.ErrExists) {
		request.Record(receipt)
	}
	return receipt, err
}

// writeHere coordinates a write.
func (s *Store) writeHere(ctx context.Context, p store.Partition, w store.Write, size int, d demand, durability int) (store.Receipt, error) {
	if !s.placement.Load().own[p] {
		return store.Receipt{}, errNotServing
	}
	// A row that this node has not seen cannot be updated, and conditions on it
	// would be judged wrongly: wait as a read would.
	d.Quorum = false
	if err := s.meet(ctx, p, d); err != nil {
		return store.Receipt{}, err
	}
	if err := s.awaitProof(ctx, p); err != nil {
		return store.Receipt{}, err
	}
	s.lastLocal.Store(int64(time.Since(s.started)))
	local := newLocalWrite(p, w, size)
	if err := s.submit(ctx, local); err != nil {
		return store.Receipt{}, err
	}
	// Once queued the write happens, whatever becomes of its client.
	<-local.done
	exists := errors.Is(local.err, store.ErrExists)
	if local.err != nil && !exists {
		return store.Receipt{}, local.err
	}
	receipt := store.Receipt{Partition: p, Dot: local.delta.dot, Copies: 1}
	if len(local.delta.rows) > 0 {
		return s.waitCopies(ctx, receipt, local.delivery, durability)
	}
	wanted := s.wantedCopies(durability)
	receipt.Copies = s.confirm(ctx, p, receipt.Dot, wanted)
	if exists {
		return receipt, store.ErrExists
	}
	return receipt, enough(receipt.Copies, wanted, durability)
}

// confirm counts the owners that hold what a write found standing: the dot, or,
// where the row is absent, all that this node has seen. It stops at wanted.
func (s *Store) confirm(ctx context.Context, p store.Partition, dot causal.Dot, wanted int) int {
	mine := s.partitions[p].snapshot()
	copies := 1
	for _, peer := range s.placement.Load().sets[p].owners {
		if copies >= wanted {
			break
		}
		if !s.alive(peer) {
			continue
		}
		theirs, err := s.exchangeVectors(ctx, peer, []store.Partition{p})
		if err == nil && (theirs.vectors[0].Contains(dot) || dot.IsZero() && theirs.vectors[0].Covers(mine)) {
			copies++
		}
	}
	return copies
}

// waitCopies waits until the write has as many durable copies as wanted.
func (s *Store) waitCopies(ctx context.Context, receipt store.Receipt, d *delivery, durability int) (store.Receipt, error) {
	wanted := s.wantedCopies(durability)
	if d == nil { // this node is the only owner
		return receipt, enough(receipt.Copies, wanted, durability)
	}
	ownersOnly := durability == store.All
	patience := copiesWait
	if durability != store.Default {
		patience = durableWait
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		have, possible, progress := d.copies(s.alive, ownersOnly)
		receipt.Copies = have
		enlisted := possible < wanted && !ownersOnly && s.enlist(d, wanted-possible)
		if have >= wanted || have >= possible && !enlisted { // nothing to wait for
			return receipt, enough(have, wanted, durability)
		}
		select {
		case <-progress:
		case <-deadline.C:
			return receipt, enough(have, wanted, durability)
		case <-ctx.Done():
			return receipt, enough(have, wanted, durability)
		}
	}
}

func (s *Store) wantedCopies(durability int) int {
	copies := s.placement.Load().ring.Copies()
	switch durability {
	case store.Default:
		return min(defaultCopies, copies)
	case store.All:
		return copies
	default:
		return durability
	}
}

// enough judges the copies there are. By default any number is: the client is
// told how many.
func enough(have, wanted, durability int) error {
	if durability == store.Default || have >= wanted {
		return nil
	}
	return store.ErrDurability
}
