package store

import (
	"context"
	"errors"
)

// Engine is an ordered, durable map of bytes to bytes: one node's disk. It is
// implemented by store/badgerdb and store/memdb, which pass the same suite,
// store/storetest. It is safe for concurrent use.
type Engine interface {
	// View calls fn with a consistent snapshot, valid until fn returns, and
	// returns fn's error.
	View(fn func(Snapshot) error) error
	// Commit applies a batch atomically and returns when it is durable (synced).
	// Concurrent commits share syncs. It returns ErrBatchTooLarge, ErrNoSpace, or
	// ErrEngineClosed without having applied anything. Once begun it is not
	// interrupted by ctx; ctx ends only the wait for its turn.
	Commit(ctx context.Context, b *Batch) error
	// MaxBatch is the greatest Batch.Size that Commit takes.
	MaxBatch() int
	// Stats gives figures for metrics and the console.
	Stats() EngineStats
	// Close makes the engine unusable after commits under way have ended.
	Close() error
}

// Snapshot reads a consistent state.
type Snapshot interface {
	// Get returns a copy of the value of a key, or nil and false.
	Get(key []byte) (value []byte, ok bool, err error)
	// Scan calls fn with each key that begins with prefix and is >= from in
	// ascending order (<= from in descending order when reverse; an empty from
	// means from the end of the prefix's range), until fn returns false. Key and
	// value are valid only during the call of fn.
	Scan(prefix, from []byte, reverse bool, fn func(key, value []byte) bool) error
}

// EngineStats are sizes in bytes; Free is what the file system has left, and
// ReadOnly says that it is below the watermark.
type EngineStats struct {
	DiskBytes uint64 `json:"disk_bytes"`
	FreeBytes uint64 `json:"free_bytes"`
	ReadOnly  bool   `json:"read_only"`
	Commits   uint64 `json:"commits"` // batches committed
	Syncs     uint64 `json:"syncs"`   // synced transactions they took
}

// Batch is a list of puts and deletes. The last operation on a key wins.
type Batch struct {
	Ops  []BatchOp
	size int
}

// BatchOp is a put, or a delete when Delete is set.
type BatchOp struct {
	Key, Value []byte
	Delete     bool
}

// Put adds a put. The batch keeps the slices.
func (b *Batch) Put(key, value []byte) {
	b.Ops = append(b.Ops, BatchOp{Key: key, Value: value})
	b.size += len(key) + len(value) + opOverhead
}

// Delete adds a delete. The batch keeps the slice.
func (b *Batch) Delete(key []byte) {
	b.Ops = append(b.Ops, BatchOp{Key: key, Delete: true})
	b.size += len(key) + opOverhead
}

// opOverhead is a generous estimate of what an engine keeps beside key and value.
const opOverhead = 64

// Size estimates the bytes that the batch takes in an engine.
func (b *Batch) Size() int { return b.size }

// Errors of Engine beside ErrNoSpace.
var (
	ErrBatchTooLarge = errors.New("store: batch exceeds the engine's bound")
	ErrEngineClosed  = errors.New("store: engine closed")
)
