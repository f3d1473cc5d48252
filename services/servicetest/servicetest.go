// Package servicetest is a replicated store of one replica in memory, for the
// tests of services: the same rows, the same merge, the same change log, and
// faults on demand.
package servicetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/services/schema"
	"grapevine/store"
)

// Partitions is the number of partitions of a Store.
const Partitions = 16

// PartitionOf gives the partition of a slot.
func PartitionOf(s store.Slot) store.Partition {
	return store.Partition(s / (store.Slots / Partitions))
}

// Store implements store.Rows and store.ChangeLog.
type Store struct {
	clock *hlc.Clock

	mu         sync.Mutex
	rows       map[store.Key]crdt.Row
	order      []store.Key // of rows, ascending
	seen       *causal.Vector
	seq        uint64
	changes    []store.Change
	cursors    map[string]uint64
	subs       []chan struct{}
	invalidate []store.Invalidator
	fail       func(keys []store.Key, write bool) error
	reads      int
	writes     int
}

// New makes an empty store whose rows are stamped by now; nil means time.Now.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{
		clock: hlc.NewClock(now, 0), rows: map[store.Key]crdt.Row{},
		seen: causal.NewVector(), cursors: map[string]uint64{},
	}
}

// Current is true: the store is this node's, and has everything.
func (s *Store) Current(context.Context, store.Slot) bool { return true }

// OnChange adds an invalidator.
func (s *Store) OnChange(f store.Invalidator) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidate = append(s.invalidate, f)
}

// Fail makes calls fail with what f gives for them, if anything; nil ends it.
func (s *Store) Fail(f func(keys []store.Key, write bool) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Counts gives the calls that read, and the writes that changed something.
func (s *Store) Counts() (reads, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.writes
}

// Keys gives the keys of the existing rows of a family, ascending.
func (s *Store) Keys(f store.Family) []store.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []store.Key
	for _, k := range s.order {
		if k.Family == f && s.rows[k].Exists() {
			keys = append(keys, k)
		}
	}
	return keys
}

// Concurrently puts a row as a replica that has not heard of its present births
// would.
func (s *Store) Concurrently(k store.Key, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dot := s.nextDot()
	s.apply(dot, map[store.Key]crdt.Row{k: crdt.Row{}.Put(dot, s.clock.Now(), value)})
}

// reading counts a call and gives the error it is to fail with.
func (s *Store) reading(keys ...store.Key) error {
	s.reads++
	if s.fail != nil {
		return s.fail(keys, false)
	}
	return nil
}

// Get implements store.Rows.
func (s *Store) Get(_ context.Context, k store.Key) (crdt.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reading(k); err != nil {
		return crdt.Row{}, err
	}
	if row := s.rows[k]; row.Exists() {
		return row, nil
	}
	return crdt.Row{}, store.ErrNotFound
}

// GetMany implements store.Rows.
func (s *Store) GetMany(_ context.Context, ks []store.Key) ([]crdt.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reading(ks...); err != nil {
		return nil, err
	}
	rows := make([]crdt.Row, len(ks))
	for i, k := range ks {
		rows[i] = s.rows[k]
	}
	return rows, nil
}

// Scan implements store.Rows.
func (s *Store) Scan(_ context.Context, r store.Range) ([]store.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reading(store.Key{Slot: r.Slot, Family: r.Family, Sort: r.Prefix}); err != nil {
		return nil, err
	}
	return s.scan(r), nil
}

// scan gives what a range selects. The caller holds s.mu.
func (s *Store) scan(r store.Range) []store.Entry {
	from, _ := slices.BinarySearchFunc(s.order, store.Key{Slot: r.Slot, Family: r.Family, Sort: r.Prefix}, compare)
	to := from
	for to < len(s.order) && s.order[to].Slot == r.Slot && s.order[to].Family == r.Family && strings.HasPrefix(s.order[to].Sort, r.Prefix) {
		to++
	}
	return s.cut(s.order[from:to], r.After, r.Reverse, r.Limit)
}

// Count implements store.Rows.
func (s *Store) Count(ctx context.Context, r store.Range) (int, error) {
	entries, err := s.Scan(ctx, r)
	return len(entries), err
}

// CountMany implements store.Rows. It is one call.
func (s *Store) CountMany(_ context.Context, rs []store.Range) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]store.Key, len(rs))
	for i, r := range rs {
		keys[i] = store.Key{Slot: r.Slot, Family: r.Family, Sort: r.Prefix}
	}
	if err := s.reading(keys...); err != nil {
		return nil, err
	}
	counts := make([]int, len(rs))
	for i, r := range rs {
		counts[i] = len(s.scan(r))
	}
	return counts, nil
}

// ScanIndex implements store.Rows.
func (s *Store) ScanIndex(_ context.Context, r store.IndexRange) ([]store.Entry, store.Coverage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reading(store.Key{Family: r.Family}); err != nil {
		return nil, store.Coverage{}, err
	}
	if !schema.Indexed(r.Family) {
		panic("servicetest: the family is not indexed")
	}
	var keys []store.Key
	for _, k := range s.order {
		if k.Family == r.Family {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b store.Key) int { return strings.Compare(a.Sort, b.Sort) })
	return s.cut(keys, r.After, r.Reverse, r.Limit), store.Coverage{Asked: Partitions, Answered: Partitions}, nil
}

// cut gives what a range selects of ascending keys.
func (s *Store) cut(keys []store.Key, after string, reverse bool, limit int) []store.Entry {
	var entries []store.Entry
	for i := range keys {
		k := keys[i]
		if reverse {
			k = keys[len(keys)-1-i]
		}
		seen := after != "" && (k.Sort == after || (k.Sort < after) != reverse)
		if row := s.rows[k]; !seen && row.Exists() && len(entries) < limit {
			entries = append(entries, store.Entry{Key: k, Row: row})
		}
	}
	return entries
}

func compare(a, b store.Key) int {
	if a.Slot != b.Slot {
		return int(a.Slot) - int(b.Slot)
	}
	if a.Family != b.Family {
		return int(a.Family) - int(b.Family)
	}
	return strings.Compare(a.Sort, b.Sort)
}
