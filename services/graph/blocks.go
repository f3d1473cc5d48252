package graph

import (
	"context"
	"errors"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Block makes the user of a ref, who must be who, block another. Follows, requests
// and friendship between the two end with it, the user's own at once. To block
// twice is to block once.
func (s *Service) Block(ctx context.Context, who social.Identity, ref, other string) error {
	id, err := s.pair(ctx, who, ref, other, "other")
	if err != nil {
		return err
	}
	user := who.User
	ms, err := s.endings(ctx, user, id, schema.EndsAll,
		[]store.Key{schema.Following(user, id), schema.Agreed(user, id), schema.Follower(user, id), schema.Asked(user, id)},
		[]store.Key{schema.Following(id, user), schema.Agreed(id, user)})
	if err != nil {
		return err
	}
	block := store.Mutation{Key: schema.Block(user, id), Op: store.Put}
	if len(ms) == 0 {
		block.If = store.IfAbsent
	}
	if err = s.change(ctx, append(ms, block)...); errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Unblock ends that the user of a ref, who must be who, blocks another. It restores
// nothing that the block ended, and does nothing where there is no block.
func (s *Service) Unblock(ctx context.Context, who social.Identity, ref, other string) error {
	return s.set(ctx, who, ref, other, schema.Block, store.Remove)
}

// Mute keeps another's posts from the timelines of the user of a ref, who must be
// who. The other is not told.
func (s *Service) Mute(ctx context.Context, who social.Identity, ref, other string) error {
	return s.set(ctx, who, ref, other, schema.Mute, store.Put)
}

// Unmute ends a mute. It does nothing where there is none.
func (s *Service) Unmute(ctx context.Context, who social.Identity, ref, other string) error {
	return s.set(ctx, who, ref, other, schema.Mute, store.Remove)
}

// set puts or removes a row between the user of a ref, who must be who, and another.
func (s *Service) set(ctx context.Context, who social.Identity, ref, other string, key func(user, other string) store.Key, op store.Op) error {
	id, err := s.pair(ctx, who, ref, other, "other")
	if err != nil {
		return err
	}
	m := store.Mutation{Key: key(who.User, id), Op: op}
	if op == store.Put {
		m.If = store.IfAbsent
	}
	if err = s.change(ctx, m); errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}
