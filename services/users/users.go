// Package users is the accounts: signing up, logging in and out, who a token
// speaks for, and the profile that everybody sees.
//
// A username is unique: the claim to it, in the name's slot, is made through the
// partition's first healthy owner, so that claims are checked one after another.
// Claims made on two sides of a partition both stand until it heals; then the
// earlier one holds.
//
// A token is verified on any node without a look-up. That its user still exists
// and has not logged it out is read from the user's partition; while no owner of
// that can be reached, a valid token is accepted: the API stays available, and a
// logged-out token lives at most until its expiry.
//
// A token belongs to the generation of tokens in which it was issued. A new
// password, and logging out everywhere, begin another, and all tokens of the
// earlier ones die, whatever the clocks of the nodes say.
package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aidanwoods.dev/go-paseto"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Config is what the service needs.
type Config struct {
	Rows store.Rows
	// Secret is the cluster's secret; the key of the tokens is derived from it.
	Secret [32]byte
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// Current says whether this node owns a slot and has applied all that ctx's
	// session wrote there, so that whatever Invalidate was not told of has not
	// changed. Nil means never; then every Authenticate reads the store.
	Current func(ctx context.Context, slot store.Slot) bool
	// HashParallel bounds the passwords hashed at once. 0 means GOMAXPROCS.
	HashParallel int
	// HashWaiting bounds the requests that wait for their turn to hash; further
	// ones are refused as Overloaded. 0 means 256.
	HashWaiting int
	// HashCost is the cost of a new password hash. The zero Cost means DefaultCost.
	HashCost Cost
}

// Service is the accounts. It is safe for concurrent use.
type Service struct {
	rows      store.Rows
	now       func() time.Time
	current   func(context.Context, store.Slot) bool
	passwords *hasher
	key       paseto.V4SymmetricKey
	tokens    *tokenCache
}

// New makes the service. It fails only when a bound in cfg is out of range.
func New(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Current == nil {
		cfg.Current = func(context.Context, store.Slot) bool { return false }
	}
	passwords, err := newHasher(cfg)
	if err != nil {
		return nil, err
	}
	key, err := tokenKey(cfg.Secret)
	if err != nil {
		return nil, err
	}
	tokens, err := newTokenCache()
	if err != nil {
		return nil, err
	}
	return &Service{rows: cfg.Rows, now: cfg.Now, current: cfg.Current, passwords: passwords, key: key, tokens: tokens}, nil
}

// Get returns the user of a ref, an id or @name.
func (s *Service) Get(ctx context.Context, ref string) (social.User, error) {
	return schema.Confirm(ctx, func(ctx context.Context) (social.User, error) { return s.find(ctx, ref) })
}

// Resolve gives the id of the user of a ref, an id or @name.
func (s *Service) Resolve(ctx context.Context, ref string) (string, error) {
	u, err := s.Get(ctx, ref)
	return u.ID, err
}

func (s *Service) find(ctx context.Context, ref string) (social.User, error) {
	id, err := s.lookUp(ctx, ref)
	if err != nil {
		return social.User{}, err
	}
	row, err := s.rows.Get(ctx, schema.User(id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return social.User{}, noUser(ref)
	case err != nil:
		return social.User{}, fmt.Errorf("read user %s: %w", id, err)
	}
	u, err := schema.DecodeUser(id, row)
	if name, isName := cutName(ref); err == nil && isName && name != u.Username {
		return social.User{}, noUser(ref) // a claim that is being made or released
	}
	return u, err
}

// lookUp gives the id in a ref, without asking whether such a user exists.
func (s *Service) lookUp(ctx context.Context, ref string) (string, error) {
	if name, isName := cutName(ref); isName {
		return s.claimant(ctx, name)
	}
	if _, ok := social.SlotOf(ref); !ok {
		return "", noUser(ref)
	}
	return ref, nil
}

func noUser(ref string) error {
	return social.Errorf(social.NotFound, "there is no user %.40q", ref)
}

// GetMany returns the users of the ids in their order, leaving out those that
// do not exist.
func (s *Service) GetMany(ctx context.Context, ids []string) ([]social.User, error) {
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		keys[i] = schema.User(id)
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d users: %w", len(ids), err)
	}
	return decodeAll(ids, rows)
}

func decodeAll(ids []string, rows []crdt.Row) ([]social.User, error) {
	users := make([]social.User, 0, len(ids))
	for i, row := range rows {
		if !row.Exists() {
			continue
		}
		u, err := schema.DecodeUser(ids[i], row)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

// List returns all users, newest first, and of how many partitions.
func (s *Service) List(ctx context.Context, cut social.Cut) (social.Page[social.User], store.Coverage, error) {
	page := social.Page[social.User]{Items: []social.User{}}
	cut, err := schema.Verify(cut)
	if err != nil {
		return page, store.Coverage{}, err
	}
	// One more than is shown tells whether there is a next page.
	entries, coverage, err := s.rows.ScanIndex(ctx, store.IndexRange{
		Family: schema.FamilyUser, After: cut.Cursor, Reverse: true, Limit: cut.Limit + 1,
	})
	if err != nil {
		return page, coverage, fmt.Errorf("list users: %w", err)
	}
	if len(entries) > cut.Limit {
		entries = entries[:cut.Limit]
		page.Next = entries[cut.Limit-1].Key.Sort
	}
	for _, e := range entries {
		u, err := schema.DecodeUser(e.Key.Sort, e.Row)
		if err != nil {
			return page, coverage, err
		}
		page.Items = append(page.Items, u)
	}
	return page, coverage, nil
}

// Delete ends the account of who, whom ref must name. The account and its tokens
// are gone at once; its name, posts and follows follow.
func (s *Service) Delete(ctx context.Context, who social.Identity, ref string) error {
	u, err := s.own(ctx, who, ref)
	if err != nil {
		return err
	}
	_, err = s.rows.Write(ctx, store.Write{Mutations: []store.Mutation{
		{Key: schema.User(u.ID), Op: store.Remove, If: store.IfExists},
		schema.Gone(schema.Credential(u.ID)),
	}})
	if err != nil {
		return fmt.Errorf("delete user %s: %w", u.ID, behind(err))
	}
	return nil
}

// own gives the user of ref, which must be who's own account.
func (s *Service) own(ctx context.Context, who social.Identity, ref string) (social.User, error) {
	if who.Anonymous() {
		return social.User{}, social.Errorf(social.Unauthenticated, "log in to change your account")
	}
	u, err := s.Get(ctx, ref)
	if err != nil {
		return social.User{}, err
	}
	if u.ID != who.User {
		return social.User{}, social.Errorf(social.Forbidden, "an account changes only with its own token")
	}
	return u, nil
}

// behind renames the failure of a condition on a row that was read just now: the
// owner that coordinated has not seen it yet, and will.
func behind(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", store.ErrBehind, err)
	}
	return err
}
