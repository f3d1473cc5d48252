package lists

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Members lists who is in one of who's lists, in the order in which their accounts
// were made. Who is blocked, or blocks, is not shown.
func (s *Service) Members(ctx context.Context, who social.Identity, id string, cut social.Cut) (social.Page[social.User], error) {
	if _, err := s.Get(ctx, who, id); err != nil {
		return social.Page[social.User]{Items: []social.User{}}, err
	}
	return schema.List[social.User]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			entries, err := s.cfg.Rows.Scan(ctx, schema.ListMembers(who.User, id, after, limit))
			if err != nil {
				return nil, fmt.Errorf("read members of list %s: %w", id, err)
			}
			members := make([]string, len(entries))
			for i, e := range entries {
				_, _, members[i] = schema.SplitListMember(e.Key)
			}
			return members, nil
		},
		Load:   func(ctx context.Context, ids []string) ([]social.User, error) { return s.load(ctx, who, ids) },
		Hidden: func(u social.User) bool { return u.ID == "" },
	}.Page(ctx, cut)
}

// load gives users, the zero User for one who does not exist or whom a block keeps
// from who.
func (s *Service) load(ctx context.Context, who social.Identity, ids []string) ([]social.User, error) {
	found, err := s.cfg.Users.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	barred, err := s.cfg.Relations.Barred(ctx, who.User, ids)
	if err != nil {
		return nil, err
	}
	users := make([]social.User, len(ids))
	for i, id := range ids {
		if len(found) > 0 && found[0].ID == id {
			if !barred[id] {
				users[i] = found[0]
			}
			found = found[1:]
		}
	}
	return users, nil
}

// Add puts the user of a ref into one of who's lists. To add twice is to add once.
// Where one of the two blocks the other it is Forbidden, and of a list that has
// social.MaxListMembers a Conflict.
func (s *Service) Add(ctx context.Context, who social.Identity, id, ref string) error {
	member, err := s.find(ctx, who, id, ref)
	if err != nil {
		return err
	}
	barred, err := s.cfg.Relations.Barred(ctx, who.User, []string{member})
	if err != nil {
		return err
	}
	if barred[member] {
		return social.Errorf(social.Forbidden, "cannot add to the list: one of the two accounts blocks the other")
	}
	key := schema.ListMember(who.User, id, member)
	_, err = s.cfg.Rows.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		err = s.room(ctx, schema.ListMembers(who.User, id, "", social.MaxListMembers), "in the list: remove one first")
	}
	if err != nil {
		return err
	}
	// Sent even where it changes nothing, so that the reply tells its copies.
	err = s.write(ctx, store.Mutation{Key: key, Op: store.Put, If: store.IfAbsent})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Remove takes the user of a ref out of one of who's lists. It does nothing where the
// user is not in it.
func (s *Service) Remove(ctx context.Context, who social.Identity, id, ref string) error {
	member, err := s.find(ctx, who, id, ref)
	if err != nil {
		return err
	}
	return s.write(ctx, store.Mutation{Key: schema.ListMember(who.User, id, member), Op: store.Remove})
}

// find checks that a list is who's and gives the id of the user of a ref.
func (s *Service) find(ctx context.Context, who social.Identity, id, ref string) (string, error) {
	if _, err := s.Get(ctx, who, id); err != nil {
		return "", err
	}
	return s.cfg.Users.Resolve(ctx, ref)
}
