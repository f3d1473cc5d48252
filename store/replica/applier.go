package replica

import (
	"context"
	"errors"
	"slices"
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// work is something that the applier does to the engine. Its methods are called
// by the applier, in this order.
type work interface {
	// add puts the effects into the transaction. An error means that the
	// transaction is spoilt; a refusal of the work itself is remembered instead.
	add(*txn) error
	// finish reports that the effects are durable, or the error that kept them
	// from being so.
	finish(error)
	// size estimates the bytes that the work holds while it waits.
	size() int64
}

const (
	queueLen   = 4096     // pieces of work that may wait for the applier
	queueBytes = 32 << 20 // and the bytes they may hold
)

// queued is work that waits for the applier, with when it was brought.
type queued struct {
	work
	since time.Time
}

// taken gives work whose turn it is, and notes how long it had to wait.
func (s *Store) taken(q queued) work {
	s.metrics.waited.Observe(time.Since(q.since).Seconds())
	return q.work
}

// submit queues work. It waits for room until ctx ends, which is ErrOverloaded.
// What it has queued is finished, if only by being refused when the store closes.
func (s *Store) submit(ctx context.Context, w work) error {
	brought := queued{w, time.Now()}
	if err := s.room.Acquire(ctx, w.size()); err != nil {
		return store.ErrOverloaded
	}
	s.submitting.RLock()
	defer s.submitting.RUnlock()
	if s.ctx.Err() != nil { // the applier may have ended: nobody would take the work
		s.room.Release(w.size())
		return store.ErrEngineClosed
	}
	select {
	case s.queue <- brought:
		return nil
	case <-ctx.Done():
		s.room.Release(w.size())
		return store.ErrOverloaded
	case <-s.ctx.Done():
		s.room.Release(w.size())
		return store.ErrEngineClosed
	}
}

// spawn runs fn in a goroutine of the store, unless that is closing.
func (s *Store) spawn(fn func()) {
	s.submitting.RLock()
	defer s.submitting.RUnlock()
	if s.ctx.Err() == nil { // the applier is still there to be waited for
		s.done.Go(fn)
	}
}

// runApplier is the only writer of rows. While one commit syncs, the next group
// of work gathers: the slower the disk, the larger the groups.
func (s *Store) runApplier() {
	for {
		select {
		case w := <-s.queue:
			s.applyGroup(s.taken(w))
		case <-s.ctx.Done():
			s.refuseQueued()
			return
		}
	}
}

// refuseQueued ends the work that nobody will do, once no more can be queued.
func (s *Store) refuseQueued() {
	s.submitting.Lock()
	defer s.submitting.Unlock()
	for {
		select {
		case w := <-s.queue:
			s.room.Release(w.size())
			w.finish(store.ErrEngineClosed)
		default:
			return
		}
	}
}

func (s *Store) applyGroup(first work) {
	group := []work{first}
	err := s.transact(func(t *txn) error {
		err := first.add(t)
		for err == nil {
			w := s.nextWork(t)
			if w == nil {
				break
			}
			group = append(group, w)
			err = w.add(t)
		}
		return err
	})
	if err != nil && (len(group) > 1 || errors.Is(err, store.ErrBatchTooLarge)) {
		// One piece may be at fault, or the group be larger than was estimated.
		for _, w := range group {
			s.conclude([]work{w}, s.applyAlone(w))
		}
	} else {
		s.conclude(group, err)
	}
	s.flushAcks()
}

// applyAlone commits one piece of work, if need be in parts: small changes can
// need a large batch where the rows that they change are large.
func (s *Store) applyAlone(w work) error {
	err := s.transact(w.add)
	whole, ok := w.(interface{ parts() []func(*txn) error })
	if !ok || !errors.Is(err, store.ErrBatchTooLarge) {
		return err
	}
	for _, part := range whole.parts() {
		if err := s.transact(part); err != nil {
			return err
		}
	}
	return nil
}

// transact runs fn on a transaction over a snapshot and commits it.
func (s *Store) transact(fn func(*txn) error) error {
	var t *txn
	err := s.engine.View(func(snapshot store.Snapshot) error {
		t = s.newTxn(snapshot)
		return fn(t)
	})
	if err != nil {
		return err
	}
	return s.commit(t)
}

// conclude publishes what was committed and tells everybody who waits.
func (s *Store) conclude(group []work, err error) {
	if errors.Is(err, store.ErrNoSpace) {
		s.distrustWhatIsMissed(group)
	} else if err != nil {
		s.log.Error("commit failed", "error", err, "work", len(group))
	}
	if err == nil {
		s.tellCoordinated(group)
		s.publish(group)
	}
	for _, w := range group {
		s.room.Release(w.size())
		w.finish(err)
	}
}

// distrustWhatIsMissed stops reads from partitions whose writes this node could not
// take for want of disk: others serve them until there is space and sync has
// brought what was missed.
func (s *Store) distrustWhatIsMissed(group []work) {
	for _, w := range group {
		b, ok := w.(*remoteBatch)
		if !ok {
			continue
		}
		for i := range b.batch.deltas {
			if p := s.partitions[b.batch.deltas[i].partition]; p.ready() {
				p.mu.Lock()
				p.distrust()
				p.since = time.Now()
				p.mu.Unlock()
			}
		}
	}
}

// tellCoordinated shows the group's own writes to whoever compares.
func (s *Store) tellCoordinated(group []work) {
	if s.cfg.Coordinated == nil {
		return
	}
	for _, w := range group {
		if l, ok := w.(*localWrite); ok && l.err == nil && len(l.delta.rows) > 0 {
			s.cfg.Coordinated(l.partition, l.delta.dot, l.delta.rows)
		}
	}
}

// nextWork gives more work for the transaction, nil when it is full or nothing
// waits.
func (s *Store) nextWork(t *txn) work {
	if t.size() > s.engine.MaxBatch()/4 {
		return nil
	}
	select {
	case w := <-s.queue:
		return s.taken(w)
	default:
		return nil
	}
}

// commit makes the transaction durable, and then known: first the caches, then
// the vectors, so that nobody who sees a dot can be served what it replaced.
func (s *Store) commit(t *txn) error {
	t.finish(s.lastChange.Load())
	if len(t.batch.Ops) == 0 {
		return nil
	}
	// A commit that has begun must be seen through: its dots are either used or not.
	ctx := context.WithoutCancel(s.ctx)
	if mutated(ackBeforeFsync) {
		s.done.Go(func() { _ = s.engine.Commit(ctx, &t.batch) })
	} else if err := s.engine.Commit(ctx, &t.batch); err != nil {
		return err
	}
	s.cfg.Invalidate(t.dirtyKeys())
	s.settleTxn(t)
	if n := len(t.changes); n > 0 {
		s.lastChange.Store(t.changes[n-1].Seq)
		s.metrics.applied.Add(float64(n))
		s.appended.raise()
		s.applied.broadcast()
	}
	return nil
}

// settleTxn makes a durable transaction the state in memory.
func (s *Store) settleTxn(t *txn) {
	now := time.Now()
	touched := map[store.Partition]bool{}
	for p := range t.seen {
		touched[p] = true
	}
	for p := range t.records {
		touched[p] = true
	}
	for p := range t.grown {
		touched[p] = true
	}
	nothing := causal.NewVector()
	for p := range touched {
		dots := t.seen[p].adding
		if dots == nil {
			dots = nothing
		}
		s.partitions[p].add(dots, t.records[p], *t.grow(p), now)
	}
	for _, then := range t.then {
		then()
	}
}

// checkWrite refuses a write that cannot be applied, and sorts its fields.
func (s *Store) checkWrite(w store.Write) (store.Partition, int, error) {
	if len(w.Mutations) == 0 {
		return 0, 0, errors.New("replica: empty write")
	}
	p := s.partitionOf(w.Mutations[0].Key.Slot)
	size := 0
	seen := make(map[store.Key]struct{}, len(w.Mutations))
	for _, m := range w.Mutations {
		if s.partitionOf(m.Key.Slot) != p {
			return 0, 0, errors.New("replica: a write spans partitions")
		}
		if _, twice := seen[m.Key]; twice || len(m.Key.Sort) > store.MaxSort {
			return 0, 0, errors.New("replica: a write names a key twice, or one too long")
		}
		seen[m.Key] = struct{}{}
		size += len(m.Key.Sort) + len(m.Value) + 96
		slices.SortFunc(m.Fields, func(a, b store.FieldValue) int { return int(a.ID) - int(b.ID) })
		for i, f := range m.Fields {
			if i > 0 && m.Fields[i-1].ID == f.ID {
				return 0, 0, errors.New("replica: a write names a field twice")
			}
			size += len(f.Value) + 48
		}
		slices.SortFunc(m.Counts, func(a, b store.CountDelta) int { return int(a.ID) - int(b.ID) })
		for i, c := range m.Counts {
			if i > 0 && m.Counts[i-1].ID == c.ID {
				return 0, 0, errors.New("replica: a write names a counter twice")
			}
			size += 48
		}
	}
	if size > store.MaxWrite {
		return 0, 0, store.ErrTooLarge
	}
	return p, size, nil
}
