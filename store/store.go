// Package store holds the words of storage: slots, keys, rows, writes, changes,
// and the ports that engines and the replicated store implement.
package store

import (
	"context"
	"errors"
	"fmt"

	"grapevine/crdt"
	"grapevine/crdt/causal"
)

// Slots is the size of the ring.
const Slots = 1 << 16

// Slot is a place on the ring. All rows of one user share a slot.
type Slot uint16

// Partition is an arc of consecutive slots: the unit of ownership, of atomic
// writes and of version vectors.
type Partition uint16

// Family tells apart the kinds of rows within a slot. Values are assigned by
// services/schema.
type Family uint8

// MaxSort bounds the bytes of a key's Sort.
const MaxSort = 512

// Key addresses a row. Rows of one slot and family lie in the order of Sort.
type Key struct {
	Slot   Slot
	Family Family
	Sort   string
}

func (k Key) String() string { return fmt.Sprintf("%d/%d/%s", k.Slot, k.Family, k.Sort) }

// Entry is a row with its key.
type Entry struct {
	Key Key
	Row crdt.Row
}

// Range selects rows of one slot and family whose Sort begins with Prefix, in
// order, or in reverse. After, when not empty, is the full Sort of the last row
// already seen, in either direction. At most Limit rows come back; Limit must
// be positive.
type Range struct {
	Slot    Slot
	Family  Family
	Prefix  string
	After   string
	Reverse bool
	Limit   int
}

// IndexRange selects rows of one indexed family over all slots in the order of
// Sort, with Range's rules. In an indexed family a Sort is used in one slot only.
type IndexRange struct {
	Family  Family
	After   string
	Reverse bool
	Limit   int
}

// Coverage says how complete an answer gathered from many owners is, in
// partitions.
type Coverage struct {
	Asked    int `json:"asked"`
	Answered int `json:"answered"`
}

// Op is what a Mutation does to its row.
type Op uint8

const (
	// Put makes the row exist with Value, replacing what the coordinator sees.
	Put Op = iota + 1
	// Update writes Fields under the row's latest birth; it does nothing to a row
	// that does not exist.
	Update
	// Remove ends what the coordinator sees of the row.
	Remove
	// Add adds Counts to counters under the row's latest birth; it does nothing to a
	// row that does not exist. A Put starts counters anew, at 0.
	Add
)

// Condition is checked by the coordinator against its own state, atomically
// with the write. It orders writers that share a coordinator and no others.
type Condition uint8

const (
	Always   Condition = iota
	IfAbsent           // fail with ErrExists when the row exists
	IfExists           // fail with ErrNotFound when it does not
)

// FieldValue is a new value of a row's field.
type FieldValue struct {
	ID    uint8
	Value []byte
}

// CountDelta is what an Add adds to one counter of its row. It travels under its
// write's dot, so it counts once however often and by whatever way that write
// arrives; a client that makes its write again makes another. A counter stops at
// the bounds of int64.
type CountDelta struct {
	ID uint8
	N  int64
}

// Mutation changes one row. Value is for Put, Fields for Put and Update, Counts
// for Add; no field and no counter comes twice.
//
// Ends, when not nil, narrows what a Put or a Remove ends, of what the coordinator
// sees, to these births: those that the caller decided on. Others may have come
// since.
type Mutation struct {
	Key    Key
	Op     Op
	If     Condition
	Value  []byte
	Fields []FieldValue
	Counts []CountDelta
	Ends   []causal.Dot
}

// Write is a set of mutations in one partition, applied atomically. Serial asks
// that the partition's first healthy owner coordinate it, so that conditions of
// concurrent writes to one key are checked one after another; otherwise any
// owner coordinates.
type Write struct {
	Mutations []Mutation
	Serial    bool
}

// MaxWrite bounds the encoded bytes of a Write.
const MaxWrite = 256 << 10

// Receipt says what became of a write. Dot is zero when the write changed
// nothing.
type Receipt struct {
	Partition Partition
	Dot       causal.Dot
	Copies    int // durable copies known to stand when the write was acknowledged
}

// Rows is the replicated store as services use it, on any node. How much a call
// waits for is set by the Request in its context. Errors wrap those below.
type Rows interface {
	// Get returns a row. An absent row is ErrNotFound.
	Get(ctx context.Context, k Key) (crdt.Row, error)
	// GetMany returns the rows of the keys in their order; absent rows do not
	// Exist. It asks every owner involved once.
	GetMany(ctx context.Context, ks []Key) ([]crdt.Row, error)
	// Scan returns existing rows of one slot in order.
	Scan(ctx context.Context, r Range) ([]Entry, error)
	// Count counts the existing rows of a range, up to its Limit, where they lie: at
	// the cost of reading them, but not of sending them.
	Count(ctx context.Context, r Range) (int, error)
	// CountMany counts as Count does, of many ranges, in their order. It asks every
	// owner involved once.
	CountMany(ctx context.Context, rs []Range) ([]int, error)
	// ScanIndex returns existing rows of an indexed family over all slots in the
	// order of Sort, asking each partition once.
	ScanIndex(ctx context.Context, r IndexRange) ([]Entry, Coverage, error)
	// Write applies a write and waits for its copies.
	Write(ctx context.Context, w Write) (Receipt, error)
}

// Change is a fact: a write that was applied on this node, in whatever way it
// came. It names the rows; their current state is read from the store. A change
// without a dot is of rows that came with a snapshot: the writes behind it are in
// the logs of those who owned the partition before.
type Change struct {
	Seq       uint64 // position in this node's log
	Partition Partition
	Dot       causal.Dot
	Keys      []Key
}

// ChangeLog is a node's durable log of applied writes, in the order in which
// they were applied here.
type ChangeLog interface {
	// Changes returns up to limit changes with Seq > after, ascending.
	Changes(ctx context.Context, after uint64, limit int) ([]Change, error)
	// Appended returns a channel that receives after changes were appended,
	// coalesced, and a function that ends it.
	Appended() (appended <-chan struct{}, stop func())
	// Cursor reads a consumer's durable position, 0 when it has none.
	Cursor(ctx context.Context, consumer string) (uint64, error)
	// SaveCursor moves a consumer's durable position. Changes that all consumers
	// have passed may be dropped.
	SaveCursor(ctx context.Context, consumer string, seq uint64) error
}

// Invalidator is told of changed keys before the write that changed them is
// visible to its client, so that a cache never outlives an acknowledgement. It
// must not block.
type Invalidator func(keys []Key)

// Errors of Rows.
var (
	ErrNotFound    = errors.New("store: no such row")
	ErrExists      = errors.New("store: row exists")
	ErrTooLarge    = errors.New("store: write too large")
	ErrUnavailable = errors.New("store: no owner of the data can be reached")
	// ErrEarlierBuild is an ErrUnavailable: of the owners that can be reached none runs a
	// build that knows such a write.
	ErrEarlierBuild = fmt.Errorf("%w that runs a build which knows this write", ErrUnavailable)
	ErrOverloaded   = errors.New("store: too many writes are waiting")
	ErrNoSpace      = errors.New("store: the node is short of disk space and takes no writes")
	ErrBehind       = errors.New("store: no reachable owner has seen the session's writes yet")
	ErrUncertain    = errors.New("store: the coordinator was lost; the write may or may not have been made")
	ErrDurability   = errors.New("store: written, but on fewer copies than asked for")
)
