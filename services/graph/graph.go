// Package graph is how accounts stand to one another: who follows whom, who is
// friends with whom, and who wants nothing to do with whom.
//
// The truth of each is one row in the slot of the account that acts; its mirror in
// the other's slot is a consequence that services/fanout writes, so it may lag by a
// moment. Hence all lists of an account are read from the account's own slot.
//
// Users are friends when each follows the other, or when each has agreed to be. A
// block ends whatever stands between two accounts, and nothing new can come to
// stand while it lasts; neither sees what the other posts. Unblocking restores
// nothing. A mute only keeps the muted one's posts from the muter's timelines.
package graph

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grapevine/crdt"
	"grapevine/services/coherent"
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

// Config is what the service needs. Rows and Users are required.
type Config struct {
	Rows  store.Rows
	Users Directory
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// Current says whether this node owns a slot and has applied all that ctx's
	// session wrote there, so that whatever Invalidate was not told of has not
	// changed. Nil means never; then only counts that are long to make are cached.
	Current func(ctx context.Context, slot store.Slot) bool
	// CacheBytes bounds each of the three caches: of whose posts a reader does not see,
	// of whom readers follow, and of counts. 0 means 8 MiB.
	CacheBytes uint64
}

// Service is the graph. It is safe for concurrent use.
type Service struct {
	rows     store.Rows
	users    Directory
	now      func() time.Time
	current  func(context.Context, store.Slot) bool
	barred   *coherent.Cache[barred]
	followed *coherent.Cache[followed]
	counts   *coherent.Cache[counted]
}

const defaultCache = 8 << 20

// New makes the service. It fails only when a bound in cfg is out of range.
func New(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Current == nil {
		cfg.Current = func(context.Context, store.Slot) bool { return false }
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCache
	}
	hidden, err := coherent.New(cfg.CacheBytes, weighBarred)
	if err != nil {
		return nil, fmt.Errorf("make cache of blocks: %w", err)
	}
	follows, err := coherent.New(cfg.CacheBytes, weighFollowed)
	if err != nil {
		return nil, fmt.Errorf("make cache of follows: %w", err)
	}
	counts, err := coherent.New(cfg.CacheBytes, weighCounted)
	if err != nil {
		return nil, fmt.Errorf("make cache of counts: %w", err)
	}
	return &Service{rows: cfg.Rows, users: cfg.Users, now: cfg.Now, current: cfg.Current, barred: hidden, followed: follows, counts: counts}, nil
}

// Invalidate is a store.Invalidator: it must be told of every change applied on
// this node.
func (s *Service) Invalidate(keys []store.Key) {
	for _, k := range keys {
		owner, _, _ := schema.Split(k)
		switch k.Family {
		case schema.FamilyBlock, schema.FamilyBlockedBy, schema.FamilyMute:
			s.barred.Drop(owner)
		case schema.FamilyFollowing, schema.FamilyFollower, schema.FamilyAgreed, schema.FamilyAsked:
			s.recount(owner)
		}
		if k.Family == schema.FamilyFollowing {
			s.followed.Drop(owner)
		}
	}
}

// Follow makes the user of the ref follower, who must be who, follow the user of
// the ref followee. To follow twice is to follow once. Where one of the two blocks
// the other it is Forbidden.
func (s *Service) Follow(ctx context.Context, who social.Identity, follower, followee string) error {
	other, err := s.pair(ctx, who, follower, followee, "other")
	if err != nil {
		return err
	}
	rows, err := s.between(ctx, schema.Block(who.User, other), schema.Block(other, who.User), schema.Following(who.User, other))
	if err != nil {
		return err
	}
	if rows[0].Exists() || rows[1].Exists() {
		return blocked("follow")
	}
	return s.agree(ctx, other, schema.Following(who.User, other), rows[2].Exists())
}

// agree puts a row of a user's by which the user turns to another. Where there is one
// it puts it anew only if the other is ending it: of what the other has ended, what
// comes later stands.
func (s *Service) agree(ctx context.Context, other string, k store.Key, exists bool) error {
	put := store.Mutation{Key: k, Op: store.Put, If: store.IfAbsent}
	if exists {
		user, _, _ := schema.Split(k)
		ending, err := s.ending(ctx, other, user)
		if err != nil {
			return err
		}
		if ending {
			put.If = store.Always
		}
	}
	// Sent even where it changes nothing, so that the reply tells its copies.
	err := s.change(ctx, put)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Unfollow ends that the user of the ref follower, who must be who, follows the
// user of the ref followee. It does nothing where there is no follow.
func (s *Service) Unfollow(ctx context.Context, who social.Identity, follower, followee string) error {
	other, err := s.pair(ctx, who, follower, followee, "other")
	if err != nil {
		return err
	}
	return s.change(ctx, store.Mutation{Key: schema.Following(who.User, other), Op: store.Remove})
}

// change is serial so that an act and its contrary sent to different nodes, one
// after the other, take effect in that order.
func (s *Service) change(ctx context.Context, ms ...store.Mutation) error {
	if _, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: ms}); err != nil {
		return fmt.Errorf("write relation %s: %w", ms[0].Key.Sort, err)
	}
	return nil
}

// between reads rows that say how two accounts stand to each other.
func (s *Service) between(ctx context.Context, keys ...store.Key) ([]crdt.Row, error) {
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read relation %s: %w", keys[0].Sort, err)
	}
	return rows, nil
}

// blocked refuses an act between two accounts. It does not say which of them blocks
// the other.
func blocked(act string) error {
	return social.Errorf(social.Forbidden, "cannot %s: one of the two accounts blocks the other", act)
}

// own gives the id of the user of a ref, which must be who's own account.
func (s *Service) own(ctx context.Context, who social.Identity, ref string) (string, error) {
	if who.Anonymous() {
		return "", social.Errorf(social.Unauthenticated, "log in first")
	}
	if ref == who.User {
		return ref, nil
	}
	id, err := s.users.Resolve(ctx, ref)
	if err != nil {
		return "", err
	}
	if id != who.User {
		return "", social.Errorf(social.Forbidden, "an account's relations are its own: use its own token")
	}
	return id, nil
}

// pair checks that ref is who's own account, and gives the id of the other's, which
// field names.
func (s *Service) pair(ctx context.Context, who social.Identity, ref, other, field string) (string, error) {
	if _, err := s.own(ctx, who, ref); err != nil {
		return "", err
	}
	id, err := s.users.Resolve(ctx, other)
	if err != nil {
		return "", err
	}
	if id == who.User {
		return "", social.InvalidField(field, "must be another account than your own")
	}
	return id, nil
}
