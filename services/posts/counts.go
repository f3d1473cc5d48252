package posts

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// What was done with a post is counted where it lies. A small count that this node
// is told of all changes of stays cached until one comes. A large one would be made
// anew for each of many likes, and one of a partition that this node does not own
// is not told of changes: these may be countAge old.
const (
	countAge    = 5 * time.Second
	countSmall  = 1000
	countFlight = 8 // posts counted at once
)

// counted is a cached count.
type counted struct {
	social.PostCounts
	at time.Time
}

func (c counted) small() bool { return max(c.Likes, c.Reposts, c.Replies) <= countSmall }

// countedBytes estimates what a count takes in the cache.
const countedBytes = 160

func weighCount(string, counted) uint32 { return countedBytes }

// counts gives how often something was done with each of some posts.
func (s *Service) counts(ctx context.Context, posts []*view) ([]social.PostCounts, error) {
	all, now := make([]social.PostCounts, len(posts)), s.now()
	var group *errgroup.Group
	for i, v := range posts {
		c, ok := s.tallies.Get(v.post.ID)
		fresh := ok && (c.small() && s.current(ctx, v.slot) || now.Sub(c.at) < countAge)
		if fresh {
			all[i] = c.PostCounts
			continue
		}
		if group == nil {
			group, ctx = errgroup.WithContext(ctx)
			group.SetLimit(countFlight)
		}
		group.Go(func() (err error) {
			all[i], err = s.count(ctx, v.post.ID, now)
			return err
		})
	}
	if group == nil {
		return all, nil
	}
	return all, group.Wait()
}

func (s *Service) count(ctx context.Context, id string, now time.Time) (c social.PostCounts, err error) {
	drops := s.tallies.Drops(id)
	for _, kind := range []struct {
		family store.Family
		n      *int
	}{
		{schema.FamilyLike, &c.Likes}, {schema.FamilyRepost, &c.Reposts}, {schema.FamilyReply, &c.Replies},
	} {
		if *kind.n, err = s.rows.Count(ctx, schema.Of(kind.family, id, "", false, social.MaxCount)); err != nil {
			return c, fmt.Errorf("count what was done with post %s: %w", id, err)
		}
	}
	s.tallies.Put(id, counted{c, now}, drops)
	return c, nil
}

// recount drops the count of a post, unless it is one that is to grow old.
func (s *Service) recount(post string) {
	if c, ok := s.tallies.Get(post); !ok || c.small() {
		s.tallies.Drop(post)
	}
}
