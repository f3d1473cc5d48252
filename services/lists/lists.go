// Package lists is the lists of accounts that users keep, each for a timeline of its
// own, which services/timeline makes. A list and its members lie in its owner's slot,
// and nobody but the owner is told of them.
package lists

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Directory finds users.
type Directory interface {
	// Resolve gives the id of the user of a ref, an id or @name, or NotFound.
	Resolve(ctx context.Context, ref string) (string, error)
	// GetMany gives the users of the ids in their order, leaving out the missing.
	GetMany(ctx context.Context, ids []string) ([]social.User, error)
}

// Relations tells whom a user does not see.
type Relations interface {
	// Barred gives those of the users of whom the reader sees nothing, because one of
	// the two blocks the other.
	Barred(ctx context.Context, reader string, users []string) (map[string]bool, error)
}

// Config is what the service needs. All but Now is required.
type Config struct {
	Rows      store.Rows
	Users     Directory
	Relations Relations
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Service is the lists. It is safe for concurrent use.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg}
}

// Create makes a list of who's, or gives the one that was made with the key before.
// One who has social.MaxLists gets a Conflict.
func (s *Service) Create(ctx context.Context, who social.Identity, in social.NewList) (social.List, error) {
	if err := s.check(who, in.Title); err != nil {
		return social.List{}, err
	}
	slot, _ := social.SlotOf(who.User)
	id := social.NewID(slot, s.cfg.Now())
	if in.Key != "" {
		return s.createOnce(ctx, who, id, in)
	}
	return s.make(ctx, who, id, in.Title, func(context.Context, *store.Write, string) error { return nil })
}

// make makes a list, by a write to which more may be added.
func (s *Service) make(ctx context.Context, who social.Identity, id, title string, add func(ctx context.Context, w *store.Write, id string) error) (social.List, error) {
	if err := s.room(ctx, schema.Of(schema.FamilyList, who.User, "", false, social.MaxLists), "lists: delete one first"); err != nil {
		return social.List{}, err
	}
	l := social.List{ID: id, Title: title, CreatedAt: social.TimeOf(id)}
	w := store.Write{Serial: true, Mutations: []store.Mutation{
		{Key: schema.UserList(who.User, id), Op: store.Put, If: store.IfAbsent, Value: schema.EncodeList(l)},
	}}
	if err := add(ctx, &w, id); err != nil {
		return l, err
	}
	if _, err := s.cfg.Rows.Write(ctx, w); err != nil {
		return l, fmt.Errorf("write list %s: %w", id, err)
	}
	return l, nil
}

// Get gives one of who's lists, or NotFound.
func (s *Service) Get(ctx context.Context, who social.Identity, id string) (social.List, error) {
	if who.Anonymous() {
		return social.List{}, anonymous()
	}
	return schema.Confirm(ctx, func(ctx context.Context) (social.List, error) {
		row, err := s.cfg.Rows.Get(ctx, schema.UserList(who.User, id))
		if errors.Is(err, store.ErrNotFound) {
			return social.List{}, noList(id)
		}
		if err != nil {
			return social.List{}, fmt.Errorf("read list %s: %w", id, err)
		}
		return schema.DecodeList(id, row)
	})
}

// Rename gives one of who's lists another title.
func (s *Service) Rename(ctx context.Context, who social.Identity, id, title string) (social.List, error) {
	if err := s.check(who, title); err != nil {
		return social.List{}, err
	}
	l, err := s.Get(ctx, who, id)
	if err != nil {
		return social.List{}, err
	}
	l.Title = title
	err = s.write(ctx, store.Mutation{
		Key: schema.UserList(who.User, id), Op: store.Update, If: store.IfExists,
		Fields: []store.FieldValue{{ID: schema.FieldTitle, Value: []byte(title)}},
	})
	if errors.Is(err, store.ErrNotFound) {
		return social.List{}, noList(id)
	}
	return l, err
}

// Delete deletes one of who's lists, with its members. It does nothing where there is
// none: the request may be one that was sent again.
func (s *Service) Delete(ctx context.Context, who social.Identity, id string) error {
	if who.Anonymous() {
		return anonymous()
	}
	members, err := s.cfg.Rows.Scan(ctx, schema.ListMembers(who.User, id, "", 2*social.MaxListMembers))
	if err != nil {
		return fmt.Errorf("read members of list %s: %w", id, err)
	}
	ms := []store.Mutation{{Key: schema.UserList(who.User, id), Op: store.Remove}}
	for _, e := range members {
		ms = append(ms, store.Mutation{Key: e.Key, Op: store.Remove})
	}
	return s.write(ctx, ms...)
}

// List lists who's lists, oldest first.
func (s *Service) List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.List], error) {
	if who.Anonymous() {
		return social.Page[social.List]{Items: []social.List{}}, anonymous()
	}
	return schema.Owned(s.cfg.Rows, schema.FamilyList, who.User, schema.DecodeList).Page(ctx, cut)
}

// check refuses visitors and bad titles.
func (s *Service) check(who social.Identity, title string) error {
	if who.Anonymous() {
		return anonymous()
	}
	if !utf8.ValidString(title) || strings.ContainsFunc(title, unicode.IsControl) {
		return social.InvalidField("title", "must be valid UTF-8 without control characters")
	}
	if n := utf8.RuneCountInString(title); n > social.MaxListTitle || strings.TrimSpace(title) == "" {
		return social.InvalidField("title", "must have 1 to %d characters, not only white space", social.MaxListTitle)
	}
	return nil
}

// room refuses what would be more than the limit of a range.
func (s *Service) room(ctx context.Context, r store.Range, what string) error {
	n, err := s.cfg.Rows.Count(ctx, r)
	if err != nil {
		return fmt.Errorf("count %s: %w", r.Prefix, err)
	}
	if n >= r.Limit {
		return social.Errorf(social.Conflict, "there are %d %s", n, what)
	}
	return nil
}

// write is serial so that an act and its contrary sent to different nodes, one after
// the other, take effect in that order.
func (s *Service) write(ctx context.Context, ms ...store.Mutation) error {
	if _, err := s.cfg.Rows.Write(ctx, store.Write{Serial: true, Mutations: ms}); err != nil {
		return fmt.Errorf("write list %s: %w", ms[0].Key.Sort, err)
	}
	return nil
}

func anonymous() error { return social.Errorf(social.Unauthenticated, "log in to keep lists") }

func noList(id string) error { return social.Errorf(social.NotFound, "you have no list %.40q", id) }
