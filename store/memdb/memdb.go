// Package memdb is a store.Engine in memory, for tests and simulations: the twin
// of store/badgerdb, whose disk takes time to sync, fills up, is cut off from
// power, is copied, and is put back to what it was.
//
// It runs no goroutine, and waits on channels and timers only, so that it is at
// home in a testing/synctest bubble. The outcome of a Commit is always the truth:
// nil when the batch is found by the next process, an error when it is not.
package memdb

import (
	"bytes"
	"math"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"grapevine/store"
)

type tree = btree.Map[string, []byte]

// state is one version of the contents. It is never changed: a sync makes the
// next one from it by copying the paths to what it touches.
type state struct {
	rows    *tree
	bytes   uint64 // of keys and values
	version uint64
}

// DB is an engine whose disk is memory. Make one with New or NewDisk.
type DB struct {
	current atomic.Pointer[state] // nil once closed
	down    chan struct{}         // closed with it

	mu      sync.Mutex // guards the rest
	disk    disk
	commits uint64
	syncs   uint64
	closing bool
	waiting []*request // as many as there are callers, in the order in which they came
	under   *group     // being synced, or nil
}

var _ store.Engine = (*DB)(nil)

// New returns an empty engine whose disk syncs in no time.
func New() *DB { return NewDisk(Options{}) }

func open(d disk) *DB {
	db := &DB{disk: d, down: make(chan struct{})}
	db.current.Store(d.newest())
	return db
}

// View implements store.Engine. It takes no lock: fn may commit.
func (db *DB) View(fn func(store.Snapshot) error) error {
	s := db.current.Load()
	if s == nil {
		return store.ErrEngineClosed
	}
	return fn(snapshot{s.rows})
}

// with returns the state that a group of batches makes of s.
func (s *state) with(g *group) *state {
	next := &state{rows: s.rows.Copy(), bytes: s.bytes, version: s.version}
	for _, r := range g.requests {
		for _, op := range r.batch.Ops {
			next.apply(op)
		}
		next.version++
	}
	return next
}

func (s *state) apply(op store.BatchOp) {
	key := string(op.Key)
	var old []byte
	var had bool
	if op.Delete {
		old, had = s.rows.Delete(key)
	} else {
		old, had = s.rows.Set(key, bytes.Clone(op.Value))
		s.bytes += uint64(len(key) + len(op.Value))
	}
	if had {
		s.bytes -= uint64(len(key) + len(old))
	}
}

// MaxBatch implements store.Engine: 768 KiB.
func (db *DB) MaxBatch() int { return maxBatch }

// Stats implements store.Engine. Space runs out by Fill alone. A closed engine
// has no disk bytes.
func (db *DB) Stats() store.EngineStats {
	db.mu.Lock()
	defer db.mu.Unlock()
	stats := store.EngineStats{FreeBytes: math.MaxInt64, Commits: db.commits, Syncs: db.syncs}
	if db.disk.full {
		stats.FreeBytes, stats.ReadOnly = 0, true
	}
	if s := db.current.Load(); s != nil {
		stats.DiskBytes = s.bytes
	}
	return stats
}

// Close implements store.Engine: it refuses further commits and returns when
// those that wait are synced. Views under way go on; closing again does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	db.closing = true
	if db.under == nil {
		db.stop()
	}
	db.mu.Unlock()
	<-db.down
	return nil
}

// stop ends the engine. The mutex is held.
func (db *DB) stop() {
	if db.current.Swap(nil) != nil {
		close(db.down)
	}
}
