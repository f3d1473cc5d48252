// Package timeline is the pages of posts that span authors: a reader's home, and
// what everybody said in public. Both are lists of references, newest first,
// which posts turns into JSON.
package timeline

import (
	"context"
	"encoding/json"
	"fmt"

	"grapevine/services/coherent"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Posts turns references into posts.
type Posts interface {
	// Encoded returns posts as JSON, in a slice as long as ids: nil stands for one
	// that does not exist or that the viewer may not see.
	Encoded(ctx context.Context, viewer social.Identity, ids []string) ([]json.RawMessage, error)
}

// Config is what the service needs.
type Config struct {
	Rows  store.Rows
	Posts Posts
	// Current says whether this node owns a slot and has applied all that ctx's
	// session wrote there, so that whatever Invalidate was not told of has not
	// changed. Nil means never; then nothing is cached.
	Current func(ctx context.Context, slot store.Slot) bool
	// CacheBytes bounds the cache of the newest home entries. 0 means 16 MiB.
	CacheBytes uint64
}

// Service is the timelines. It is safe for concurrent use.
type Service struct {
	rows    store.Rows
	posts   Posts
	current func(context.Context, store.Slot) bool
	heads   *coherent.Cache[head]
}

const defaultCache = 16 << 20

// New makes the service. It fails only when a bound in cfg is out of range.
func New(cfg Config) (*Service, error) {
	if cfg.Current == nil {
		cfg.Current = func(context.Context, store.Slot) bool { return false }
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCache
	}
	heads, err := coherent.New(cfg.CacheBytes, weigh)
	if err != nil {
		return nil, fmt.Errorf("make cache of homes: %w", err)
	}
	return &Service{rows: cfg.Rows, posts: cfg.Posts, current: cfg.Current, heads: heads}, nil
}

// Home lists the posts of those whom who follows, and who's own.
func (s *Service) Home(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[json.RawMessage], error) {
	if who.Anonymous() {
		return social.Page[json.RawMessage]{}, social.Errorf(social.Unauthenticated, "log in to see your home timeline")
	}
	return s.list(who, func(ctx context.Context, after string, limit int) ([]string, error) {
		return s.home(ctx, who.User, after, limit)
	}).Page(ctx, cut)
}

func (s *Service) scanHome(ctx context.Context, reader, after string, limit int) ([]string, error) {
	entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyHome, reader, after, true, limit))
	if err != nil {
		return nil, fmt.Errorf("read home of %s: %w", reader, err)
	}
	return schema.Others(entries), nil
}

// Public lists all public posts, the same for every viewer, and says how many
// partitions answered: a page may lack posts of those that did not.
func (s *Service) Public(ctx context.Context, _ social.Identity, cut social.Cut) (social.Page[json.RawMessage], store.Coverage, error) {
	var coverage store.Coverage
	scan := func(ctx context.Context, after string, limit int) ([]string, error) {
		entries, c, err := s.rows.ScanIndex(ctx, store.IndexRange{
			Family: schema.FamilyPost, After: after, Reverse: true, Limit: limit,
		})
		if err != nil {
			return nil, fmt.Errorf("read public posts: %w", err)
		}
		if coverage.Asked == 0 || c.Answered < coverage.Answered {
			coverage = c // the worst of the page's scans
		}
		ids := make([]string, len(entries))
		for i, e := range entries {
			ids[i] = e.Key.Sort
		}
		return ids, nil
	}
	// What is public is what an anonymous visitor sees.
	page, err := s.list(social.Identity{}, scan).Page(ctx, cut)
	return page, coverage, err
}

func (s *Service) list(viewer social.Identity, scan func(ctx context.Context, after string, limit int) ([]string, error)) schema.List[json.RawMessage] {
	return schema.List[json.RawMessage]{
		Scan: scan,
		Load: func(ctx context.Context, ids []string) ([]json.RawMessage, error) {
			return s.posts.Encoded(ctx, viewer, ids)
		},
		Hidden: func(raw json.RawMessage) bool { return raw == nil },
	}
}
