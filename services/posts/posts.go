// Package posts is the posts: writing them, changing them, who may see them, and
// serving them fast.
//
// A post lies in its author's slot. Pages are made of references to posts, which
// Encoded turns into JSON from a cache of encoded posts. The cache is coherent:
// it holds only posts of partitions that this node owns, and Invalidate drops a
// post before the write that changed it is acknowledged.
package posts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grapevine/services/coherent"
	"grapevine/services/social"
	"grapevine/store"
)

// Directory finds users.
type Directory interface {
	// Resolve gives the id of the user of a ref, an id or @name, or NotFound.
	Resolve(ctx context.Context, ref string) (string, error)
	// IDs gives the ids of the users who hold the names, "" for a name that nobody
	// holds, in a slice as long as names.
	IDs(ctx context.Context, names []string) ([]string, error)
	// GetMany gives the users of the ids in their order, leaving out the missing.
	GetMany(ctx context.Context, ids []string) ([]social.User, error)
}

// Config is what the service needs.
type Config struct {
	Rows  store.Rows
	Users Directory
	// Relations tells of blocks and mutes. Nil means that there are none.
	Relations Relations
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// Current says whether this node owns a slot and has applied all that ctx's
	// session wrote there, so that whatever Invalidate was not told of has not
	// changed. It is asked for every post of a page. Nil means never; then nothing
	// is cached.
	Current func(ctx context.Context, slot store.Slot) bool
	// CacheBytes bounds the cache of encoded posts. 0 means 32 MiB. The caches of
	// counts and of what viewers did with posts get a quarter of it each.
	CacheBytes uint64
}

// Service is the posts. It is safe for concurrent use.
type Service struct {
	rows  store.Rows
	users Directory
	now   func() time.Time
	// relations may be nil.
	relations Relations
	current   func(context.Context, store.Slot) bool
	cache     *coherent.Cache[*view]
	tallies   *coherent.Cache[counted]
	marksOf   *coherent.Cache[marked]
}

const defaultCache = 32 << 20

// New makes the service. It fails only when a bound in cfg is out of range.
func New(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Current == nil {
		cfg.Current = func(context.Context, store.Slot) bool { return false }
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCache
	}
	s := &Service{rows: cfg.Rows, users: cfg.Users, relations: cfg.Relations, now: cfg.Now, current: cfg.Current}
	var err, err2, err3 error
	s.cache, err = coherent.New(cfg.CacheBytes, weigh)
	s.tallies, err2 = coherent.New(cfg.CacheBytes/4, weighCount)
	s.marksOf, err3 = coherent.New(cfg.CacheBytes/4, weighMarked)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, fmt.Errorf("make caches of posts: %w", err)
	}
	return s, nil
}

func noPost(id string) error {
	return social.Errorf(social.NotFound, "there is no post %.40q", id)
}
