package graph

import (
	"context"
	"fmt"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// MaxCount bounds what is counted: a larger number of followers, or of accounts
// followed, is given as MaxCount.
const MaxCount = 1_000_000

// counted is counts that were made at some time.
type counted struct {
	social.RelationCounts
	at time.Time
}

const countedBytes = 192

func weighCounted(string, counted) uint32 { return countedBytes }

// cheap says that counts are made anew in no time.
func (c counted) cheap() bool { return c.Following+c.Followers+c.Friends <= cheapCount }

// Counts that are cheap to make are those of now. Others, which are those of few
// accounts, may be costLife old: a row is counted where it lies, at some 160 ns, so
// that an account with 100,000 followers takes 16 ms.
const (
	cheapCount = 5000
	costLife   = 10 * time.Second
)

// Counts gives the sizes of what surrounds the user of an id.
func (s *Service) Counts(ctx context.Context, user string) (social.RelationCounts, error) {
	current := s.current(ctx, schema.User(user).Slot)
	if c, ok := s.counts.Get(user); ok && (c.cheap() && current || !c.cheap() && s.now().Sub(c.at) < costLife) {
		return c.RelationCounts, nil
	}
	drops := s.counts.Drops(user)
	c := counted{at: s.now()}
	var err error
	if c.RelationCounts, err = s.count(ctx, user); err != nil {
		return c.RelationCounts, err
	}
	if current || !c.cheap() {
		s.counts.Put(user, c, drops)
	}
	return c.RelationCounts, nil
}

// recount forgets counts that have changed, if they are cheap to make.
func (s *Service) recount(user string) {
	if c, ok := s.counts.Get(user); !ok || c.cheap() {
		s.counts.Drop(user)
	}
}

func (s *Service) count(ctx context.Context, user string) (c social.RelationCounts, err error) {
	for family, into := range map[store.Family]*int{schema.FamilyFollowing: &c.Following, schema.FamilyFollower: &c.Followers} {
		if *into, err = s.rows.Count(ctx, schema.Of(family, user, "", false, MaxCount)); err != nil {
			return c, fmt.Errorf("count relations of %s: %w", user, err)
		}
	}
	c.Friends, err = s.countFriends(ctx, user, c)
	return c, err
}

// MaxFriendsScanned bounds the rows that are looked through to count friends.
const MaxFriendsScanned = 10_000

// countFriends looks through whom the user follows or is followed by, whichever are
// fewer, and with whom the user agreed to be friends.
func (s *Service) countFriends(ctx context.Context, user string, c social.RelationCounts) (int, error) {
	r := friends
	if c.Followers < c.Following {
		r.families = []store.Family{schema.FamilyFollower, schema.FamilyAgreed}
	}
	n := 0
	for after, scanned := "", 0; scanned < MaxFriendsScanned; {
		ids, err := s.candidates(ctx, user, r, after, friendsPage)
		if err != nil {
			return n, err
		}
		among, err := s.among(ctx, user, r, ids)
		if err != nil {
			return n, err
		}
		n += len(among)
		if len(ids) < friendsPage {
			break
		}
		after, scanned = ids[len(ids)-1], scanned+len(ids)
	}
	return n, nil
}

// friendsPage is how many rows are looked at together.
const friendsPage = 500
