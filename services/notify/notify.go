// Package notify is what users are told: the inbox of what others did that concerns
// them, and channels, in which accounts say things to whoever listens.
//
// A notification follows from a mirror in the recipient's own slot (a like beside the
// post, a follower), and services/fanout writes it there. It is shown while the mirror
// says what it said then, and what it is about can be seen. So an inbox is read from
// one slot, whole, and what is gone, blocked, muted or not wanted is left out at once.
//
// A message in a channel is written in its author's slot; its place in the channel is
// fan-out's to write.
package notify

import (
	"context"
	"encoding/json"
	"time"

	"grapevine/services/social"
	"grapevine/store"
)

// Posts shows posts.
type Posts interface {
	// Encoded gives posts as JSON, in a slice as long as ids: nil stands for one that
	// does not exist or that the viewer may not see.
	Encoded(ctx context.Context, viewer social.Identity, ids []string) ([]json.RawMessage, error)
	// Seen says, in a slice as long as ids, which posts Encoded would give.
	Seen(ctx context.Context, viewer social.Identity, ids []string) ([]bool, error)
}

// Directory finds users.
type Directory interface {
	// GetMany gives the users of the ids in their order, leaving out the missing.
	GetMany(ctx context.Context, ids []string) ([]social.User, error)
}

// Relations tells of whom a reader sees nothing.
type Relations interface {
	// Barred gives those of the accounts of whom the reader sees nothing, because one
	// of the two blocks the other.
	Barred(ctx context.Context, reader string, accounts []string) (map[string]bool, error)
	// Muted gives those of the accounts whom the reader mutes.
	Muted(ctx context.Context, reader string, accounts []string) (map[string]bool, error)
}

// Config is what the service needs. All but Now are required.
type Config struct {
	Rows      store.Rows
	Posts     Posts
	Users     Directory
	Relations Relations
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Service is the notifications and the channels. It is safe for concurrent use.
type Service struct {
	rows      store.Rows
	posts     Posts
	users     Directory
	relations Relations
	now       func() time.Time
}

// New makes the service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{rows: cfg.Rows, posts: cfg.Posts, users: cfg.Users, relations: cfg.Relations, now: cfg.Now}
}

func loggedIn(who social.Identity, to string) error {
	if who.Anonymous() {
		return social.Errorf(social.Unauthenticated, "log in to %s", to)
	}
	return nil
}

// hidden gives those of the accounts of whom who sees nothing, or wants to see nothing.
func (s *Service) hidden(ctx context.Context, who social.Identity, accounts []string) (func(account string) bool, error) {
	barred, err := s.relations.Barred(ctx, who.User, accounts)
	if err != nil {
		return nil, err
	}
	muted, err := s.relations.Muted(ctx, who.User, accounts)
	return func(account string) bool { return barred[account] || muted[account] }, err
}
