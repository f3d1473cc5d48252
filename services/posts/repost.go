package posts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Repost passes a public post on to who's followers, or of a repost the original.
// A repost is a post of who's, which Reposted remembers: to repost twice is to
// repost once.
func (s *Service) Repost(ctx context.Context, who social.Identity, id string) error {
	original, err := s.written(ctx, who, id)
	if err != nil {
		return err
	}
	if original.Visibility != social.Public {
		return social.Errorf(social.Forbidden, "only public posts can be reposted")
	}
	now := s.now()
	slot, _ := social.SlotOf(who.User)
	p := social.Post{
		ID: social.NewID(slot, now), Author: who.User, Visibility: social.Public,
		CreatedAt: now.UTC().Truncate(time.Millisecond), RepostOf: original.ID,
	}
	err = s.mark(ctx, append(creation(p, "").Mutations, store.Mutation{
		Key: schema.Reposted(who.User, original.ID), Op: store.Put, If: store.IfAbsent, Value: []byte(p.ID),
	})...)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Unrepost takes who's repost of a post back. Like Unlike, it does so with a post
// that who may no longer see, too.
func (s *Service) Unrepost(ctx context.Context, who social.Identity, id string) error {
	id, unseen, err := s.marked(ctx, who, id)
	if err != nil {
		return err
	}
	if err := s.takeBack(ctx, who, id); err != nil {
		return err
	}
	return unseen
}

// takeBack removes all reposts that an author made of a post: two, where it was
// done on two sides of a split. Further ones are removed, too.
func (s *Service) takeBack(ctx context.Context, who social.Identity, original string, further ...string) error {
	key := schema.Reposted(who.User, original)
	row, err := s.rows.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		row, err = s.rows.Get(schema.Majority(ctx), key)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("read repost of %s: %w", original, err)
	}
	ms := schema.RepostRemoval(who.User, original, row)
	for _, id := range further {
		if !slices.ContainsFunc(row.Births, func(b crdt.Birth) bool { return string(b.Value) == id }) {
			ms = append(ms, schema.PostRemoval(who.User, id)...)
		}
	}
	return s.mark(ctx, ms...)
}
