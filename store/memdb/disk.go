package memdb

import (
	"math/rand/v2"
	"slices"
	"time"

	"grapevine/store"
)

// DefaultHistory is the History of Options that set none.
const DefaultHistory = 64

// Options describe a disk. The zero value is one that syncs in no time.
type Options struct {
	// Seed decides what a crash amid a sync leaves.
	Seed uint64
	// SyncTime is what each sync takes.
	SyncTime time.Duration
	// History bounds the states that are kept for ReopenAt and Rollback, the
	// newest one included. A state is what one sync left; it shares with its
	// neighbours all that the sync did not touch. 0 means DefaultHistory.
	History int
}

// disk is what outlives a process.
type disk struct {
	states   []*state // from the oldest kept to the newest; never empty
	history  int
	rng      *rand.Rand
	syncTime time.Duration
	slow     time.Duration
	full     bool
}

// NewDisk returns an engine over an empty disk.
func NewDisk(o Options) *DB {
	if o.History <= 0 {
		o.History = DefaultHistory
	}
	return open(disk{
		states:   []*state{{rows: new(tree)}},
		history:  o.History,
		rng:      rand.New(rand.NewPCG(o.Seed, 0)),
		syncTime: o.SyncTime,
	})
}

func (d *disk) newest() *state { return d.states[len(d.states)-1] }

func (d *disk) push(s *state) {
	if len(d.states) >= d.history {
		d.states = slices.Delete(d.states, 0, len(d.states)-d.history+1)
	}
	d.states = append(d.states, s)
}

// copy returns a disk that shares nothing that changes, as it was at a version.
func (d *disk) copy(version uint64) disk {
	c := *d
	n := 1
	for n < len(d.states) && d.states[n].version <= version {
		n++
	}
	c.states = make([]*state, n)
	for i, s := range d.states[:n] {
		// Copying a tree marks its nodes as shared, so that neither disk changes
		// what the other has.
		c.states[i] = &state{rows: s.rows.Copy(), bytes: s.bytes, version: s.version}
	}
	c.rng = rand.New(rand.NewPCG(d.rng.Uint64(), d.rng.Uint64()))
	return c
}

// Version counts the commits that made the disk what it is, over all processes
// that used it; ReopenAt goes back to it.
func (db *DB) Version() uint64 {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.disk.newest().version
}

// Slow makes each sync that begins from now on take d longer than SyncTime.
func (db *DB) Slow(d time.Duration) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.disk.slow = d
}

// Fill fills the disk, or gives space back. While it is full, Commit returns
// store.ErrNoSpace; a sync that has begun succeeds.
func (db *DB) Fill(full bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.disk.full = full
}

// Crash ends the engine at once, as the end of its process or of its power does.
// What was being synced is kept or lost as a whole, by the seed, and the Commits
// concerned return nil or store.ErrEngineClosed accordingly; those that wait for
// their turn are lost. A closed engine stays as it is.
func (db *DB) Crash() {
	db.mu.Lock()
	defer db.mu.Unlock()
	if g := db.under; g != nil {
		db.under = nil
		if db.disk.rng.Uint64()&1 == 0 {
			db.keep(g)
		} else {
			g.settle(store.ErrEngineClosed)
		}
	}
	(&group{requests: db.waiting}).settle(store.ErrEngineClosed)
	db.waiting = nil
	db.stop()
}

// Reopen returns a new engine with what a process finds on db's disk after a
// Crash, which it causes unless db is closed. The disk is as slow and as full as
// it was. Each call gives an engine that shares nothing with the others.
func (db *DB) Reopen() *DB {
	db.Crash()
	return db.Clone()
}

// ReopenAt is Reopen of a disk that is put back to an earlier Version: an old
// backup or the snapshot of a virtual machine was restored, or the disk had
// claimed to have synced what it had not. It goes back to the newest state of no
// later version or, when History does not reach that far, to the oldest there is.
// What came later is gone for good.
func (db *DB) ReopenAt(version uint64) *DB {
	db.Crash()
	return db.cloneAt(version)
}

// Rollback is ReopenAt the version n commits ago. Commits that shared a sync are
// undone together.
func (db *DB) Rollback(n uint64) *DB {
	db.Crash()
	newest := db.Version()
	return db.cloneAt(newest - min(n, newest))
}

// Clone returns an engine over a copy of db's disk, of which nobody knows that it
// is one: a backup, or a second node's data directory copied from the first. What
// is being synced is not in it. Db may be open or closed, and stays so.
func (db *DB) Clone() *DB { return db.cloneAt(^uint64(0)) }

func (db *DB) cloneAt(version uint64) *DB {
	db.mu.Lock()
	defer db.mu.Unlock()
	return open(db.disk.copy(version))
}
