package lists

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// createOnce makes a list of an id, or gives the one that was made with the key before.
func (s *Service) createOnce(ctx context.Context, who social.Identity, id string, in social.NewList) (social.List, error) {
	if len(in.Key) > social.MaxKey {
		return social.List{}, social.InvalidField("Idempotency-Key", "must have at most %d bytes", social.MaxKey)
	}
	// Posts have keys of their own.
	once := schema.Once{Rows: s.cfg.Rows, Now: s.cfg.Now, User: who.User, Key: "list\x00" + in.Key}
	if first, known, err := s.made(ctx, who, once); known || err != nil {
		return first, err
	}
	l, err := s.make(ctx, who, id, in.Title, once.Remember)
	if !errors.Is(err, store.ErrExists) {
		return l, err
	}
	// Another request with the key came first by a moment.
	first, known, err := s.made(ctx, who, once)
	if err == nil && !known {
		err = fmt.Errorf("list of a claimed key: %w", store.ErrBehind)
	}
	return first, err
}

// made gives the list that a key was used for, if any.
func (s *Service) made(ctx context.Context, who social.Identity, once schema.Once) (l social.List, known bool, err error) {
	id, read, known, err := once.Find(ctx)
	if !known || err != nil {
		return l, false, err
	}
	l, err = s.Get(read, who, id)
	if social.KindOf(err) == social.NotFound {
		return l, false, social.Errorf(social.Conflict, "the list made with this Idempotency-Key is gone")
	}
	if err != nil {
		return l, false, err
	}
	return l, true, once.Renew(ctx)
}
