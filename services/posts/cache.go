package posts

import (
	"encoding/json"
	"sync"

	"github.com/maypok86/otter/v2"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// view is a post as it is served, with what decides who may see it.
type view struct {
	post social.Post
	raw  json.RawMessage
}

// viewOverhead estimates the bytes of a view beside its texts.
const viewOverhead = 512

func (v *view) weight() uint32 { return uint32(len(v.raw) + len(v.post.Text) + viewOverhead) }

// cache holds views by post id. A view is put only if no change to its shard came
// since before it was read from the store, so a view that was read before a
// change is never put after it.
type cache struct {
	views  *otter.Cache[string, *view]
	shards [256]shard
}

type shard struct {
	mu      sync.Mutex
	changes uint64
}

func newCache(maxBytes uint64) (*cache, error) {
	views, err := otter.New(&otter.Options[string, *view]{
		MaximumWeight: maxBytes,
		Weigher:       func(_ string, v *view) uint32 { return v.weight() },
		Executor:      func(fn func()) { fn() }, // no goroutine without an owner
	})
	return &cache{views: views}, err
}

// shard gives the shard of an id by its last two characters, which are random.
func (c *cache) shard(id string) *shard {
	n := len(id)
	if n < 2 {
		return &c.shards[0]
	}
	return &c.shards[(int(id[n-2])*32+int(id[n-1]))%len(c.shards)]
}

func (c *cache) get(id string) (*view, bool) { return c.views.GetIfPresent(id) }

// changes gives what put needs to know of the time before the store was read.
func (c *cache) changes(id string) uint64 {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

// put adds a view unless its shard changed since.
func (c *cache) put(v *view, changes uint64) {
	s := c.shard(v.post.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes {
		c.views.Set(v.post.ID, v)
	}
}

func (c *cache) invalidate(keys []store.Key) {
	for _, k := range keys {
		if k.Family == schema.FamilyPost {
			c.drop(k.Sort)
		}
	}
}

func (c *cache) drop(id string) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	c.views.Invalidate(id)
}
