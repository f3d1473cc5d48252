package posts

import (
	"context"
	"fmt"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// What was done with a post is counted where it lies. A small count that this node
// is told of all changes of stays cached until one comes. A large one would be made
// anew for each of many likes, and one of a partition that this node does not own
// is not told of changes: these may be countAge old.
const (
	countAge   = 5 * time.Second
	countSmall = 1000
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

// countedKinds are the families of rows beside a post that are counted.
var countedKinds = [...]store.Family{schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply}

// counts gives how often something was done with each of some posts: from the cache,
// and the rest in one read.
func (s *Service) counts(ctx context.Context, posts []*view) ([]social.PostCounts, error) {
	all, now := make([]social.PostCounts, len(posts)), s.now()
	var wanted []int
	for i, v := range posts {
		c, ok := s.tallies.Get(v.post.ID)
		if ok && (c.small() && s.current(ctx, v.slot) || now.Sub(c.at) < countAge) {
			all[i] = c.PostCounts
			continue
		}
		wanted = append(wanted, i)
	}
	if len(wanted) == 0 {
		return all, nil
	}
	return all, s.count(ctx, posts, wanted, all, now)
}

// count counts what was done with those of the posts that are wanted, and caches it.
func (s *Service) count(ctx context.Context, posts []*view, wanted []int, all []social.PostCounts, now time.Time) error {
	drops := make([]uint64, len(wanted))
	ranges := make([]store.Range, 0, len(countedKinds)*len(wanted))
	for n, i := range wanted {
		id := posts[i].post.ID
		drops[n] = s.tallies.Drops(id)
		for _, family := range countedKinds {
			ranges = append(ranges, schema.Of(family, id, "", false, social.MaxCount))
		}
	}
	counts, err := s.rows.CountMany(ctx, ranges)
	if err != nil {
		return fmt.Errorf("count what was done with %d posts: %w", len(wanted), err)
	}
	for n, i := range wanted {
		c := counts[len(countedKinds)*n:]
		all[i] = social.PostCounts{Likes: c[0], Reposts: c[1], Replies: c[2]}
		s.tallies.Put(posts[i].post.ID, counted{all[i], now}, drops[n])
	}
	return nil
}

// recount drops the count of a post, unless it is one that is to grow old.
func (s *Service) recount(post string) {
	if c, ok := s.tallies.Get(post); !ok || c.small() {
		s.tallies.Drop(post)
	}
}
