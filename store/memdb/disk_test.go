package memdb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/store"
	"grapevine/store/memdb"
)

const ms = time.Millisecond

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

// commit writes a row and returns when that is durable.
func commit(db *memdb.DB, key, value string) error {
	b := new(store.Batch)
	b.Put([]byte(key), []byte(value))
	return db.Commit(context.Background(), b)
}

func mustCommit(t *testing.T, db *memdb.DB, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := commit(db, key, key); err != nil {
			t.Fatalf("commit %s: %v", key, err)
		}
	}
}

// begin commits rows concurrently, in order, and gives the outcomes to come.
func begin(db *memdb.DB, keys ...string) []<-chan error {
	var outcomes []<-chan error
	for _, key := range keys {
		done := make(chan error, 1)
		go func() { done <- commit(db, key, key) }()
		synctest.Wait()
		outcomes = append(outcomes, done)
	}
	return outcomes
}

// keys gives what is on the disk.
func keys(t *testing.T, db *memdb.DB) []string {
	t.Helper()
	found := []string{}
	err := db.View(func(s store.Snapshot) error {
		return s.Scan(nil, nil, false, func(key, _ []byte) bool {
			found = append(found, string(key))
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func expect(t *testing.T, db *memdb.DB, want ...string) {
	t.Helper()
	if got := keys(t, db); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestACommitTakesTheSyncTimeAndIsSeenOnlyThen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: 5 * ms})
		began := time.Now()
		done := begin(db, "a")
		time.Sleep(4 * ms)
		expect(t, db)
		if err := <-done[0]; err != nil || time.Since(began) != 5*ms {
			t.Errorf("%v after %v, want 5ms", err, time.Since(began))
		}
		expect(t, db, "a")
	})
}

func TestCommitsThatWaitForTheDiskShareTheNextSync(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: 5 * ms})
		began := time.Now()
		for _, done := range begin(db, "a", "b", "c", "d", "e") {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		stats := db.Stats()
		if took := time.Since(began); took != 10*ms || stats.Commits != 5 || stats.Syncs != 2 {
			t.Errorf("%d commits in %d syncs after %v, want 5 in 2 after 10ms", stats.Commits, stats.Syncs, took)
		}
	})
}

func TestAGroupOfCommitsIsAsLargeAsABatchMayBe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: ms})
		var writers sync.WaitGroup
		for i := range 7 {
			writers.Go(func() {
				if err := commit(db, fmt.Sprint(i), string(make([]byte, db.MaxBatch()/3))); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		if syncs := db.Stats().Syncs; syncs != 4 { // one alone, then by two
			t.Errorf("%d syncs, want 4", syncs)
		}
	})
}

func TestAContextEndsTheWaitForTheNextSyncButNotASync(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: 5 * ms})
		ctx, cancel := context.WithCancel(t.Context())
		outcome := func(key string) <-chan error {
			b, done := new(store.Batch), make(chan error, 1)
			b.Put([]byte(key), nil)
			go func() { done <- db.Commit(ctx, b) }()
			synctest.Wait()
			return done
		}
		syncing, waiting := outcome("syncing"), outcome("waiting")
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting: got %v, want Canceled", err)
		}
		if err := <-syncing; err != nil {
			t.Errorf("syncing: %v", err)
		}
		expect(t, db, "syncing")
	})
}

func TestASlowDiskIsSlowUntilItIsNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: ms})
		for _, slow := range []time.Duration{time.Second, 0} {
			db.Slow(slow)
			began := time.Now()
			mustCommit(t, db, "a")
			if took := time.Since(began); took != slow+ms {
				t.Errorf("slow by %v: took %v", slow, took)
			}
		}
	})
}

func TestAFullDiskTakesNothingUntilSpaceReturnsAlsoWhenReopened(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, options := range disks {
			db := memdb.NewDisk(options)
			mustCommit(t, db, "a")
			db.Fill(true)
			for range 2 {
				if err := commit(db, "b", ""); !errors.Is(err, store.ErrNoSpace) {
					t.Errorf("%s: got %v, want ErrNoSpace", name, err)
				}
				if s := db.Stats(); !s.ReadOnly || s.FreeBytes != 0 {
					t.Errorf("%s: a full disk reports %+v", name, s)
				}
				db = db.Reopen()
			}
			expect(t, db, "a")
			db.Fill(false)
			mustCommit(t, db, "b")
			if s := db.Stats(); s.ReadOnly || s.FreeBytes == 0 {
				t.Errorf("%s: a disk with space reports %+v", name, s)
			}
		}
	})
}

func TestADiskThatFillsUpAmidASyncRefusesThoseWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: ms})
		done := begin(db, "a", "b")
		db.Fill(true)
		if err := <-done[0]; err != nil {
			t.Errorf("syncing: %v", err)
		}
		if err := <-done[1]; !errors.Is(err, store.ErrNoSpace) {
			t.Errorf("waiting: got %v, want ErrNoSpace", err)
		}
	})
}

func TestACrashAmidASyncKeepsOrLosesItWholeAndSaysWhich(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		kept := 0
		for seed := range uint64(64) {
			db := memdb.NewDisk(memdb.Options{SyncTime: 5 * ms, Seed: seed})
			done := begin(db, "first", "a", "b", "c")
			time.Sleep(7 * ms) // a, b and c are being synced
			waiting := begin(db, "late")[0]
			db.Crash()
			db = db.Reopen()

			want := []string{"first"}
			if <-done[1] == nil {
				want = []string{"a", "b", "c", "first"}
				kept++
			}
			expect(t, db, want...)
			for _, outcome := range append(done[2:], waiting) {
				if err := <-outcome; err != nil && !errors.Is(err, store.ErrEngineClosed) {
					t.Errorf("got %v, want ErrEngineClosed", err)
				}
			}
		}
		if kept < 16 || kept > 48 {
			t.Errorf("%d of 64 crashes kept what was being synced", kept)
		}
	})
}

func TestTheSeedDecidesWhatCrashesKeep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fates := func(seed uint64) (kept []bool) {
			db := memdb.NewDisk(memdb.Options{SyncTime: ms, Seed: seed})
			for i := range 40 {
				done := begin(db, fmt.Sprint(i))[0]
				db = db.Reopen()
				kept = append(kept, <-done == nil)
			}
			return kept
		}
		if !slices.Equal(fates(1), fates(1)) || slices.Equal(fates(1), fates(2)) {
			t.Errorf("seed 1: %v, again: %v, seed 2: %v", fates(1), fates(1), fates(2))
		}
	})
}

func TestACrashedEngineRefusesAll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: ms})
		db.Crash()
		err := db.View(func(store.Snapshot) error { return nil })
		if closed := commit(db, "a", ""); !errors.Is(err, store.ErrEngineClosed) || !errors.Is(closed, store.ErrEngineClosed) {
			t.Errorf("View: %v, Commit: %v, want ErrEngineClosed", err, closed)
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestACrashEndsACloseThatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: time.Hour})
		began, done := time.Now(), begin(db, "a")
		closed := make(chan error)
		go func() { closed <- db.Close() }()
		synctest.Wait()
		db.Crash()
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		<-done[0]
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestCloseWaitsForWhatIsToBeSynced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: 5 * ms})
		done := begin(db, "a", "b")
		began := time.Now()
		if err := db.Close(); err != nil || time.Since(began) != 10*ms {
			t.Errorf("%v after %v, want nil after 10ms", err, time.Since(began))
		}
		for _, outcome := range done {
			if err := <-outcome; err != nil {
				t.Error(err)
			}
		}
		expect(t, db.Reopen(), "a", "b")
	})
}

func TestADiskIsPutBackToWhatItWas(t *testing.T) {
	t.Parallel()
	db := memdb.New()
	mustCommit(t, db, "a", "b")
	backup := db.Version()
	mustCommit(t, db, "c")
	db = db.Reopen()
	mustCommit(t, db, "d", "e")

	db = db.Rollback(1)
	expect(t, db, "a", "b", "c", "d")
	db = db.ReopenAt(backup)
	expect(t, db, "a", "b")
	if v := db.Version(); v != backup {
		t.Errorf("version %d, want %d", v, backup)
	}

	mustCommit(t, db, "other")
	expect(t, db.ReopenAt(backup+1), "a", "b", "other")
	expect(t, db.Rollback(100))
}

func TestADiskRemembersAsMuchAsItsHistory(t *testing.T) {
	t.Parallel()
	db := memdb.NewDisk(memdb.Options{History: 3})
	mustCommit(t, db, "a", "b", "c", "d", "e")
	if v := db.Rollback(2).Version(); v != 3 {
		t.Errorf("two back is version %d, want 3", v)
	}
	if v := db.Rollback(3).Version(); v != 3 {
		t.Errorf("three back is version %d, want the oldest, 3", v)
	}
}

func TestCommitsThatSharedASyncAreUndoneTogether(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := memdb.NewDisk(memdb.Options{SyncTime: ms})
		for _, done := range begin(db, "a", "b", "c") {
			<-done
		}
		expect(t, db.Rollback(1), "a")
	})
}

func TestACloneAndItsOriginalGoTheirOwnWays(t *testing.T) {
	t.Parallel()
	db := memdb.New()
	mustCommit(t, db, "a", "b")
	clones := []*memdb.DB{db, db.Clone(), db.Clone()}
	var writers sync.WaitGroup
	for i, c := range clones {
		writers.Go(func() {
			for j := range 200 {
				if err := commit(c, fmt.Sprintf("%d/%03d", i, j), ""); err != nil {
					t.Error(err)
				}
				c.Clone() // reads what the others' commits share
			}
		})
	}
	writers.Wait()
	for i, c := range clones {
		found := keys(t, c)
		if len(found) != 202 || found[0] != fmt.Sprintf("%d/000", i) {
			t.Errorf("clone %d has %d rows, the first is %s", i, len(found), found[0])
		}
	}
}
