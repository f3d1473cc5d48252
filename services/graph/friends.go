package graph

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Befriend says that the user of a ref, who must be who, wants to be friends with
// another: it asks, or accepts what the other asked, and gives what came of it. To
// ask twice is to ask once. Where one of the two blocks the other it is Forbidden.
func (s *Service) Befriend(ctx context.Context, who social.Identity, ref, friend string) (social.Friendship, error) {
	other, err := s.pair(ctx, who, ref, friend, "friend")
	if err != nil {
		return "", err
	}
	rows, err := s.between(ctx, schema.Block(who.User, other), schema.Block(other, who.User),
		schema.Agreed(who.User, other), schema.Agreed(other, who.User))
	if err != nil {
		return "", err
	}
	if rows[0].Exists() || rows[1].Exists() {
		return "", blocked("be friends")
	}
	state := social.Requested
	if rows[3].Exists() {
		// What the other agreed to may have been ended a moment ago.
		over, err := s.ending(ctx, who.User, other)
		if err != nil {
			return "", err
		}
		if !over {
			state = social.Friends
		}
	}
	return state, s.agree(ctx, other, schema.Agreed(who.User, other), rows[2].Exists())
}

// ending says whether a user ended what another had agreed to, and fan-out has not
// seen to it.
func (s *Service) ending(ctx context.Context, user, other string) (bool, error) {
	acts, err := s.rows.Scan(ctx, schema.EndedBetween(user, other, 1))
	if err != nil {
		return false, fmt.Errorf("read ended friendships of %s: %w", user, err)
	}
	return len(acts) > 0, nil
}

// Unfriend ends that the user of a ref, who must be who, and another want to be
// friends, whoever of them does: it withdraws a request, declines one, or removes a
// friend. It leaves follows as they are, and does nothing where there is nothing to
// end.
func (s *Service) Unfriend(ctx context.Context, who social.Identity, ref, friend string) error {
	other, err := s.pair(ctx, who, ref, friend, "other")
	if err != nil {
		return err
	}
	own := []store.Key{schema.Agreed(who.User, other), schema.Asked(who.User, other)}
	return s.end(ctx, who.User, other, schema.EndsFriendship, own, schema.Agreed(other, who.User))
}

// end removes those of a user's own rows that exist, and records that what another
// agreed to has ended, if anything stands between the two.
func (s *Service) end(ctx context.Context, user, other string, e schema.Ending, own []store.Key, theirs ...store.Key) error {
	ms, err := s.endings(ctx, user, other, e, own, theirs)
	if err != nil {
		return err
	}
	if len(ms) == 0 {
		// Sent all the same, so that the reply tells its copies.
		ms = []store.Mutation{{Key: own[0], Op: store.Remove}}
	}
	return s.change(ctx, ms...)
}

// endings gives the mutations of end.
func (s *Service) endings(ctx context.Context, user, other string, e schema.Ending, own, theirs []store.Key) ([]store.Mutation, error) {
	rows, err := s.between(ctx, append(own, theirs...)...)
	if err != nil {
		return nil, err
	}
	var ms []store.Mutation
	ends := false
	for i, row := range rows {
		// What one of the two agreed to may have an answer that is not to be seen here yet.
		ends = ends || row.Exists()
		if row.Exists() && i < len(own) {
			ms = append(ms, store.Mutation{Key: own[i], Op: store.Remove})
		}
	}
	if ends {
		act := social.NewID(uint16(schema.User(user).Slot), s.now())
		ms = append(ms, store.Mutation{Key: schema.Ended(user, other, act), Op: store.Put, Value: schema.EncodeEnding(e)})
	}
	return ms, nil
}

// Relation gives how the user of a ref, who must be who, stands to another.
func (s *Service) Relation(ctx context.Context, who social.Identity, ref, other string) (social.Relation, error) {
	id, err := s.pair(ctx, who, ref, other, "other")
	if err != nil {
		return social.Relation{}, err
	}
	rows, err := s.between(ctx, schema.Following(who.User, id), schema.Follower(who.User, id),
		schema.Agreed(who.User, id), schema.Asked(who.User, id), schema.Block(who.User, id), schema.Mute(who.User, id))
	if err != nil {
		return social.Relation{}, err
	}
	agreed, asked := rows[2].Exists(), rows[3].Exists()
	return social.Relation{
		Following: rows[0].Exists(), FollowedBy: rows[1].Exists(),
		Friends: agreed && asked, Requested: agreed && !asked, Asked: asked && !agreed,
		Blocking: rows[4].Exists(), Muting: rows[5].Exists(),
	}, nil
}
