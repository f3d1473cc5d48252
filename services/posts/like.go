package posts

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Like notes that who likes a post; of a repost, the original. To like twice is to
// like once. The truth lies in who's slot; the post's side of it is fan-out's.
func (s *Service) Like(ctx context.Context, who social.Identity, id string) error {
	p, err := s.written(ctx, who, id)
	if err != nil {
		return err
	}
	err = s.mark(ctx, store.Mutation{Key: schema.Liked(who.User, p.ID), Op: store.Put, If: store.IfAbsent})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Unlike ends a like. It ends one of a post that who may no longer see, too, and
// then says that there is no such post.
func (s *Service) Unlike(ctx context.Context, who social.Identity, id string) error {
	id, unseen, err := s.marked(ctx, who, id)
	if err != nil {
		return err
	}
	if err := s.mark(ctx, store.Mutation{Key: schema.Liked(who.User, id), Op: store.Remove}); err != nil {
		return err
	}
	return unseen
}

// mark is serial so that a like and its end, sent to different nodes one after the
// other, take effect in that order.
func (s *Service) mark(ctx context.Context, ms ...store.Mutation) error {
	if _, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: ms}); err != nil {
		return fmt.Errorf("mark a post: %w", err)
	}
	return nil
}

// written gives the post of an id, or of a repost the original, that who may see.
// Absence is confirmed by a majority: to like a post may follow at once on it,
// on another node.
func (s *Service) written(ctx context.Context, who social.Identity, id string) (social.Post, error) {
	if who.Anonymous() {
		return social.Post{}, social.Errorf(social.Unauthenticated, "log in to do something with a post")
	}
	v, err := s.confirmed(ctx, who, id)
	if err != nil {
		return social.Post{}, err
	}
	return v.subject().post, nil
}

// marked is like written for the end of a mark: unseen is the error for a post
// that is not to be seen.
func (s *Service) marked(ctx context.Context, who social.Identity, id string) (subject string, unseen, err error) {
	p, err := s.written(ctx, who, id)
	if social.KindOf(err) != social.NotFound {
		return p.ID, nil, err
	}
	if _, ok := social.SlotOf(id); !ok {
		return "", nil, err
	}
	return id, err, nil
}

// confirmed gives what a viewer sees of a post. Absence is confirmed by a majority.
func (s *Service) confirmed(ctx context.Context, viewer social.Identity, id string) (sight, error) {
	return schema.Confirm(ctx, func(ctx context.Context) (sight, error) { return s.sight(ctx, viewer, id) })
}

// Likes lists who likes a post that the viewer may see, in the order in which those
// accounts were made.
func (s *Service) Likes(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.User], error) {
	return s.marksBeside(ctx, viewer, schema.FamilyLike, id, cut)
}

// Reposts lists who reposted a post that the viewer may see, in the order in which
// those accounts were made.
func (s *Service) Reposts(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.User], error) {
	return s.marksBeside(ctx, viewer, schema.FamilyRepost, id, cut)
}

func (s *Service) marksBeside(ctx context.Context, viewer social.Identity, family store.Family, id string, cut social.Cut) (social.Page[social.User], error) {
	if _, err := schema.Verify(cut); err != nil {
		return social.Page[social.User]{}, err
	}
	v, err := s.sight(ctx, viewer, id)
	if err != nil {
		return social.Page[social.User]{}, err
	}
	id = v.subject().post.ID
	return schema.List[social.User]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			entries, err := s.rows.Scan(ctx, schema.Of(family, id, after, false, limit))
			if err != nil {
				return nil, fmt.Errorf("list who did something with post %s: %w", id, err)
			}
			return schema.Others(entries), nil
		},
		Load:   s.unbarred(viewer),
		Hidden: func(u social.User) bool { return u.ID == "" },
	}.Page(ctx, cut)
}

// loadUsers gives the users of the ids, the zero User for one that does not exist.
func (s *Service) loadUsers(ctx context.Context, ids []string) ([]social.User, error) {
	found, err := s.users.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	users := make([]social.User, len(ids))
	for i, id := range ids {
		if len(found) > 0 && found[0].ID == id {
			users[i], found = found[0], found[1:]
		}
	}
	return users, nil
}
