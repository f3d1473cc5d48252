package notify

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Preferences gives whose acts who wants to be told of: everybody's, where who has
// not said.
func (s *Service) Preferences(ctx context.Context, who social.Identity) (social.NotificationPreferences, error) {
	if err := loggedIn(who, "see your preferences"); err != nil {
		return social.NotificationPreferences{}, err
	}
	p, err := s.preferences(ctx, who.User)
	return p, err
}

func (s *Service) preferences(ctx context.Context, user string) (p social.NotificationPreferences, err error) {
	rows, err := s.rows.Scan(ctx, schema.Of(schema.FamilyNotifyPreference, user, "", false, len(social.NotificationKinds())))
	if err != nil {
		return p, fmt.Errorf("read preferences of %s: %w", user, err)
	}
	for _, kind := range social.NotificationKinds() {
		*p.Of(kind) = social.NotifyAll
	}
	for _, e := range rows {
		from := p.Of(social.NotificationKind(schema.Other(e.Key)))
		if from == nil {
			continue
		}
		if last, _ := e.Row.Last(); valid(social.NotifyFrom(last.Value)) {
			*from = social.NotifyFrom(last.Value)
		}
	}
	return p, nil
}

func valid(from social.NotifyFrom) bool {
	return from == social.NotifyAll || from == social.NotifyFollowing || from == social.NotifyOff
}

// Prefer changes whose acts of the kinds in the change who wants to be told of, with
// effect also on what has come, and gives all preferences. Of what two nodes change
// at once, each kind's later change holds.
func (s *Service) Prefer(ctx context.Context, who social.Identity, change social.NotificationPreferences) (social.NotificationPreferences, error) {
	p, err := s.Preferences(ctx, who)
	if err != nil {
		return p, err
	}
	var ms []store.Mutation
	for _, kind := range social.NotificationKinds() {
		from := *change.Of(kind)
		if from == "" {
			continue
		}
		if !valid(from) {
			return p, social.InvalidField(string(kind), "must be all, following or off")
		}
		*p.Of(kind) = from
		ms = append(ms, store.Mutation{Key: schema.NotifyPreference(who.User, kind), Op: store.Put, Value: []byte(from)})
	}
	if len(ms) == 0 { // sent all the same: the reply tells its copies
		ms = []store.Mutation{{Key: schema.NotifyPreference(who.User, "none"), Op: store.Remove}}
	}
	if _, err := s.rows.Write(ctx, store.Write{Mutations: ms}); err != nil {
		return p, fmt.Errorf("write preferences of %s: %w", who.User, err)
	}
	return p, nil
}
