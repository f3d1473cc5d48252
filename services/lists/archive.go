package lists

import (
	"context"
	"errors"

	"grapevine/services/social"
	"grapevine/store"
)

// Import makes a list of who's of one in an archive, and says whether it was not
// there: to import again makes none.
func (s *Service) Import(ctx context.Context, who social.Identity, l social.List) (made bool, err error) {
	if err := s.check(who, l.Title); err != nil {
		return false, err
	}
	if _, isID := social.SlotOf(l.ID); !isID {
		return false, social.InvalidField("id", "must be the id of a list")
	}
	if _, err := s.Imported(ctx, who, l.ID); social.KindOf(err) != social.NotFound {
		return false, err
	}
	_, err = s.make(ctx, who, derived(who, l.ID), l.Title, func(context.Context, *store.Write, string) error { return nil })
	if errors.Is(err, store.ErrExists) {
		return false, nil // another import came first by a moment
	}
	return err == nil, err
}

// Imported gives the id of the list of who's that an archive names: that list, or
// the one that Import made of it.
func (s *Service) Imported(ctx context.Context, who social.Identity, id string) (string, error) {
	if _, isID := social.SlotOf(id); !isID {
		return "", noList(id)
	}
	var l social.List
	var err error
	for _, id := range []string{derived(who, id), id} {
		if l, err = s.Get(ctx, who, id); social.KindOf(err) != social.NotFound {
			break
		}
	}
	return l.ID, err
}

func derived(who social.Identity, id string) string {
	slot, _ := social.SlotOf(who.User)
	return social.DerivedID(slot, social.TimeOf(id), "import", who.User, id)
}
