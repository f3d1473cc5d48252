// Package coherent is a bounded cache of what was made from rows, which never
// serves anything older than an invalidation.
package coherent

import (
	"sync"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
	"github.com/zeebo/xxh3"
)

// Cache holds values by key. A value is put only if no drop came to its shard
// since before it was read from the store, so a value that was read before a
// change is never put after it. It is safe for concurrent use.
type Cache[V any] struct {
	values *otter.Cache[string, V]
	shards [256]shard
}

type shard struct {
	mu    sync.Mutex
	drops uint64
}

// New makes a cache of at most maxBytes, by the weights that weigh gives. It
// fails only when maxBytes is out of range.
func New[V any](maxBytes uint64, weigh func(key string, v V) uint32) (*Cache[V], error) {
	values, err := otter.New(&otter.Options[string, V]{
		MaximumWeight: maxBytes,
		Weigher:       weigh,
		StatsRecorder: stats.NewCounter(),
		Executor:      func(fn func()) { fn() }, // no goroutine without an owner
	})
	return &Cache[V]{values: values}, err
}

func (c *Cache[V]) shard(key string) *shard {
	return &c.shards[xxh3.HashString(key)%uint64(len(c.shards))]
}

// Get gives a key's value, if it is cached.
func (c *Cache[V]) Get(key string) (V, bool) { return c.values.GetIfPresent(key) }

// Drops gives what Put needs to know of the time before the store was read.
func (c *Cache[V]) Drops(key string) uint64 {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drops
}

// Put caches a value, unless something of its shard was dropped since.
func (c *Cache[V]) Put(key string, v V, drops uint64) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drops == drops {
		c.values.Set(key, v)
	}
}

// Drop forgets a key's value, and any that is being made at the moment.
func (c *Cache[V]) Drop(key string) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	c.values.Invalidate(key)
}
