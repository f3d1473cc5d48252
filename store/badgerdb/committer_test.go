package badgerdb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"grapevine/store"
)

// gate is an apply function that shows its groups and waits to be let on.
type gate struct {
	entered chan []*store.Batch
	leave   chan error
}

func newGate() gate { return gate{make(chan []*store.Batch), make(chan error)} }

func (g gate) apply(group []*store.Batch) error {
	g.entered <- group
	return <-g.leave
}

func batchOf(size int) *store.Batch {
	empty, b := new(store.Batch), new(store.Batch)
	empty.Put([]byte("k"), nil)
	b.Put([]byte("k"), make([]byte, size-empty.Size()))
	return b
}

// outcomes collects what commits returned.
type outcomes struct {
	running sync.WaitGroup
	errs    chan error
}

func (o *outcomes) commit(ctx context.Context, c *committer, b *store.Batch) {
	o.running.Go(func() { o.errs <- c.commit(ctx, b) })
}

func TestBatchesThatComeDuringASyncShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := startCommitter(g.apply)
		o := outcomes{errs: make(chan error, 10)}
		first := batchOf(100)
		o.commit(t.Context(), c, first)
		if got := <-g.entered; !slices.Equal(got, []*store.Batch{first}) {
			t.Errorf("a lone batch came in a group of %d", len(got))
		}
		for range 9 {
			o.commit(t.Context(), c, batchOf(100))
		}
		synctest.Wait()
		g.leave <- nil
		if got := <-g.entered; len(got) != 9 {
			t.Errorf("%d batches share the sync, want 9", len(got))
		}
		g.leave <- nil
		o.running.Wait()
		c.close()
	})
}

func TestAGroupIsBoundedAndABatchNeverSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := startCommitter(g.apply)
		o := outcomes{errs: make(chan error, 10)}
		o.commit(t.Context(), c, batchOf(100))
		<-g.entered
		const size = maxBatch/2 + 1 // one to a group
		for range 3 {
			o.commit(t.Context(), c, batchOf(size))
		}
		synctest.Wait()
		for range 3 {
			g.leave <- nil
			if got := <-g.entered; len(got) != 1 || got[0].Size() != size {
				t.Errorf("got a group of %d batches, want one whole batch", len(got))
			}
		}
		g.leave <- nil
		o.running.Wait()
		c.close()
	})
}

func TestAFailureReachesEveryWriterOfTheGroupAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := startCommitter(g.apply)
		first := outcomes{errs: make(chan error, 1)}
		first.commit(t.Context(), c, batchOf(100))
		<-g.entered
		second := outcomes{errs: make(chan error, 2)}
		second.commit(t.Context(), c, batchOf(100))
		second.commit(t.Context(), c, batchOf(100))
		synctest.Wait()
		g.leave <- nil
		<-g.entered
		g.leave <- store.ErrNoSpace
		if err := <-first.errs; err != nil {
			t.Errorf("first group: got %v", err)
		}
		for range 2 {
			if err := <-second.errs; !errors.Is(err, store.ErrNoSpace) {
				t.Errorf("second group: got %v, want ErrNoSpace", err)
			}
		}
		c.close()
	})
}

func TestAContextEndsTheWaitForATurnAndNoCommitUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := startCommitter(g.apply)
		ctx, cancel := context.WithCancel(t.Context())
		underWay := outcomes{errs: make(chan error, 1)}
		underWay.commit(ctx, c, batchOf(100))
		<-g.entered
		waiting := outcomes{errs: make(chan error, 1)}
		waiting.commit(ctx, c, batchOf(100))
		synctest.Wait()

		cancel()
		if err := <-waiting.errs; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting: got %v, want context.Canceled", err)
		}
		synctest.Wait()
		if len(underWay.errs) != 0 {
			t.Error("a commit under way was interrupted")
		}
		g.leave <- nil
		if err := <-underWay.errs; err != nil {
			t.Errorf("under way: got %v", err)
		}
		c.close() // would hang if the withdrawn batch were applied
	})
}

func TestWaitingBatchesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := startCommitter(g.apply)
		o := outcomes{errs: make(chan error, 20)}
		for range maxWaiting / maxBatch {
			o.commit(t.Context(), c, batchOf(maxBatch))
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		more := outcomes{errs: make(chan error, 1)}
		more.commit(ctx, c, batchOf(maxBatch))
		<-g.entered
		synctest.Wait()
		if n := len(c.waiting); n != maxWaiting/maxBatch-1 {
			t.Errorf("%d batches wait, want %d: one is under way", n, maxWaiting/maxBatch-1)
		}
		cancel()
		if err := <-more.errs; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		for range maxWaiting/maxBatch - 1 {
			g.leave <- nil
			<-g.entered
		}
		g.leave <- nil
		o.running.Wait()
		c.close()
	})
}

func TestClosingLetsWaitingBatchesThroughAndRefusesLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := startCommitter(g.apply)
		o := outcomes{errs: make(chan error, 2)}
		o.commit(t.Context(), c, batchOf(100))
		<-g.entered
		o.commit(t.Context(), c, batchOf(100))
		synctest.Wait()
		go c.close()
		synctest.Wait()
		if err := c.commit(t.Context(), batchOf(100)); !errors.Is(err, store.ErrEngineClosed) {
			t.Errorf("got %v, want ErrEngineClosed", err)
		}
		g.leave <- nil
		<-g.entered
		g.leave <- nil
		for range 2 {
			if err := <-o.errs; err != nil {
				t.Errorf("a batch that waited: got %v", err)
			}
		}
		<-c.ended
	})
}
