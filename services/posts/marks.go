package posts

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// newestMarks is how many of the likes and of the reposts of a viewer are cached:
// those of the newest posts.
const newestMarks = 256

// marked is the newest likes and reposts of a viewer. It says all of posts whose
// ids are not before since.
type marked struct {
	posts map[string]social.PostViewer
	since string
}

// markBytes estimates what a mark takes in the cache, and markedBytes the rest.
const (
	markBytes   = 64
	markedBytes = 256
)

func weighMarked(_ string, m marked) uint32 { return uint32(markedBytes + markBytes*len(m.posts)) }

// marks gives what a viewer did with each of some posts, nil for an anonymous one.
func (s *Service) marks(ctx context.Context, viewer social.Identity, posts []*view) ([]social.PostViewer, error) {
	if viewer.Anonymous() || len(posts) == 0 {
		return nil, nil
	}
	slot, _ := social.SlotOf(viewer.User)
	newest := marked{since: "~"} // after all ids
	if s.current(ctx, store.Slot(slot)) {
		var err error
		if newest, err = s.newestMarks(ctx, viewer.User); err != nil {
			return nil, err
		}
	}
	all := make([]social.PostViewer, len(posts))
	var keys []store.Key
	var places []int
	for i, v := range posts {
		id := v.post.ID
		if id >= newest.since {
			all[i] = newest.posts[id]
			continue
		}
		keys = append(keys, schema.Liked(viewer.User, id), schema.Reposted(viewer.User, id))
		places = append(places, i)
	}
	if len(keys) == 0 {
		return all, nil
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read likes of %s: %w", viewer.User, err)
	}
	for n, i := range places {
		all[i] = social.PostViewer{Liked: rows[2*n].Exists(), Reposted: rows[2*n+1].Exists()}
	}
	return all, nil
}

func (s *Service) newestMarks(ctx context.Context, viewer string) (marked, error) {
	if m, ok := s.marksOf.Get(viewer); ok {
		return m, nil
	}
	drops := s.marksOf.Drops(viewer)
	m := marked{posts: map[string]social.PostViewer{}}
	for _, family := range []store.Family{schema.FamilyLiked, schema.FamilyReposted} {
		entries, err := s.rows.Scan(ctx, schema.Of(family, viewer, "", true, newestMarks))
		if err != nil {
			return m, fmt.Errorf("read likes of %s: %w", viewer, err)
		}
		for _, id := range schema.Others(entries) {
			mark := m.posts[id]
			if family == schema.FamilyLiked {
				mark.Liked = true
			} else {
				mark.Reposted = true
			}
			m.posts[id] = mark
		}
		if len(entries) == newestMarks {
			m.since = max(m.since, schema.Other(entries[newestMarks-1].Key))
		}
	}
	s.marksOf.Put(viewer, m, drops)
	return m, nil
}
