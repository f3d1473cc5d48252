package users

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Update changes the profile of who, whom ref must name. Each field merges for
// itself. A new username is claimed first; the account then answers to it, and no
// longer to the old one, which others can have as soon as fan-out has released it.
func (s *Service) Update(ctx context.Context, who social.Identity, ref string, patch social.UserPatch) (social.User, error) {
	if patch.Username != nil {
		folded := social.FoldName(*patch.Username)
		patch.Username = &folded
	}
	if err := validatePatch(patch); err != nil {
		return social.User{}, err
	}
	u, err := s.own(ctx, who, ref)
	if err != nil {
		return social.User{}, err
	}
	if patch.Username != nil && *patch.Username != u.Username {
		if u.DisplayName == u.Username && patch.DisplayName == nil {
			patch.DisplayName = new(string) // it follows the username
		}
		err = s.rename(ctx, u, patch)
	} else {
		// A patch without fields is sent all the same: the reply tells its copies.
		_, err = s.rows.Write(ctx, store.Write{Mutations: []store.Mutation{edit(u.ID, patch)}})
	}
	if err != nil {
		return social.User{}, fmt.Errorf("update user %s: %w", u.ID, behind(err))
	}
	return patched(u, patch), nil
}

// edit is the mutation of the fields of a patch, but for the username.
func edit(user string, patch social.UserPatch) store.Mutation {
	m := store.Mutation{Key: schema.User(user), Op: store.Update, If: store.IfExists}
	set := func(id uint8, value *string) {
		if value != nil {
			m.Fields = append(m.Fields, store.FieldValue{ID: id, Value: []byte(*value)})
		}
	}
	set(schema.FieldDisplayName, patch.DisplayName)
	set(schema.FieldBio, patch.Bio)
	set(schema.FieldAvatar, patch.Avatar)
	return m
}

// rename claims the name of a patch and writes all of the patch. That the old name
// is to be released is written with it.
func (s *Service) rename(ctx context.Context, u social.User, patch social.UserPatch) error {
	name := *patch.Username
	claimed, err := s.claim(ctx, name, u.ID, "")
	if err != nil && !errors.Is(err, store.ErrDurability) {
		return fmt.Errorf("claim name %s: %w", name, err)
	}
	ms := append(schema.Rename(u.ID, name, edit(u.ID, patch).Fields...),
		store.Mutation{Key: schema.FormerName(u.ID, u.Username), Op: store.Put})
	_, err = s.rows.Write(ctx, store.Write{Mutations: ms})
	return s.giveBack(ctx, name, claimed.Dot, err)
}

func patched(u social.User, patch social.UserPatch) social.User {
	set := func(field, value *string) {
		if value != nil {
			*field = *value
		}
	}
	set(&u.Username, patch.Username)
	set(&u.DisplayName, patch.DisplayName)
	set(&u.Bio, patch.Bio)
	set(&u.Avatar, patch.Avatar)
	if u.DisplayName == "" {
		u.DisplayName = u.Username
	}
	return u
}

// noticesShown bounds the notices of an account that are shown: the latest.
const noticesShown = 20

// Notices gives what the system tells who, newest first.
func (s *Service) Notices(ctx context.Context, who social.Identity) ([]social.Notice, error) {
	entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyNotice, who.User, "", true, noticesShown))
	if err != nil {
		return nil, fmt.Errorf("read notices of %s: %w", who.User, err)
	}
	var notices []social.Notice
	for _, e := range entries {
		n, err := schema.DecodeNotice(schema.Other(e.Key), e.Row)
		if err != nil {
			return nil, err
		}
		notices = append(notices, n)
	}
	return notices, nil
}

// Dismiss removes a notice of who, whom ref must name. It does nothing where there
// is no such notice.
func (s *Service) Dismiss(ctx context.Context, who social.Identity, ref, notice string) error {
	u, err := s.own(ctx, who, ref)
	if err != nil {
		return err
	}
	if _, ok := social.SlotOf(notice); !ok {
		return social.Errorf(social.NotFound, "there is no notice %.40q", notice)
	}
	_, err = s.rows.Write(ctx, store.Write{Mutations: []store.Mutation{{Key: schema.Notice(u.ID, notice), Op: store.Remove}}})
	if err != nil {
		return fmt.Errorf("dismiss notice: %w", err)
	}
	return nil
}
