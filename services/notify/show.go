package notify

import (
	"context"
	"encoding/json"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// shown is a notification as it is served, without an id when there is nothing to be
// seen of it.
type shown = social.Notification[json.RawMessage]

// List gives a page of what who is told, newest first. When grouped, likes and reposts
// of one post and follows of one day are one item each, with the id of the newest.
func (s *Service) List(ctx context.Context, who social.Identity, grouped bool, cut social.Cut) (social.NotificationPage[json.RawMessage], error) {
	none := social.NotificationPage[json.RawMessage]{}
	if err := loggedIn(who, "see what you are told"); err != nil {
		return none, err
	}
	all, err := s.inbox(ctx, who, false)
	if err != nil {
		return none, err
	}
	items := singles(all)
	if grouped {
		items = groups(all)
	}
	page, err := schema.Timeline[shown]{
		Scan: func(_ context.Context, after string, older bool, limit int) ([]string, error) {
			return items.scan(after, older, limit), nil
		},
		Load: func(ctx context.Context, ids []string) ([]shown, error) {
			return s.show(ctx, who, items.of(ids))
		},
		Hidden: func(n shown) bool { return n.ID == "" },
	}.Page(ctx, cut)
	if err != nil {
		return none, err
	}
	unread, err := s.unread(ctx, who, all)
	return social.NotificationPage[json.RawMessage]{Page: page, Unread: unread}, err
}

// Notifications gives notifications of who's as the JSON of social.Notification, each
// by itself, in a slice as long as ids: nil stands for one that is gone or not to be
// shown.
func (s *Service) Notifications(ctx context.Context, who social.Identity, ids []string) ([]json.RawMessage, error) {
	if err := loggedIn(who, "see what you are told"); err != nil {
		return nil, err
	}
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		keys[i] = schema.Notification(who.User, id)
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d notifications of %s: %w", len(ids), who.User, err)
	}
	mark, _, err := s.marked(ctx, who.User)
	if err != nil {
		return nil, err
	}
	var all []entry
	for i, row := range rows {
		if !row.Exists() {
			continue
		}
		e, err := newEntry(ids[i], row, mark)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if all, err = s.sift(ctx, who, all); err != nil {
		return nil, err
	}
	found, err := s.show(ctx, who, singles(all))
	if err != nil {
		return nil, err
	}
	return encodeEach(ids, found, func(n shown) string { return n.ID })
}

// encodeEach gives the JSON of what was found of ids, nil for the rest.
func encodeEach[T any](ids []string, found []T, id func(T) string) ([]json.RawMessage, error) {
	encoded := map[string]json.RawMessage{}
	for _, one := range found {
		if id(one) == "" {
			continue
		}
		b, err := json.Marshal(one)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", id(one), err)
		}
		encoded[id(one)] = b
	}
	all := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		all[i] = encoded[id]
	}
	return all, nil
}

// show gives items as they are served, in a slice as long as items: without an id
// where the post or everybody who did it is not to be seen.
func (s *Service) show(ctx context.Context, who social.Identity, all items) ([]shown, error) {
	var ids []string
	for _, it := range all {
		if id := it.post(); id != "" {
			ids = append(ids, id)
		}
	}
	posts, err := s.posts.Encoded(ctx, who, ids)
	if err != nil {
		return nil, err
	}
	users, err := s.actors(ctx, all)
	if err != nil {
		return nil, err
	}
	found := make([]shown, len(all))
	for i, it := range all {
		var post json.RawMessage
		if it.post() != "" {
			if post, posts = posts[0], posts[1:]; post == nil {
				continue
			}
		}
		found[i] = it.shown(users, post)
	}
	return found, nil
}

// actors gives the users that items show, by id.
func (s *Service) actors(ctx context.Context, all items) (map[string]social.User, error) {
	var newest []entry
	for _, it := range all {
		newest = append(newest, it.entries[:min(len(it.entries), social.MaxActors)]...)
	}
	found, err := s.users.GetMany(ctx, actors(newest))
	if err != nil {
		return nil, err
	}
	users := make(map[string]social.User, len(found))
	for _, u := range found {
		users[u.ID] = u
	}
	return users, nil
}

// shown gives an item as it is served, without an id when nobody of it is known.
func (it item) shown(users map[string]social.User, post json.RawMessage) shown {
	n := shown{
		ID: it.id(), Kind: it.entries[0].told.Kind, GroupKey: it.key, Count: len(it.entries),
		Post: post, CreatedAt: social.TimeOf(it.id()), Read: true,
	}
	for _, e := range it.entries {
		n.Read = n.Read && e.read
		if u, known := users[e.told.Actor]; known && len(n.Actors) < social.MaxActors {
			n.Actors = append(n.Actors, u)
		}
	}
	if len(n.Actors) == 0 {
		return shown{}
	}
	return n
}
