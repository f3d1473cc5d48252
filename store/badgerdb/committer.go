package badgerdb

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"grapevine/store"
)

// maxWaiting bounds the bytes of batches that wait for their turn.
const maxWaiting = 8 << 20

// committer gathers the batches of concurrent writers into groups. While one
// group is being synced the next gathers, so the group grows with the load and a
// lone writer waits for nobody.
type committer struct {
	// apply makes a group durable, or fails for all of it.
	apply func(group []*store.Batch) error
	room  *semaphore.Weighted // what is left of maxWaiting

	mu      sync.Mutex
	changed sync.Cond  // waiting grew, or closed was set
	waiting []*request // in the order in which they came
	closed  bool

	ended chan struct{} // closed when run has returned
}

// request is one writer's wait.
type request struct {
	batch *store.Batch
	done  chan error // receives the outcome
}

// startCommitter returns a committer whose goroutine runs until close.
func startCommitter(apply func([]*store.Batch) error) *committer {
	c := &committer{
		apply: apply,
		room:  semaphore.NewWeighted(maxWaiting),
		ended: make(chan struct{}),
	}
	c.changed.L = &c.mu
	go c.run()
	return c
}

// commit waits until b is durable. An error of ctx means that b was not applied.
func (c *committer) commit(ctx context.Context, b *store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	size := int64(b.Size())
	if err := c.room.Acquire(ctx, size); err != nil {
		return err
	}
	defer c.room.Release(size)

	r := &request{batch: b, done: make(chan error, 1)}
	if err := c.enqueue(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if c.withdraw(r) {
			return ctx.Err()
		}
		return <-r.done
	}
}

func (c *committer) enqueue(r *request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return store.ErrEngineClosed
	}
	c.waiting = append(c.waiting, r)
	c.changed.Signal()
	return nil
}

// withdraw takes r out of the queue, if its turn has not come.
func (c *committer) withdraw(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, r)
	if i < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	return true
}

func (c *committer) run() {
	defer close(c.ended)
	for group := c.take(); len(group) > 0; group = c.take() {
		batches := make([]*store.Batch, len(group))
		for i, r := range group {
			batches[i] = r.batch
		}
		err := c.apply(batches)
		for _, r := range group {
			r.done <- err
		}
	}
}

// take waits for requests and takes as many from the head of the queue as make
// up at most maxBatch bytes. It takes none once the committer is closed and the
// queue is empty.
func (c *committer) take() []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) == 0 && !c.closed {
		c.changed.Wait()
	}
	n, size := 0, 0
	for n < len(c.waiting) {
		size += c.waiting[n].batch.Size()
		if n > 0 && size > maxBatch {
			break
		}
		n++
	}
	group := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return group
}

// close refuses further batches and returns when those that wait are done with.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.changed.Signal()
	c.mu.Unlock()
	<-c.ended
}
