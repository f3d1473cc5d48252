package timeline

import (
	"context"
	"slices"

	"grapevine/services/coherent"
	"grapevine/services/schema"
	"grapevine/store"
)

// head is the newest ids of a list, newest first, as a scan of limit gave them.
type head struct {
	ids   []string
	limit int
}

// whole says that nothing lies beyond the head.
func (h head) whole() bool { return len(h.ids) < h.limit }

// page gives what a scan of the list would, and whether the head knows it.
func (h head) page(after string, older bool, limit int) ([]string, bool) {
	// The first that is not newer than after, and the first that is older.
	newer, found := slices.BinarySearchFunc(h.ids, after, func(id, after string) int {
		if id == after {
			return 0
		}
		if id > after {
			return -1
		}
		return 1
	})
	if older {
		from := newer
		if found {
			from++
		}
		if after == "" {
			from = 0
		}
		ids := h.ids[from:]
		return ids[:min(limit, len(ids))], len(ids) >= limit || h.whole()
	}
	if newer == len(h.ids) && !found && !h.whole() {
		return nil, false
	}
	ids := slices.Clone(h.ids[max(0, newer-limit):newer])
	slices.Reverse(ids)
	return ids, true
}

// Bytes that an id is estimated to take in a cache, and an entry beside its ids.
const (
	idBytes       = 72
	entryOverhead = 160
)

func weigh(key string, h head) uint32 { return uint32(entryOverhead + len(key) + idBytes*len(h.ids)) }

func weighAuthors(key string, authors []string) uint32 {
	return uint32(entryOverhead + len(key) + idBytes*len(authors))
}

// caches are what is kept of homes and of what is merged into them.
type caches struct {
	homes   *coherent.Cache[head]       // by reader
	merged  *coherent.Cache[[]string]   // authors merged into a home, by reader
	authors *coherent.Cache[authorHead] // newest posts, by author
}

func newCaches(bytes uint64) (c caches, err error) {
	if c.homes, err = coherent.New(bytes, weigh); err != nil {
		return c, err
	}
	if c.merged, err = coherent.New(bytes/4, weighAuthors); err != nil {
		return c, err
	}
	c.authors, err = coherent.New(bytes, func(key string, h authorHead) uint32 { return weigh(key, h.head) })
	return c, err
}

// Invalidate is a store.Invalidator: it must be told of every change applied on
// this node.
func (s *Service) Invalidate(keys []store.Key) {
	for _, k := range keys {
		owner, _, ok := schema.Split(k)
		if !ok {
			continue
		}
		switch k.Family {
		case schema.FamilyHome:
			s.caches.homes.Drop(owner)
		case schema.FamilyMerged, schema.FamilyFollowing:
			s.caches.merged.Drop(owner)
		case schema.FamilyAuthorPost:
			s.caches.authors.Drop(owner)
		}
	}
}

// pushed gives entries of a home timeline that were written there. The newest are
// what is read most, and are cached where this node is told of all that changes
// them.
func (s *Service) pushed(ctx context.Context, reader, after string, older bool, limit int) ([]string, error) {
	cached := after == "" && older && s.current(ctx, schema.User(reader).Slot)
	if !cached {
		return s.scanHome(ctx, reader, after, older, limit)
	}
	if h, ok := s.caches.homes.Get(reader); ok {
		if ids, ok := h.page(after, older, limit); ok {
			return ids, nil
		}
	}
	drops := s.caches.homes.Drops(reader)
	ids, err := s.scanHome(ctx, reader, after, older, limit)
	if err == nil {
		s.caches.homes.Put(reader, head{ids, limit}, drops)
	}
	return ids, err
}
