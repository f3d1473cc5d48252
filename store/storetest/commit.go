package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"grapevine/store"
)

func lastOperationWins(t *testing.T, e store.Engine) {
	put(t, e, pair{"old", "1"})
	b := new(store.Batch)
	b.Put([]byte("twice"), []byte("1"))
	b.Put([]byte("twice"), []byte("2"))
	b.Put([]byte("gone"), []byte("1"))
	b.Delete([]byte("gone"))
	b.Delete([]byte("old"))
	b.Put([]byte("old"), []byte("2"))
	check(t, e.Commit(t.Context(), b))
	expect(t, e, "twice", "2")
	expect(t, e, "old", "2")
	expectAbsent(t, e, "gone")
}

// batchesAreAtomic has readers look for a batch of which only part is visible.
func batchesAreAtomic(t *testing.T, e store.Engine) {
	const rounds = 200
	generation := func(g int) *store.Batch {
		b := new(store.Batch)
		for i := range 8 {
			b.Put(fmt.Append(nil, "row-", i), fmt.Append(nil, g))
		}
		return b
	}
	check(t, e.Commit(t.Context(), generation(0)))

	written := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for done := false; !done; {
				select {
				case <-written:
					done = true
				default:
				}
				expectOneGeneration(t, e)
			}
		})
	}
	for g := range rounds {
		if err := e.Commit(t.Context(), generation(g)); err != nil {
			t.Error(err)
		}
	}
	close(written)
	readers.Wait()
}

func expectOneGeneration(t *testing.T, e store.Engine) {
	err := e.View(func(s store.Snapshot) error {
		var seen []string
		err := s.Scan([]byte("row-"), nil, false, func(_, v []byte) bool {
			seen = append(seen, string(v))
			return true
		})
		if len(seen) != 8 || len(slices.Compact(slices.Clone(seen))) != 1 {
			t.Errorf("part of a batch is visible: %q", seen)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func concurrentCommitsAreKept(t *testing.T, e store.Engine) {
	const writers, each = 16, 20
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				p := pair{fmt.Sprintf("%03d/%03d", w, i), fmt.Sprint(w, i)}
				if err := e.Commit(t.Context(), puts(p)); err != nil {
					t.Error(err)
				}
				expect(t, e, p.key, p.value) // at once, from its own writer
			}
		})
	}
	running.Wait()
	if got := len(scanAll(t, e)); got != writers*each {
		t.Errorf("%d rows, want %d", got, writers*each)
	}
}

func boundsBatches(t *testing.T, e store.Engine) {
	fill := func(key string, size int) *store.Batch {
		b := puts(pair{key, ""}, pair{key + "/value", ""})
		filler := make([]byte, size-b.Size())
		return puts(pair{key, ""}, pair{key + "/value", string(filler)})
	}
	most := e.MaxBatch()
	if most < store.MaxWrite {
		t.Fatalf("MaxBatch is %d, less than one write, %d", most, store.MaxWrite)
	}
	check(t, e.Commit(t.Context(), fill("most", most)))
	expect(t, e, "most", "")

	tiny := new(store.Batch)
	for i := 0; tiny.Size() < most-100; i++ {
		tiny.Delete(fmt.Append(nil, i))
	}
	check(t, e.Commit(t.Context(), tiny))

	err := e.Commit(t.Context(), fill("more", most+1))
	if !errors.Is(err, store.ErrBatchTooLarge) {
		t.Errorf("got %v, want ErrBatchTooLarge", err)
	}
	expectAbsent(t, e, "more")
	put(t, e, pair{"after", "1"})
	expect(t, e, "after", "1")
}

func endedContextCommitsNothing(t *testing.T, e store.Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Commit(ctx, puts(pair{"a", "1"})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	expectAbsent(t, e, "a")
}

// outcomesAreTrue ends contexts while their commits wait, are under way, or are
// done.
func outcomesAreTrue(t *testing.T, e store.Engine) {
	var running sync.WaitGroup
	for i := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(cancel)
		running.Go(func() {
			key := fmt.Sprint("key-", i)
			err := e.Commit(ctx, puts(pair{key, "1"}))
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if _, ok := get(t, e, key); ok != (err == nil) {
				t.Errorf("commit returned %v, but the row's presence is %v", err, ok)
			}
		})
	}
	running.Wait()
}

func countsCommits(t *testing.T, e store.Engine) {
	before := e.Stats()
	for i := range 3 {
		put(t, e, pair{fmt.Sprint(i), "1"})
	}
	after := e.Stats()
	if n := after.Commits - before.Commits; n != 3 {
		t.Errorf("%d commits counted, want 3", n)
	}
	if n := after.Syncs - before.Syncs; n == 0 || n > 3 {
		t.Errorf("%d syncs counted, want 1 to 3", n)
	}
	if after.ReadOnly || after.FreeBytes == 0 {
		t.Errorf("writable engine reports %+v", after)
	}
}

func refusesWhenClosed(t *testing.T, e store.Engine) {
	put(t, e, pair{"a", "1"})
	check(t, e.Close())
	err := e.View(func(store.Snapshot) error {
		t.Error("a closed engine gave a snapshot")
		return nil
	})
	if !errors.Is(err, store.ErrEngineClosed) {
		t.Errorf("View: got %v, want ErrEngineClosed", err)
	}
	for _, b := range []*store.Batch{puts(pair{"b", "2"}), new(store.Batch)} {
		if err := e.Commit(t.Context(), b); !errors.Is(err, store.ErrEngineClosed) {
			t.Errorf("Commit: got %v, want ErrEngineClosed", err)
		}
	}
	e.Stats()
	check(t, e.Close())
}

func closeAwaitsCommits(t *testing.T, e store.Engine) {
	commitUntilClosed(t, e)
}

// commitUntilClosed closes an engine amid the commits of eight writers, and
// returns the keys whose commits were acknowledged.
func commitUntilClosed(t *testing.T, e store.Engine) (kept []string) {
	var mu sync.Mutex
	var running sync.WaitGroup
	begun := make(chan struct{}, 8)
	for w := range 8 {
		running.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d/%06d", w, i)
				err := e.Commit(context.Background(), puts(pair{key, "1"}))
				if errors.Is(err, store.ErrEngineClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				kept = append(kept, key)
				mu.Unlock()
				if i == 3 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	check(t, e.Close())
	running.Wait()
	slices.Sort(kept)
	return kept
}
