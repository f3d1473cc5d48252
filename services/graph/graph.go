// Package graph is who follows whom. The truth of a follow is one row in the
// follower's slot; the followee's list of followers is a consequence of it that
// services/fanout writes, so it may lag by a moment. Users are friends when each
// follows the other.
package graph

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Directory finds users.
type Directory interface {
	// Resolve gives the id of the user of a ref, an id or @name, or NotFound.
	Resolve(ctx context.Context, ref string) (string, error)
	// GetMany gives the users of the ids in their order, leaving out the missing.
	GetMany(ctx context.Context, ids []string) ([]social.User, error)
}

// Service is the graph. It is safe for concurrent use.
type Service struct {
	rows  store.Rows
	users Directory
}

// New makes the service.
func New(rows store.Rows, users Directory) *Service { return &Service{rows: rows, users: users} }

// Follow makes the user of the ref follower, who must be who, follow the user of
// the ref followee. To follow twice is to follow once.
func (s *Service) Follow(ctx context.Context, who social.Identity, follower, followee string) error {
	other, err := s.own(ctx, who, follower, followee)
	if err != nil {
		return err
	}
	err = s.change(ctx, store.Mutation{Key: schema.Following(who.User, other), Op: store.Put, If: store.IfAbsent})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Unfollow ends that the user of the ref follower, who must be who, follows the
// user of the ref followee. It does nothing where there is no follow.
func (s *Service) Unfollow(ctx context.Context, who social.Identity, follower, followee string) error {
	other, err := s.own(ctx, who, follower, followee)
	if err != nil {
		return err
	}
	return s.change(ctx, store.Mutation{Key: schema.Following(who.User, other), Op: store.Remove})
}

// change is serial so that a follow and an unfollow sent to different nodes, one
// after the other, take effect in that order.
func (s *Service) change(ctx context.Context, m store.Mutation) error {
	if _, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{m}}); err != nil {
		return fmt.Errorf("write follow %s: %w", m.Key.Sort, err)
	}
	return nil
}

// own checks that follower is who's own account, and gives the followee's id.
func (s *Service) own(ctx context.Context, who social.Identity, follower, followee string) (string, error) {
	if who.Anonymous() {
		return "", social.Errorf(social.Unauthenticated, "log in to follow")
	}
	if follower != who.User {
		id, err := s.users.Resolve(ctx, follower)
		if err != nil {
			return "", err
		}
		if id != who.User {
			return "", social.Errorf(social.Forbidden, "an account's follows change only with its own token")
		}
	}
	other, err := s.users.Resolve(ctx, followee)
	if err != nil {
		return "", err
	}
	if other == who.User {
		return "", social.InvalidField("other", "nobody can follow themselves")
	}
	return other, nil
}

// Following lists whom the user of a ref follows, in the order in which those
// accounts were made.
func (s *Service) Following(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.list(ctx, schema.FamilyFollowing, ref, cut, nil)
}

// Followers lists who follows the user of a ref, in the order in which those
// accounts were made.
func (s *Service) Followers(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.list(ctx, schema.FamilyFollower, ref, cut, nil)
}

// Friends lists whom the user of a ref follows and is followed by, in the order
// in which those accounts were made.
func (s *Service) Friends(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.list(ctx, schema.FamilyFollowing, ref, cut, s.followersAmong)
}

// followersAmong gives those of the ids who follow a user. All rows asked for
// lie in the user's slot.
func (s *Service) followersAmong(ctx context.Context, user string, ids []string) ([]string, error) {
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		keys[i] = schema.Follower(user, id)
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read followers of %s: %w", user, err)
	}
	var among []string
	for i, row := range rows {
		if row.Exists() {
			among = append(among, ids[i])
		}
	}
	return among, nil
}

// filter gives those ids of a user's list that are to be shown.
type filter func(ctx context.Context, user string, ids []string) ([]string, error)

func (s *Service) list(ctx context.Context, family store.Family, ref string, cut social.Cut, among filter) (social.Page[social.User], error) {
	if _, err := schema.Verify(cut); err != nil {
		return social.Page[social.User]{}, err
	}
	user, err := s.users.Resolve(ctx, ref)
	if err != nil {
		return social.Page[social.User]{}, err
	}
	return schema.List[social.User]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			entries, err := s.rows.Scan(ctx, schema.Of(family, user, after, false, limit))
			if err != nil {
				return nil, fmt.Errorf("list follows of %s: %w", user, err)
			}
			return schema.Others(entries), nil
		},
		Load: func(ctx context.Context, ids []string) ([]social.User, error) {
			shown := ids
			if among != nil {
				if shown, err = among(ctx, user, ids); err != nil {
					return nil, err
				}
			}
			return s.load(ctx, ids, shown)
		},
		Hidden: func(u social.User) bool { return u.ID == "" },
	}.Page(ctx, cut)
}

// load gives the users of the ids, the zero User for one that does not exist or
// is not shown. shown is a subsequence of ids.
func (s *Service) load(ctx context.Context, ids, shown []string) ([]social.User, error) {
	found, err := s.users.GetMany(ctx, shown)
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
