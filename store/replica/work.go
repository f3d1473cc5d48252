package replica

import (
	"errors"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// localWrite is a client's write that this node coordinates.
type localWrite struct {
	partition store.Partition
	write     store.Write
	revival   *revival // of rows of a backup, in place of write
	bytes     int64
	standIn   bool          // this node does not own the partition
	blind     bool          // and does not see what the client's session has written
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
	w.delta, w.err = w.change(t)
	switch {
	case errors.Is(w.err, store.ErrExists), errors.Is(w.err, store.ErrNotFound),
		errors.Is(w.err, store.ErrUnavailable), errors.Is(w.err, errNotServing):
		return nil
	case w.err == nil && w.standIn:
		t.record(w.partition).hinted += w.bytes
	}
	return w.err
}

// change makes the write. While it was queued the copy may have gone, and with it
// what the write is judged by.
func (w *localWrite) change(t *txn) (delta, error) {
	switch {
	case !w.standIn && !t.s.serves(w.partition):
		return delta{}, errNotServing
	case t.peek(w.partition).dropping:
		return delta{}, store.ErrUnavailable
	case w.revival != nil:
		return t.revive(w.partition, *w.revival)
	}
	return t.coordinate(w)
}

func (w *localWrite) finish(err error) {
	if errors.Is(err, store.ErrBatchTooLarge) {
		err = store.ErrTooLarge // it is atomic; its rows are too large together
	}
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
	hint  bool // to be kept here for owners that cannot be reached
	whole bool // all of the batch is stored here
	done  func(error)
}

func (w *remoteBatch) size() int64 { return w.bytes }

func (w *remoteBatch) add(t *txn) error {
	w.whole = true
	for i := range w.batch.deltas {
		d := &w.batch.deltas[i]
		if !w.takes(t, d.partition) {
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

// takes says whether a delta of the partition is kept here.
func (w *remoteBatch) takes(t *txn, p store.Partition) bool {
	if !w.hint || t.s.stores(p) {
		return t.stores(p)
	}
	if t.peek(p).dropping {
		return false
	}
	t.record(p).hinted += w.bytes / int64(len(w.batch.deltas))
	return true
}

// parts are the single deltas.
func (w *remoteBatch) parts() []func(*txn) error {
	var out []func(*txn) error
	for i := range w.batch.deltas {
		d := &w.batch.deltas[i]
		out = append(out, func(t *txn) error {
			if !w.takes(t, d.partition) {
				return nil
			}
			return t.apply(d)
		})
	}
	return out
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
	err       error // refused, whatever became of the transaction
	done      chan error
}

// pageDot is one dot of a page and what it did.
type pageDot struct {
	dot     causal.Dot
	touched []touched
}

func (pg *page) size() int64      { return pg.bytes }
func (pg *page) finish(err error) { pg.done <- errors.Join(err, pg.err) }
func (pg *page) add(t *txn) error {
	if pg.err = nil; !t.stores(pg.partition) {
		pg.err = errNotMine
		return nil
	}
	return t.applyPage(pg)
}

// parts are pages of a single dot each. A row may show the effects of dots of
// later parts: as everywhere, it may be ahead of the vector, never behind.
func (pg *page) parts() []func(*txn) error {
	rows := make(map[store.Key]store.Entry, len(pg.rows))
	for _, e := range pg.rows {
		rows[e.Key] = e
	}
	var out []func(*txn) error
	for i, d := range pg.dots {
		part := &page{partition: pg.partition, theirs: pg.theirs, dots: pg.dots[i : i+1]}
		for _, r := range d.touched {
			if e, ok := rows[r.key]; ok {
				part.rows = append(part.rows, e)
				delete(rows, r.key)
			}
		}
		out = append(out, part.add)
	}
	return out
}
