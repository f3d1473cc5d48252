// Package memdb is a store.Engine in memory, for tests and simulations. It runs
// no goroutine and reads no clock, so it is at home in a testing/synctest bubble.
package memdb

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"grapevine/store"
)

// maxBatch is store/badgerdb's bound, so that what runs on one engine runs on
// the other.
const maxBatch = 768 << 10

type tree = btree.Map[string, []byte]

// state is one version of the contents. It is never changed: a commit makes the
// next one from it by copying the paths to what it touches.
type state struct {
	rows  *tree
	bytes uint64 // of keys and values
}

// DB is an engine whose disk is memory. Make one with New.
type DB struct {
	current atomic.Pointer[state] // nil once closed
	commits atomic.Uint64

	mu   sync.Mutex // serialises commits, Close and Reopen
	last *state     // what current was when closed
}

var _ store.Engine = (*DB)(nil)

// New returns an empty engine.
func New() *DB { return open(&state{rows: new(tree)}) }

func open(s *state) *DB {
	db := new(DB)
	db.current.Store(s)
	return db
}

// Reopen closes db and returns a new engine with what was committed to db, as a
// process finds its disk after a restart. It may be called on a closed engine;
// each call gives an engine that shares nothing with the others.
func (db *DB) Reopen() *DB {
	_ = db.Close() // never fails
	db.mu.Lock()
	defer db.mu.Unlock()
	// Copying marks the nodes of both trees as shared, hence under the lock.
	return open(&state{rows: db.last.rows.Copy(), bytes: db.last.bytes})
}

// View implements store.Engine. It takes no lock: fn may commit.
func (db *DB) View(fn func(store.Snapshot) error) error {
	s := db.current.Load()
	if s == nil {
		return store.ErrEngineClosed
	}
	return fn(snapshot{s.rows})
}

// Commit implements store.Engine.
func (db *DB) Commit(ctx context.Context, b *store.Batch) error {
	if b.Size() > maxBatch {
		return fmt.Errorf("memdb: batch of %d bytes: %w", b.Size(), store.ErrBatchTooLarge)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s := db.current.Load()
	if s == nil {
		return store.ErrEngineClosed
	}
	db.current.Store(s.with(b))
	db.commits.Add(1)
	return nil
}

// with returns the state that a batch makes of s.
func (s *state) with(b *store.Batch) *state {
	next := &state{rows: s.rows.Copy(), bytes: s.bytes}
	for _, op := range b.Ops {
		key := string(op.Key)
		var old []byte
		var had bool
		if op.Delete {
			old, had = next.rows.Delete(key)
		} else {
			old, had = next.rows.Set(key, bytes.Clone(op.Value))
			next.bytes += uint64(len(key) + len(op.Value))
		}
		if had {
			next.bytes -= uint64(len(key) + len(old))
		}
	}
	return next
}

// MaxBatch implements store.Engine: 768 KiB.
func (db *DB) MaxBatch() int { return maxBatch }

// Stats implements store.Engine. Each commit counts as one sync, and space never
// runs out. A closed engine has no disk bytes.
func (db *DB) Stats() store.EngineStats {
	n := db.commits.Load()
	stats := store.EngineStats{FreeBytes: math.MaxInt64, Commits: n, Syncs: n}
	if s := db.current.Load(); s != nil {
		stats.DiskBytes = s.bytes
	}
	return stats
}

// Close implements store.Engine. Views under way go on; closing again does
// nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if s := db.current.Swap(nil); s != nil {
		db.last = s
	}
	return nil
}
