package graph

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/store"
)

// followed is whom a reader follows: all of them, unless they are too many to be kept.
type followed struct {
	ids  map[string]struct{}
	many bool
}

// maxFollowed bounds the follows that are kept of a reader.
const maxFollowed = 2000

func weighFollowed(_ string, f followed) uint32 {
	return uint32(barredOverhead + barredBytes*len(f.ids))
}

// Follows gives those of the authors whom the reader follows, at the cost of Barred.
func (s *Service) Follows(ctx context.Context, reader string, authors []string) (map[string]bool, error) {
	if reader == "" || len(authors) == 0 {
		return nil, nil
	}
	f := followed{many: true}
	if s.current(ctx, schema.User(reader).Slot) {
		var err error
		if f, err = s.allFollowed(ctx, reader); err != nil {
			return nil, err
		}
	}
	if f.many {
		return s.askWhetherFollowed(ctx, reader, authors)
	}
	found := map[string]bool{}
	for _, author := range authors {
		if _, follows := f.ids[author]; follows {
			found[author] = true
		}
	}
	return found, nil
}

func (s *Service) allFollowed(ctx context.Context, reader string) (followed, error) {
	if f, ok := s.followed.Get(reader); ok {
		return f, nil
	}
	drops := s.followed.Drops(reader)
	entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyFollowing, reader, "", false, maxFollowed+1))
	if err != nil {
		return followed{}, fmt.Errorf("read follows of %s: %w", reader, err)
	}
	f := followed{many: len(entries) > maxFollowed}
	if !f.many {
		f.ids = make(map[string]struct{}, len(entries))
		for _, id := range schema.Others(entries) {
			f.ids[id] = struct{}{}
		}
	}
	s.followed.Put(reader, f, drops)
	return f, nil
}

// askWhetherFollowed asks the reader's slot about the authors.
func (s *Service) askWhetherFollowed(ctx context.Context, reader string, authors []string) (map[string]bool, error) {
	keys := make([]store.Key, len(authors))
	for i, author := range authors {
		keys[i] = schema.Following(reader, author)
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read follows of %s: %w", reader, err)
	}
	found := map[string]bool{}
	for i, row := range rows {
		found[authors[i]] = row.Exists()
	}
	return found, nil
}
