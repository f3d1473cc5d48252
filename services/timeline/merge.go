package timeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/services/schema"
	"grapevine/store"
)

// Bounds of what is merged when a timeline is read.
const (
	// maxMerged bounds the authors merged into a home. Of a reader who follows more
	// authors of such reach, it has those whose accounts are oldest.
	maxMerged = 1000
	// headPosts is how many of an author's newest posts are kept.
	headPosts = 128
	// headAge is how old the newest posts may be of an author whose slot is another
	// node's: this node is not told of their changes.
	headAge = 2 * time.Second
	// flight bounds the authors that one page reads at once.
	flight = 16
)

// authorHead is the newest posts of an author. Told says that this node is told of
// what changes it; another grows old.
type authorHead struct {
	head
	told bool
	at   time.Time
}

// home gives entries of a home timeline: those written there, and the posts of
// authors with too many followers to write to each.
func (s *Service) home(ctx context.Context, reader, after string, older bool, limit int) ([]string, error) {
	var ids, authors []string
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) { ids, err = s.pushed(within, reader, after, older, limit); return err })
	group.Go(func() (err error) { authors, err = s.mergedInto(within, reader); return err })
	if err := group.Wait(); err != nil || len(authors) == 0 {
		return ids, err
	}
	lists, err := s.byAuthors(ctx, reader, authors, after, older, limit)
	if err != nil {
		return nil, err
	}
	return merge(append(lists, ids), older, limit), nil
}

// mergedInto gives the authors whose posts are merged into a reader's home. Whom
// the reader does not follow is none of them, although fan-out may yet have to write
// that.
func (s *Service) mergedInto(ctx context.Context, reader string) ([]string, error) {
	if !s.current(ctx, schema.User(reader).Slot) {
		return s.readMerged(ctx, reader)
	}
	if authors, ok := s.caches.merged.Get(reader); ok {
		return authors, nil
	}
	drops := s.caches.merged.Drops(reader)
	authors, err := s.readMerged(ctx, reader)
	if err == nil {
		s.caches.merged.Put(reader, authors, drops)
	}
	return authors, err
}

func (s *Service) readMerged(ctx context.Context, reader string) ([]string, error) {
	entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyMerged, reader, "", false, maxMerged))
	if err != nil {
		return nil, fmt.Errorf("read whose posts are merged for %s: %w", reader, err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	keys := make([]store.Key, len(entries))
	for i, e := range entries {
		keys[i] = schema.Following(reader, schema.Other(e.Key))
	}
	follows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read follows of %s: %w", reader, err)
	}
	var authors []string
	for i, e := range entries {
		if follows[i].Exists() {
			authors = append(authors, schema.Other(e.Key))
		}
	}
	return authors, nil
}

// byAuthors gives, of each author, posts that follow after, as a scan would. Those
// of an author who cannot be reached are left out: they could not be shown either.
func (s *Service) byAuthors(ctx context.Context, viewer string, authors []string, after string, older bool, limit int) ([][]string, error) {
	lists := make([][]string, len(authors))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(flight)
	for i, author := range authors {
		h, known := s.known(ctx, viewer, author)
		if known {
			var ok bool
			if lists[i], ok = h.page(after, older, limit); ok {
				continue
			}
		}
		group.Go(func() (err error) {
			lists[i], err = s.byAuthor(within, author, !known, after, older, limit)
			if errors.Is(err, store.ErrUnavailable) {
				return nil
			}
			return err
		})
	}
	return lists, group.Wait()
}

// known gives an author's newest posts from the cache. Viewers who ask a majority, or
// for what they wrote themselves, get none that may be old.
func (s *Service) known(ctx context.Context, viewer, author string) (authorHead, bool) {
	h, ok := s.caches.authors.Get(author)
	if !ok || h.told && s.current(ctx, schema.User(author).Slot) {
		return h, ok
	}
	r := store.RequestOf(ctx)
	asks := r != nil && r.Consistency == store.Quorum || viewer == author
	return h, !asks && s.now().Sub(h.at) < headAge
}

// byAuthor reads posts of an author. Where they are not known it reads the newest
// first, for other readers too.
func (s *Service) byAuthor(ctx context.Context, author string, learn bool, after string, older bool, limit int) ([]string, error) {
	if learn {
		drops, told, now := s.caches.authors.Drops(author), s.current(ctx, schema.User(author).Slot), s.now()
		ids, err := s.scan(ctx, schema.Of(schema.FamilyAuthorPost, author, "", true, headPosts))
		if err != nil {
			return nil, err
		}
		h := head{ids, headPosts}
		s.caches.authors.Put(author, authorHead{h, told, now}, drops)
		if ids, ok := h.page(after, older, limit); ok {
			return ids, nil
		}
	}
	return s.scan(ctx, schema.Of(schema.FamilyAuthorPost, author, after, older, limit))
}

// merge gives the first ids of sorted lists, each once: newest first when older is
// set, else oldest first.
func merge(lists [][]string, older bool, limit int) []string {
	var ids []string
	for len(ids) < limit {
		first := ""
		for _, list := range lists {
			if len(list) > 0 && (first == "" || (list[0] > first) == older) {
				first = list[0]
			}
		}
		if first == "" {
			break
		}
		for i, list := range lists {
			if len(list) > 0 && list[0] == first {
				lists[i] = list[1:]
			}
		}
		ids = append(ids, first)
	}
	return ids
}
