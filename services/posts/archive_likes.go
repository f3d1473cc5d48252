package posts

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
)

// ArchiveLikes gives the ids of the next limit posts after one that a user likes, in
// the order in which the posts were made. Last is where to go on, empty at the end.
func (s *Service) ArchiveLikes(ctx context.Context, user, after string, limit int) (posts []string, last string, err error) {
	entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyLiked, user, after, false, limit))
	if err != nil {
		return nil, "", fmt.Errorf("list likes of %s: %w", user, err)
	}
	posts = schema.Others(entries)
	if len(entries) == limit {
		last = posts[limit-1]
	}
	return posts, last, nil
}

// ImportLike likes a post that an archive names: the one that Import made of it, or
// that itself. It is NotFound where neither is here for who to see.
func (s *Service) ImportLike(ctx context.Context, who social.Identity, id string) error {
	if _, isID := social.SlotOf(id); !isID {
		return social.InvalidField("post", "must be the id of a post")
	}
	err := s.Like(ctx, who, s.importing(who, 0).derived(id))
	if social.KindOf(err) == social.NotFound {
		err = s.Like(ctx, who, id)
	}
	return err
}
