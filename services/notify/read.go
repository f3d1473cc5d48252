package notify

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// maxMarkers bounds the markers of a user that are read. There are several only where
// they were written concurrently.
const maxMarkers = 100

// marked gives which notifications a user has read, and the rows that say so.
func (s *Service) marked(ctx context.Context, user string) (mark schema.ReadMark, rows []store.Entry, err error) {
	rows, err = s.rows.Scan(ctx, schema.Of(schema.FamilyNotificationRead, user, "", true, maxMarkers))
	if err != nil {
		return mark, nil, fmt.Errorf("read markers of %s: %w", user, err)
	}
	for _, e := range rows {
		if err := mark.Add(e.Row); err != nil {
			return mark, nil, err
		}
	}
	return mark, rows, nil
}

// Read notes that who has read all notifications up to the one of an id, as far as
// they have come: one that comes later is unread, whatever its time. A time that is
// yet to come is taken as that of the newest. What was read on another device stays
// so.
func (s *Service) Read(ctx context.Context, who social.Identity, upTo string) error {
	if err := loggedIn(who, "mark what you have read"); err != nil {
		return err
	}
	if _, ok := social.SlotOf(upTo); !ok {
		return social.InvalidField("up_to", "must be the id of a notification")
	}
	mark, markers, err := s.marked(ctx, who.User)
	if err != nil {
		return err
	}
	there, err := s.rows.Scan(ctx, schema.Of(schema.FamilyNotification, who.User, "", true, social.MaxNotifications))
	if err != nil {
		return fmt.Errorf("read notifications of %s: %w", who.User, err)
	}
	var read []string
	for _, id := range schema.Others(there) {
		if id <= upTo || mark.Has(id) {
			read = append(read, id)
		}
	}
	if len(there) > 0 {
		upTo = min(upTo, schema.Other(there[0].Key))
	}
	_, err = s.rows.Write(ctx, store.Write{Serial: true, Mutations: marking(who.User, upTo, read, markers)})
	if err != nil {
		return fmt.Errorf("mark notifications of %s: %w", who.User, err)
	}
	return nil
}

// marking puts a marker in place of others, at the greatest id.
func marking(user, upTo string, read []string, markers []store.Entry) []store.Mutation {
	for _, e := range markers {
		upTo = max(upTo, schema.Other(e.Key))
	}
	ms := []store.Mutation{{
		Key: schema.NotificationRead(user, upTo), Op: store.Put, Value: schema.EncodeReadMark(read),
	}}
	for _, e := range markers {
		if schema.Other(e.Key) != upTo {
			ms = append(ms, store.Mutation{Key: e.Key, Op: store.Remove})
		}
	}
	return ms
}

// Unread counts the notifications that who has not read, up to social.MaxUnread.
func (s *Service) Unread(ctx context.Context, who social.Identity) (int, error) {
	if err := loggedIn(who, "see what you are told"); err != nil {
		return 0, err
	}
	all, err := s.inbox(ctx, who, true)
	if err != nil {
		return 0, err
	}
	return s.unread(ctx, who, all)
}

// unread counts those of the notifications that were not read and whose posts can be
// seen.
func (s *Service) unread(ctx context.Context, who social.Identity, all []entry) (int, error) {
	n := 0
	for len(all) > 0 && n < social.MaxUnread {
		var posts []string
		at := 0
		for ; at < len(all) && n < social.MaxUnread && len(posts) < social.MaxUnread; at++ {
			switch e := all[at]; {
			case e.read:
			case e.told.Kind == social.NotifyMention || e.told.Kind == social.NotifyReply:
				posts = append(posts, e.told.Post)
			default:
				n++
			}
		}
		seen, err := s.posts.Seen(ctx, who, posts)
		if err != nil {
			return 0, err
		}
		for _, ok := range seen {
			if ok {
				n++
			}
		}
		all = all[at:]
	}
	return min(n, social.MaxUnread), nil
}
