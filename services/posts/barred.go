package posts

import (
	"context"
	"errors"
	"slices"

	"grapevine/services/social"
	"grapevine/store"
)

// Relations tells whose posts a reader does not see. An empty reader sees all.
type Relations interface {
	// Barred gives those of the authors of whom the reader sees nothing, because one
	// of the two blocks the other.
	Barred(ctx context.Context, reader string, authors []string) (map[string]bool, error)
	// Muted gives those of the authors whom the reader wants in no timeline.
	Muted(ctx context.Context, reader string, authors []string) (map[string]bool, error)
	// Follows gives those of the authors whom the reader follows.
	Follows(ctx context.Context, reader string, authors []string) (map[string]bool, error)
}

// hideBarred clears the views of posts by those whom a block keeps from the viewer.
// While it cannot be read who they are, the viewer sees what everybody does: public
// posts, of whomever.
func (s *Service) hideBarred(ctx context.Context, viewer social.Identity, views []*view) error {
	if s.relations == nil || viewer.Anonymous() {
		return nil
	}
	barred, err := s.relations.Barred(ctx, viewer.User, authorsOf(viewer, views))
	unknown := errors.Is(err, store.ErrUnavailable)
	if err != nil && !unknown {
		return err
	}
	for i, v := range views {
		if v == nil || v.post.Author == viewer.User {
			continue
		}
		if barred[v.post.Author] || unknown && v.post.Visibility != social.Public {
			views[i] = nil
		}
	}
	return nil
}

// unbarred gives loadUsers without those whom a block keeps from the viewer.
func (s *Service) unbarred(viewer social.Identity) func(ctx context.Context, ids []string) ([]social.User, error) {
	if s.relations == nil || viewer.Anonymous() {
		return s.loadUsers
	}
	return func(ctx context.Context, ids []string) ([]social.User, error) {
		barred, err := s.relations.Barred(ctx, viewer.User, ids)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			return nil, err
		}
		users, err := s.loadUsers(ctx, ids)
		for i, u := range users {
			if barred[u.ID] {
				users[i] = social.User{}
			}
		}
		return users, err
	}
}

// hideMuted clears what was posted or written by those whom the viewer mutes.
func (s *Service) hideMuted(ctx context.Context, viewer social.Identity, seen []sight) error {
	if s.relations == nil || viewer.Anonymous() {
		return nil
	}
	views := make([]*view, 0, 2*len(seen))
	for _, v := range seen {
		views = append(views, v.view, v.original)
	}
	muted, err := s.relations.Muted(ctx, viewer.User, authorsOf(viewer, views))
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	for i, v := range seen {
		if v.view != nil && (muted[v.post.Author] || muted[v.subject().post.Author]) {
			seen[i] = sight{}
		}
	}
	return nil
}

// hideStrangers clears what is no part of the viewer's home: what was posted by those
// whom the viewer does not follow, unless it is direct. An entry in a home can outlive
// the follow, where it came to be on the other side of a split.
func (s *Service) hideStrangers(ctx context.Context, viewer social.Identity, seen []sight) error {
	if s.relations == nil || viewer.Anonymous() {
		return nil
	}
	views := make([]*view, len(seen))
	for i, v := range seen {
		if v.view != nil && v.post.Visibility != social.Direct {
			views[i] = v.view
		}
	}
	follows, err := s.relations.Follows(ctx, viewer.User, authorsOf(viewer, views))
	if errors.Is(err, store.ErrUnavailable) {
		return nil
	}
	for i, v := range views {
		if v != nil && v.post.Author != viewer.User && !follows[v.post.Author] {
			seen[i] = sight{}
		}
	}
	return err
}

// authorsOf gives the authors of posts other than the viewer, each once.
func authorsOf(viewer social.Identity, views []*view) []string {
	var authors []string
	for _, v := range views {
		if v != nil && v.post.Author != viewer.User && !slices.Contains(authors, v.post.Author) {
			authors = append(authors, v.post.Author)
		}
	}
	return authors
}
