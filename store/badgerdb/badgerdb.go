// Package badgerdb is the store.Engine that keeps its data on disk, in Badger.
// DESIGN.md says what it guarantees and why it is built as it is.
package badgerdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"

	"grapevine/store"
)

// Bounds that callers meet.
const (
	// MaxKey bounds a key, in bytes.
	MaxKey = 60_000
	// DefaultMinFreeBytes is the watermark of a Config that sets none.
	DefaultMinFreeBytes = 256 << 20
)

// maxBatch bounds a batch, and a group of batches, in bytes. It is below Badger's
// value threshold, so that no value leaves the LSM tree for the value log.
const maxBatch = 768 << 10

// Config says where and how a DB keeps its data.
type Config struct {
	// Dir is the data directory. It is made when missing, and used by one DB at
	// a time.
	Dir string
	// Log receives Badger's messages. Nil discards them.
	Log *slog.Logger
	// Metrics is where the engine's metrics are registered until Close. Nil
	// registers none.
	Metrics prometheus.Registerer
	// MinFreeBytes is the watermark: with less free space in Dir's file system,
	// Commit returns store.ErrNoSpace. 0 means DefaultMinFreeBytes.
	MinFreeBytes uint64
	// ScrubEvery is the time between two readings of all tables in search of
	// damage. 0 means DefaultScrubEvery.
	ScrubEvery time.Duration
}

// DB is an engine over one directory. Make one with Open.
type DB struct {
	dir     string
	log     *slog.Logger
	badger  *badger.DB
	views   *views
	commits *committer
	space   *watermark
	metrics *metrics
	failed  atomic.Pointer[error] // a write that failed midway, or damage
	damaged chan struct{}         // closed when damage was found
	harmed  sync.Once
	closing chan struct{} // ends the scrub
	scrubs  sync.WaitGroup
	stop    func() error // shutDown, once
}

var _ store.Engine = (*DB)(nil)

// Open opens the engine in a directory, recovering what was committed there. It
// fails when another process uses the directory, when it is damaged, and, with
// store.ErrNoSpace, when there is too little space even to recover; the error
// says what to do. Once recovery has begun, ctx does not end it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MinFreeBytes == 0 {
		cfg.MinFreeBytes = DefaultMinFreeBytes
	}
	if cfg.ScrubEvery == 0 {
		cfg.ScrubEvery = DefaultScrubEvery
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("badgerdb: make the data directory: %w", err)
	}
	space := &watermark{min: cfg.MinFreeBytes, measure: freeBytesIn(cfg.Dir)}
	if err := space.enoughToOpen(); err != nil {
		return nil, fmt.Errorf("badgerdb: open %s: %w", cfg.Dir, err)
	}
	bdb, err := openBadger(cfg)
	if err != nil {
		return nil, err
	}
	db := &DB{dir: cfg.Dir, log: cfg.Log, badger: bdb, damaged: make(chan struct{}), closing: make(chan struct{}), space: space, views: newViews(bdb.MaxVersion())}
	db.metrics = newMetrics(db)
	if err := db.metrics.register(cfg.Metrics); err != nil {
		return nil, errors.Join(fmt.Errorf("badgerdb: register metrics: %w", err), bdb.Close())
	}
	db.commits = startCommitter(db.apply)
	db.scrubs.Go(func() { db.runScrub(cfg.ScrubEvery, db.closing) })
	db.stop = sync.OnceValue(db.shutDown)
	return db, nil
}

// View implements store.Engine. It does not wait for commits under way. Once
// damage was found, every view is refused with an error that wraps ErrDamaged.
func (db *DB) View(fn func(store.Snapshot) error) error {
	if err := db.Err(); err != nil {
		return err
	}
	version, ok := db.views.enter()
	if !ok {
		return store.ErrEngineClosed
	}
	defer db.views.leave(version)
	txn := db.badger.NewTransactionAt(version, false)
	defer db.discard(txn)
	defer faulting()()
	return fn(snapshot{db, txn})
}

// Commit implements store.Engine. A key longer than MaxKey is
// store.ErrBatchTooLarge too. Any other error than those of store.Engine means
// that the disk failed in the midst of a write: whether the batch was kept shows
// after reopening, and until then every commit fails.
func (db *DB) Commit(ctx context.Context, b *store.Batch) error {
	if b.Size() > maxBatch {
		return fmt.Errorf("badgerdb: batch of %d bytes: %w", b.Size(), store.ErrBatchTooLarge)
	}
	for _, op := range b.Ops {
		if len(op.Key) > MaxKey {
			return fmt.Errorf("badgerdb: key of %d bytes: %w", len(op.Key), store.ErrBatchTooLarge)
		}
	}
	return db.commits.commit(ctx, b)
}

// MaxBatch implements store.Engine: 768 KiB.
func (db *DB) MaxBatch() int { return maxBatch }

// Stats implements store.Engine. DiskBytes is what the directory takes of the
// file system. It reads the directory, in about a millisecond.
func (db *DB) Stats() store.EngineStats {
	free, readOnly := db.space.check()
	return store.EngineStats{
		DiskBytes: diskBytes(db.dir),
		FreeBytes: free,
		ReadOnly:  readOnly,
		Commits:   db.metrics.commits.Load(),
		Syncs:     db.metrics.syncs.Load(),
	}
}

// Close implements store.Engine. It waits for commits that have been taken up
// and for views, so it must not be called from within one.
func (db *DB) Close() error { return db.stop() }

func (db *DB) shutDown() error {
	close(db.closing)
	db.scrubs.Wait()
	db.commits.close()
	db.views.close()
	db.metrics.unregister()
	if err := db.badger.Close(); err != nil {
		return fmt.Errorf("badgerdb: close: %w", err)
	}
	return nil
}
