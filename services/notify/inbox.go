package notify

import (
	"context"
	"fmt"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// entry is a notification of an inbox.
type entry struct {
	id   string
	told schema.Told
	read bool
}

// inbox gives what there is to be told to who, newest first: the whole of it, which
// is bounded, or what was not read.
func (s *Service) inbox(ctx context.Context, who social.Identity, unreadOnly bool) ([]entry, error) {
	rows, err := s.rows.Scan(ctx, schema.Of(schema.FamilyNotification, who.User, "", true, social.MaxNotifications))
	if err != nil {
		return nil, fmt.Errorf("read notifications of %s: %w", who.User, err)
	}
	mark, _, err := s.marked(ctx, who.User)
	if err != nil {
		return nil, err
	}
	all := make([]entry, 0, len(rows))
	for _, r := range rows {
		id := schema.Other(r.Key)
		if unreadOnly && mark.Has(id) {
			continue
		}
		e, err := newEntry(id, r.Row, mark)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return s.sift(ctx, who, all)
}

func newEntry(id string, row crdt.Row, mark schema.ReadMark) (entry, error) {
	told, err := schema.DecodeTold(row)
	return entry{id: id, told: told, read: mark.Has(id)}, err
}

// sift leaves out what has no cause any more, what comes from accounts that are
// blocked or muted, and what who does not want to be told of. What is left may be of a
// post that who cannot see.
func (s *Service) sift(ctx context.Context, who social.Identity, all []entry) ([]entry, error) {
	if len(all) == 0 {
		return nil, nil
	}
	wanted, err := s.preferences(ctx, who.User)
	if err != nil {
		return nil, err
	}
	known, err := s.known(ctx, who.User, all, wanted)
	if err != nil {
		return nil, err
	}
	hidden, err := s.hidden(ctx, who, actors(all))
	if err != nil {
		return nil, err
	}
	var shown []entry
	for _, e := range all {
		stands, err := known.stands(who.User, e)
		if err != nil {
			return nil, err
		}
		from := *wanted.Of(e.told.Kind)
		if !stands || hidden(e.told.Actor) || from == social.NotifyOff ||
			from == social.NotifyFollowing && !known[schema.Following(who.User, e.told.Actor)].Exists() {
			continue
		}
		shown = append(shown, e)
	}
	return shown, nil
}

// actors gives who did what notifications tell of, each once.
func actors(all []entry) []string {
	var ids []string
	seen := map[string]bool{}
	for _, e := range all {
		if id := e.told.Actor; id != "" && !seen[id] {
			ids, seen[id] = append(ids, id), true
		}
	}
	return ids
}

// known is rows of a user's slot by key.
type known map[store.Key]crdt.Row

// known reads what notifications follow from, what they are about, and, where that is
// asked for, whether the user follows those who caused them.
func (s *Service) known(ctx context.Context, user string, all []entry, wanted social.NotificationPreferences) (known, error) {
	rows := known{}
	var keys []store.Key
	want := func(k store.Key) {
		if _, wanted := rows[k]; !wanted {
			rows[k], keys = crdt.Row{}, append(keys, k)
		}
	}
	for _, e := range all {
		want(e.told.Cause(user))
		if *wanted.Of(e.told.Kind) == social.NotifyFollowing {
			want(schema.Following(user, e.told.Actor))
		}
		if about := e.told.About(); about != "" {
			want(schema.Post(about))
		}
	}
	found, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read what %s is told of: %w", user, err)
	}
	for i, k := range keys {
		rows[k] = found[i]
	}
	return rows, nil
}

// stands says whether a notification is what follows from its cause as it is now. It
// does not where the act was taken back, also if it was done again since.
func (k known) stands(user string, e entry) (bool, error) {
	row := k[e.told.Cause(user)]
	if about := e.told.About(); !row.Exists() || about != "" && !k[schema.Post(about)].Exists() {
		return false, nil
	}
	cause, err := schema.DecodeCause(row)
	if err != nil {
		return false, err
	}
	return e.told.ID(user, cause.At) == e.id, nil
}
