package graph

import (
	"context"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Lists are in the order in which the accounts in them were made.

// Following lists whom the user of a ref follows.
func (s *Service) Following(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.of(ctx, ref, cut, relation{families: []store.Family{schema.FamilyFollowing}})
}

// Followers lists who follows the user of a ref.
func (s *Service) Followers(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.of(ctx, ref, cut, relation{families: []store.Family{schema.FamilyFollower}})
}

// Friends lists the friends of the user of a ref: who is followed and follows, and
// who agreed to be friends, each once.
func (s *Service) Friends(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.of(ctx, ref, cut, friends)
}

// Agreed lists with whom the user of a ref, who must be who, wants to be friends:
// those who want it, too, and those whom the user asked.
func (s *Service) Agreed(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.private(ctx, who, ref, cut, relation{families: []store.Family{schema.FamilyAgreed}})
}

// Requests lists the friend requests of the user of a ref, who must be who: those
// that wait for the user's answer, or those of the user's that wait for another's.
func (s *Service) Requests(ctx context.Context, who social.Identity, ref string, d social.RequestDirection, cut social.Cut) (social.Page[social.User], error) {
	switch d {
	case social.Incoming:
		return s.private(ctx, who, ref, cut, lacking(schema.FamilyAsked, schema.Agreed))
	case social.Outgoing:
		return s.private(ctx, who, ref, cut, lacking(schema.FamilyAgreed, schema.Asked))
	}
	return social.Page[social.User]{}, social.InvalidField("direction", "must be in or out")
}

// Blocks lists whom the user of a ref, who must be who, blocks.
func (s *Service) Blocks(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.private(ctx, who, ref, cut, relation{families: []store.Family{schema.FamilyBlock}})
}

// Mutes lists whom the user of a ref, who must be who, mutes.
func (s *Service) Mutes(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error) {
	return s.private(ctx, who, ref, cut, relation{families: []store.Family{schema.FamilyMute}})
}

// Mutuals lists who follows both the user of a ref and another. It looks through the
// followers of the one who has fewer.
func (s *Service) Mutuals(ctx context.Context, ref, other string, cut social.Cut) (social.Page[social.User], error) {
	none := social.Page[social.User]{Items: []social.User{}}
	if _, err := schema.Verify(cut); err != nil {
		return none, err
	}
	ids := make([]string, 2)
	sizes := make([]int, 2)
	for i, r := range []string{ref, other} {
		var err error
		if ids[i], err = s.users.Resolve(ctx, r); err != nil {
			return none, err
		}
		counts, err := s.Counts(ctx, ids[i])
		if err != nil {
			return none, err
		}
		sizes[i] = counts.Followers
	}
	if sizes[1] < sizes[0] {
		slices.Reverse(ids)
	}
	return s.list(ctx, ids[0], cut, relation{
		families: []store.Family{schema.FamilyFollower},
		asks:     []func(user, other string) store.Key{func(_, id string) store.Key { return schema.Follower(ids[1], id) }},
		holds:    func(rows []crdt.Row) bool { return rows[0].Exists() },
	})
}

// relation selects those who stand to a user in some way: candidates are the second
// halves of the user's rows of some families, and holds decides from further rows,
// all of one slot, which it asks for by keys.
type relation struct {
	families []store.Family
	asks     []func(user, other string) store.Key
	holds    func(rows []crdt.Row) bool
}

// friends is the relation of friends.
var friends = relation{
	families: []store.Family{schema.FamilyFollowing, schema.FamilyAgreed},
	asks:     []func(user, other string) store.Key{schema.Following, schema.Follower, schema.Agreed, schema.Asked},
	holds: func(rows []crdt.Row) bool {
		return rows[0].Exists() && rows[1].Exists() || rows[2].Exists() && rows[3].Exists()
	},
}

// lacking is the relation of those of a family whose answer is not there.
func lacking(f store.Family, answer func(user, other string) store.Key) relation {
	return relation{
		families: []store.Family{f},
		asks:     []func(user, other string) store.Key{answer},
		holds:    func(rows []crdt.Row) bool { return !rows[0].Exists() },
	}
}

// of lists a relation of the user of a ref.
func (s *Service) of(ctx context.Context, ref string, cut social.Cut, r relation) (social.Page[social.User], error) {
	if _, err := schema.Verify(cut); err != nil {
		return social.Page[social.User]{}, err
	}
	user, err := s.users.Resolve(ctx, ref)
	if err != nil {
		return social.Page[social.User]{}, err
	}
	return s.list(ctx, user, cut, r)
}

// private lists a relation of the user of a ref for nobody but the user.
func (s *Service) private(ctx context.Context, who social.Identity, ref string, cut social.Cut, r relation) (social.Page[social.User], error) {
	user, err := s.own(ctx, who, ref)
	if err != nil {
		return social.Page[social.User]{}, err
	}
	return s.list(ctx, user, cut, r)
}

func (s *Service) list(ctx context.Context, user string, cut social.Cut, r relation) (social.Page[social.User], error) {
	return schema.List[social.User]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			return s.candidates(ctx, user, r, after, limit)
		},
		Load: func(ctx context.Context, ids []string) ([]social.User, error) {
			shown, err := s.among(ctx, user, r, ids)
			if err != nil {
				return nil, err
			}
			return s.load(ctx, ids, shown)
		},
		Hidden: func(u social.User) bool { return u.ID == "" },
	}.Page(ctx, cut)
}

// candidates gives up to limit ids after one, ascending, each once.
func (s *Service) candidates(ctx context.Context, user string, r relation, after string, limit int) ([]string, error) {
	var ids []string
	for _, family := range r.families {
		entries, err := s.rows.Scan(ctx, schema.Of(family, user, after, false, limit))
		if err != nil {
			return nil, fmt.Errorf("list relations of %s: %w", user, err)
		}
		ids = append(ids, schema.Others(entries)...)
	}
	if len(r.families) > 1 {
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return ids[:min(limit, len(ids))], nil
}

// among gives those of the ids who stand in a relation to a user.
func (s *Service) among(ctx context.Context, user string, r relation, ids []string) ([]string, error) {
	if r.holds == nil || len(ids) == 0 {
		return ids, nil
	}
	keys := make([]store.Key, 0, len(ids)*len(r.asks))
	for _, id := range ids {
		for _, key := range r.asks {
			keys = append(keys, key(user, id))
		}
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read relations of %s: %w", user, err)
	}
	var among []string
	for i, id := range ids {
		if r.holds(rows[i*len(r.asks) : (i+1)*len(r.asks)]) {
			among = append(among, id)
		}
	}
	return among, nil
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
