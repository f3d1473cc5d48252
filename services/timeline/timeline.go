// Package timeline is the pages of posts that span authors: a reader's home, what
// mentions the reader, what the members of a list said, what has a hashtag, and what
// everybody said in public. All are lists of references, newest first, which posts
// turns into JSON. Entries of a home are written there by fan-out, but for those of
// authors with very many followers: their own lists are merged in when a home is
// read, as those of the members of a list are.
package timeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Posts turns references into posts.
type Posts interface {
	// Filter checks a filter and gives it in the form that Select takes.
	Filter(ctx context.Context, f social.PostFilter) (social.PostFilter, error)
	// Select returns posts as JSON, in a slice as long as ids: nil stands for one
	// that does not exist, that the viewer may not see, or that the filter leaves
	// out.
	Select(ctx context.Context, viewer social.Identity, ids []string, f social.PostFilter) ([]json.RawMessage, error)
}

// Config is what the service needs.
type Config struct {
	Rows  store.Rows
	Posts Posts
	// Current says whether this node owns a slot and has applied all that ctx's
	// session wrote there, so that whatever Invalidate was not told of has not
	// changed. Nil means never; then nothing is cached.
	Current func(ctx context.Context, slot store.Slot) bool
	// CacheBytes bounds each of the caches, of the newest home entries and of the
	// newest posts of authors that are merged. 0 means 16 MiB.
	CacheBytes uint64
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Service is the timelines. It is safe for concurrent use.
type Service struct {
	rows    store.Rows
	posts   Posts
	current func(context.Context, store.Slot) bool
	now     func() time.Time
	caches  caches
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
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	kept, err := newCaches(cfg.CacheBytes)
	if err != nil {
		return nil, fmt.Errorf("make caches of timelines: %w", err)
	}
	return &Service{rows: cfg.Rows, posts: cfg.Posts, current: cfg.Current, now: cfg.Now, caches: kept}, nil
}

// Home lists the posts of those whom who follows, and who's own.
func (s *Service) Home(ctx context.Context, who social.Identity, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	if who.Anonymous() {
		return social.Page[json.RawMessage]{}, social.Errorf(social.Unauthenticated, "log in to see your home timeline")
	}
	f.Followed = true
	return s.page(ctx, who, f, cut, func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
		return s.home(ctx, who.User, after, older, limit)
	})
}

func (s *Service) scanHome(ctx context.Context, reader, after string, older bool, limit int) ([]string, error) {
	return s.scan(ctx, schema.Of(schema.FamilyHome, reader, after, older, limit))
}

// Mentions lists the posts that mention who and that who may see.
func (s *Service) Mentions(ctx context.Context, who social.Identity, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	if who.Anonymous() {
		return social.Page[json.RawMessage]{}, social.Errorf(social.Unauthenticated, "log in to see who mentions you")
	}
	return s.page(ctx, who, f, cut, func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
		return s.scan(ctx, schema.Of(schema.FamilyMentioned, who.User, after, older, limit))
	})
}

// Tagged lists the public posts that have a hashtag.
func (s *Service) Tagged(ctx context.Context, viewer social.Identity, tag string, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	f.Tag, f.Public = social.FoldTag(tag), true
	if f.Tag == "" {
		return social.Page[json.RawMessage]{}, social.InvalidField("tag", "must be letters, digits and _ of any script, not digits alone, at most %d", social.MaxTag)
	}
	return s.page(ctx, viewer, f, cut, func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
		return s.scan(ctx, schema.TaggedWith(f.Tag, after, older, limit))
	})
}

func (s *Service) scan(ctx context.Context, r store.Range) ([]string, error) {
	entries, err := s.rows.Scan(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("read timeline %s: %w", r.Prefix, err)
	}
	return schema.Others(entries), nil
}

// Public lists all public posts but reposts, and says how many partitions
// answered: a page may lack posts of those that did not.
func (s *Service) Public(ctx context.Context, viewer social.Identity, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], store.Coverage, error) {
	var coverage store.Coverage
	f.Public = true
	page, err := s.page(ctx, viewer, f, cut, func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
		entries, c, err := s.rows.ScanIndex(ctx, store.IndexRange{
			Family: schema.FamilyPost, After: after, Reverse: older, Limit: limit,
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
	})
	return page, coverage, err
}

type scan = func(ctx context.Context, after string, older bool, limit int) ([]string, error)

func (s *Service) page(ctx context.Context, viewer social.Identity, f social.PostFilter, cut social.Cut, ids scan) (social.Page[json.RawMessage], error) {
	f.Unmuted = true
	f, err := s.posts.Filter(ctx, f)
	if err != nil {
		return social.Page[json.RawMessage]{}, err
	}
	return schema.Timeline[json.RawMessage]{
		Scan: ids,
		Load: func(ctx context.Context, ids []string) ([]json.RawMessage, error) {
			return s.posts.Select(ctx, viewer, ids, f)
		},
		Hidden: func(raw json.RawMessage) bool { return raw == nil },
		Since:  f.Since, Until: f.Until,
	}.Page(ctx, cut)
}
