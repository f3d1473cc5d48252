package replica

import (
	"context"
	"errors"
	"slices"

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

// submit queues work. It waits for room until ctx ends, which is ErrOverloaded.
func (s *Store) submit(ctx context.Context, w work) error {
	if err := s.room.Acquire(ctx, w.size()); err != nil {
		return store.ErrOverloaded
	}
	select {
	case s.queue <- w:
		return nil
	case <-ctx.Done():
		s.room.Release(w.size())
		return store.ErrOverloaded
	case <-s.ctx.Done():
		s.room.Release(w.size())
		return store.ErrEngineClosed
	}
}

// runApplier is the only writer of rows. While one commit syncs, the next group
// of work gathers: the slower the disk, the larger the groups.
func (s *Store) runApplier() {
	for {
		select {
		case w := <-s.queue:
			s.applyGroup(w)
		case <-s.ctx.Done():
			s.refuseQueued()
			return
		}
	}
}

func (s *Store) refuseQueued() {
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
	if err != nil && len(group) > 1 {
		// One piece may be at fault, or the group be larger than was estimated.
		for _, w := range group {
			s.conclude([]work{w}, s.transact(w.add))
		}
	} else {
		s.conclude(group, err)
	}
	s.flushAcks()
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
	if err != nil && !errors.Is(err, store.ErrNoSpace) {
		s.log.Error("commit failed", "error", err, "work", len(group))
	}
	if err == nil {
		s.publish(group)
	}
	for _, w := range group {
		s.room.Release(w.size())
		w.finish(err)
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
		return w
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
	if err := s.engine.Commit(context.WithoutCancel(s.ctx), &t.batch); err != nil {
		return err
	}
	s.cfg.Invalidate(t.dirtyKeys())
	for p, seen := range t.seen {
		s.partitions[p].add(seen.adding, t.grown[p])
	}
	if n := len(t.changes); n > 0 {
		s.lastChange.Store(t.changes[n-1].Seq)
		s.metrics.applied.Add(float64(n))
		s.appended.raise()
		s.applied.broadcast()
	}
	return nil
}

// localWrite is a client's write that this node coordinates.
type localWrite struct {
	partition store.Partition
	write     store.Write
	bytes     int64
	done      chan struct{} // closed when the fields below are final

	delta    delta
	delivery *delivery
	err      error
}

func newLocalWrite(p store.Partition, w store.Write, bytes int) *localWrite {
	return &localWrite{partition: p, write: w, bytes: int64(bytes), done: make(chan struct{})}
}

func (w *localWrite) size() int64 { return w.bytes }

func (w *localWrite) add(t *txn) error {
	w.delta, w.err = t.coordinate(w.partition, w.write)
	if errors.Is(w.err, store.ErrExists) || errors.Is(w.err, store.ErrNotFound) {
		return nil
	}
	return w.err
}

func (w *localWrite) finish(err error) {
	if w.err == nil {
		w.err = err
	}
	close(w.done)
}

// remoteBatch is a batch that another owner coordinated.
type remoteBatch struct {
	s     *Store
	batch *batch
	bytes int64
	whole bool // this node stores all partitions of the batch
	done  func(error)
}

func (w *remoteBatch) size() int64 { return w.bytes }

func (w *remoteBatch) add(t *txn) error {
	w.whole = true
	for i := range w.batch.deltas {
		d := &w.batch.deltas[i]
		if !t.s.stores(d.partition) {
			w.whole = false
			continue
		}
		if !t.s.clock.Observe(d.time) {
			t.s.metrics.clockAhead.Inc()
		}
		if err := t.apply(d); err != nil {
			return err
		}
	}
	return nil
}

func (w *remoteBatch) finish(err error) {
	if err == nil && !w.whole {
		err = errNotMine
	}
	w.done(err)
}

var errNotMine = errors.New("replica: the batch holds partitions that this node does not store")

// page is a piece of catch-up: the state of rows that dots this node missed have
// touched, as an owner has them, with that owner's context.
type page struct {
	partition store.Partition
	theirs    *causal.Vector
	rows      []store.Entry
	dots      []pageDot
	bytes     int64
	done      chan error
}

// pageDot is one dot of a page and what it did.
type pageDot struct {
	dot     causal.Dot
	touched []touched
}

func (pg *page) size() int64      { return pg.bytes }
func (pg *page) add(t *txn) error { return t.applyPage(pg) }
func (pg *page) finish(err error) { pg.done <- err }

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
	}
	if size > store.MaxWrite {
		return 0, 0, store.ErrTooLarge
	}
	return p, size, nil
}
