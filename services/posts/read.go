package posts

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Get returns a post that the viewer may see.
func (s *Service) Get(ctx context.Context, viewer social.Identity, id string) (social.Post, error) {
	v, err := s.sight(ctx, viewer, id)
	if err != nil {
		return social.Post{}, err
	}
	return v.post, nil
}

// EncodedOne returns a post that the viewer may see as the JSON of social.Post,
// with counts and what the viewer did with it. Absence is confirmed by a majority: who
// was just told of a post may ask for it before all owners have it.
func (s *Service) EncodedOne(ctx context.Context, viewer social.Identity, id string) (json.RawMessage, error) {
	v, err := s.confirmed(ctx, viewer, id)
	if err != nil {
		return nil, err
	}
	raw, err := s.encoded(ctx, viewer, []sight{v})
	if err != nil {
		return nil, err
	}
	return raw[0], nil
}

// Encoded returns posts as the JSON of social.Post, with counts and what the viewer
// did with them, in a slice as long as ids: nil stands for one that does not exist
// or that the viewer may not see.
func (s *Service) Encoded(ctx context.Context, viewer social.Identity, ids []string) ([]json.RawMessage, error) {
	seen, err := s.sights(ctx, viewer, ids)
	if err != nil {
		return nil, err
	}
	return s.encoded(ctx, viewer, seen)
}

// ByAuthor lists those posts of the user of a ref that the viewer may see and a
// filter lets pass, newest first, as the JSON of social.Post.
func (s *Service) ByAuthor(ctx context.Context, viewer social.Identity, ref string, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	none := social.Page[json.RawMessage]{}
	f, err := s.Filter(ctx, f)
	if err != nil {
		return none, err
	}
	author, err := s.users.Resolve(ctx, ref)
	if err != nil {
		return none, err
	}
	return schema.Timeline[json.RawMessage]{
		Scan: func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
			entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyAuthorPost, author, after, older, limit))
			if err != nil {
				return nil, fmt.Errorf("list posts of %s: %w", author, err)
			}
			return schema.Others(entries), nil
		},
		Load: func(ctx context.Context, ids []string) ([]json.RawMessage, error) {
			return s.Select(ctx, viewer, ids, f)
		},
		Hidden: func(raw json.RawMessage) bool { return raw == nil },
		Since:  f.Since, Until: f.Until,
	}.Page(ctx, cut)
}

// sight gives what a viewer sees of a post, or NotFound.
func (s *Service) sight(ctx context.Context, viewer social.Identity, id string) (sight, error) {
	if _, ok := social.SlotOf(id); !ok {
		return sight{}, noPost(id)
	}
	seen, err := s.sights(ctx, viewer, []string{id})
	if err == nil && seen[0].view == nil {
		err = noPost(id)
	}
	if err != nil {
		return sight{}, err
	}
	return seen[0], nil
}

// one gives the view of a post, or NotFound also when the viewer may not see it.
func (s *Service) one(ctx context.Context, viewer social.Identity, id string) (*view, error) {
	if _, ok := social.SlotOf(id); !ok {
		return nil, noPost(id)
	}
	views, _, err := s.visible(ctx, viewer, []string{id})
	if err != nil {
		return nil, err
	}
	if views[0] == nil {
		return nil, noPost(id)
	}
	return views[0], nil
}

// visible gives the views of posts, nil for one that does not exist, which absent
// says, or that the viewer may not see.
func (s *Service) visible(ctx context.Context, viewer social.Identity, ids []string) (views []*view, absent []bool, err error) {
	views, err = s.load(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	absent = make([]bool, len(ids))
	for i, v := range views {
		absent[i] = v == nil
	}
	return views, absent, s.hide(ctx, viewer, views)
}

// hide clears the views of posts that a viewer may not see.
func (s *Service) hide(ctx context.Context, viewer social.Identity, views []*view) error {
	var authors []string // of posts that only their followers see
	for i, v := range views {
		switch {
		case v == nil || v.post.Visibility == social.Public || v.post.Author == viewer.User:
		case v.post.Visibility == social.Followers && !viewer.Anonymous():
			if !slices.Contains(authors, v.post.Author) {
				authors = append(authors, v.post.Author)
			}
		case v.post.Visibility == social.Direct && !viewer.Anonymous() && slices.Contains(v.post.Mentions, viewer.User):
		default:
			views[i] = nil
		}
	}
	if len(authors) > 0 {
		if err := s.hideUnfollowed(ctx, viewer, views, authors); err != nil {
			return err
		}
	}
	return s.hideBarred(ctx, viewer, views)
}

// hideUnfollowed clears the views of followers-only posts by those of the authors
// whom the viewer does not follow.
func (s *Service) hideUnfollowed(ctx context.Context, viewer social.Identity, views []*view, authors []string) error {
	keys := make([]store.Key, len(authors))
	for i, author := range authors {
		keys[i] = schema.Following(viewer.User, author)
	}
	follows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return fmt.Errorf("read follows of %s: %w", viewer.User, err)
	}
	for i, v := range views {
		if v == nil || v.post.Visibility != social.Followers || v.post.Author == viewer.User {
			continue
		}
		if !follows[slices.Index(authors, v.post.Author)].Exists() {
			views[i] = nil
		}
	}
	return nil
}

// load gives the views of posts, nil for a missing one: from the cache, and the
// rest in one read.
func (s *Service) load(ctx context.Context, ids []string) ([]*view, error) {
	views := make([]*view, len(ids))
	var wanted []want
	for i, id := range ids {
		n, ok := social.SlotOf(id)
		if !ok {
			continue
		}
		current := s.current(ctx, store.Slot(n))
		if v, ok := s.cached(id, current); ok {
			views[i] = v
			continue
		}
		wanted = append(wanted, want{at: i, key: schema.Post(id), current: current, changes: s.cache.Drops(id)})
	}
	if len(wanted) == 0 {
		return views, nil
	}
	return views, s.fetch(ctx, wanted, views)
}

// cached gives a view from the cache, if what it holds of the post's slot is current.
func (s *Service) cached(id string, current bool) (*view, bool) {
	if !current {
		return nil, false
	}
	return s.cache.Get(id)
}

// want is a post to be read from the store.
type want struct {
	at      int // its place in the page
	key     store.Key
	current bool   // whether it may be cached,
	changes uint64 // if nothing changed since
}

// fetch reads posts from the store into views, and caches what may be.
func (s *Service) fetch(ctx context.Context, wanted []want, views []*view) error {
	keys := make([]store.Key, len(wanted))
	for i, w := range wanted {
		keys[i] = w.key
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return fmt.Errorf("read %d posts: %w", len(keys), err)
	}
	for i, w := range wanted {
		if !rows[i].Exists() {
			continue
		}
		v, err := newView(w.key.Sort, w.key.Slot, rows[i])
		if err != nil {
			return err
		}
		views[w.at] = v
		if w.current {
			s.cache.Put(v.post.ID, v, w.changes)
		}
	}
	return nil
}

func newView(id string, slot store.Slot, row crdt.Row) (*view, error) {
	p, err := schema.DecodePost(id, row)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode post %s: %w", id, err)
	}
	return &view{post: p, slot: slot, raw: raw}, nil
}
