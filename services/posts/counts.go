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
	hidden int // answers that are not public
	at     time.Time
}

func (c counted) small() bool { return max(c.Likes, c.Reposts, c.Replies, c.hidden) <= countSmall }

// shown gives what readers are told, nil of a count that is not known.
func (c *counted) shown() *social.PostCounts {
	if c == nil {
		return nil
	}
	return &c.PostCounts
}

// countedBytes estimates what a count takes in the cache.
const countedBytes = 160

func weighCount(string, counted) uint32 { return countedBytes }

// countedKinds are the families of rows beside a post that are counted.
var countedKinds = [...]store.Family{schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply, schema.FamilyUncounted}

// tally is the counted that follows from how many rows there are of countedKinds.
// Counts are the same for all readers and so tell nobody of a reply that not all may
// see; a number of replies that was cut off at MaxCount stands for more than it says.
func tally(rows []int, at time.Time) counted {
	c := counted{PostCounts: social.PostCounts{Likes: rows[0], Reposts: rows[1], Replies: rows[2]}, hidden: rows[3], at: at}
	if c.Replies < social.MaxCount {
		c.Replies = max(0, c.Replies-c.hidden)
	}
	return c
}

// counts gives how often something was done with each of some posts: from the cache,
// and the rest in one read.
func (s *Service) counts(ctx context.Context, posts []*view) ([]counted, error) {
	all, now := make([]counted, len(posts)), s.now()
	var wanted []int
	for i, v := range posts {
		c, ok := s.tallies.Get(v.post.ID)
		if ok && (c.small() && s.current(ctx, v.slot) || now.Sub(c.at) < countAge) {
			all[i] = c
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
func (s *Service) count(ctx context.Context, posts []*view, wanted []int, all []counted, now time.Time) error {
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
		all[i] = tally(counts[len(countedKinds)*n:], now)
		s.tallies.Put(posts[i].post.ID, all[i], drops[n])
	}
	return nil
}

// recount drops the count of a post, unless it is one that is to grow old.
func (s *Service) recount(post string) {
	if c, ok := s.tallies.Get(post); !ok || c.small() {
		s.tallies.Drop(post)
	}
}
