package memdb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"grapevine/store"
)

// maxBatch bounds a batch, and a group of batches, in bytes. It is
// store/badgerdb's bound, so that what runs on one engine runs on the other.
const maxBatch = 768 << 10

// request is one writer's wait.
type request struct {
	batch *store.Batch
	lead  chan *group // receives the group that the writer is to sync, if it is the first of one
	done  chan error  // receives the outcome
}

// group is the batches of one sync: all of them last, or none.
type group struct {
	requests []*request
	takes    time.Duration
}

// Commit implements store.Engine. It returns when the sync that took the batch
// along has ended. The first writer of a group waits for the disk on behalf of the
// others, while the next group gathers.
func (db *DB) Commit(ctx context.Context, b *store.Batch) error {
	if b.Size() > maxBatch {
		return fmt.Errorf("memdb: batch of %d bytes: %w", b.Size(), store.ErrBatchTooLarge)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{batch: b, lead: make(chan *group, 1), done: make(chan error, 1)}
	if err := db.enqueue(r); err != nil {
		return err
	}
	return db.await(ctx, r)
}

func (db *DB) enqueue(r *request) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closing || db.current.Load() == nil {
		return store.ErrEngineClosed
	}
	db.waiting = append(db.waiting, r)
	if db.under == nil {
		db.next()
	}
	return nil
}

func (db *DB) await(ctx context.Context, r *request) error {
	select {
	case g := <-r.lead:
		db.sync(g)
		return <-r.done
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if db.withdraw(r) {
			return ctx.Err()
		}
		return db.await(context.WithoutCancel(ctx), r)
	}
}

// withdraw takes r out of the queue, if its turn has not come.
func (db *DB) withdraw(r *request) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	i := slices.Index(db.waiting, r)
	if i < 0 {
		return false
	}
	db.waiting = slices.Delete(db.waiting, i, i+1)
	return true
}

// next begins the sync of those who wait, and ends what takes no time. The mutex
// is held.
func (db *DB) next() {
	db.under = nil
	for len(db.waiting) > 0 {
		g := db.gather()
		switch {
		case db.disk.full:
			g.settle(store.ErrNoSpace)
		case g.takes == 0:
			db.keep(g)
		default:
			db.under = g
			g.requests[0].lead <- g // has room for the one group that it leads
			return
		}
	}
	if db.closing {
		db.stop()
	}
}

// gather takes as many from the head of the queue as make up at most maxBatch
// bytes. The mutex is held.
func (db *DB) gather() *group {
	n, size := 0, 0
	for n < len(db.waiting) {
		size += db.waiting[n].batch.Size()
		if n > 0 && size > maxBatch {
			break
		}
		n++
	}
	g := &group{requests: db.waiting[:n:n], takes: db.disk.syncTime + db.disk.slow}
	db.waiting = db.waiting[n:]
	return g
}

// sync waits for the disk, and keeps the group unless a crash settles it first.
func (db *DB) sync(g *group) {
	timer := time.NewTimer(g.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-db.down:
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.under == g {
		db.keep(g)
		db.next()
	}
}

// keep makes a group durable and visible. The mutex is held.
func (db *DB) keep(g *group) {
	s := db.disk.newest().with(g)
	db.disk.push(s)
	db.current.Store(s)
	db.commits += uint64(len(g.requests))
	db.syncs++
	g.settle(nil)
}

// settle tells the writers of a group its outcome.
func (g *group) settle(err error) {
	for _, r := range g.requests {
		r.done <- err // has room for the one outcome
	}
}
