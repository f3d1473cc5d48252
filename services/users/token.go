package users

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"aidanwoods.dev/go-paseto"
	"github.com/maypok86/otter/v2"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Tokens are PASETO v4.local: encrypted and authenticated under a key that every
// node derives from the cluster's secret.
const (
	tokenLife   = 30 * 24 * time.Hour
	maxToken    = 1024 // bytes; ours have about 250
	cachedTexts = 16384
)

// implicit binds tokens to their use without being part of them.
var implicit = []byte("grapevine session v1")

func tokenKey(secret [32]byte) (paseto.V4SymmetricKey, error) {
	derived, err := hkdf.Key(sha256.New, secret[:], nil, "grapevine session token key v1", 32)
	if err != nil {
		return paseto.V4SymmetricKey{}, fmt.Errorf("derive token key: %w", err)
	}
	return paseto.V4SymmetricKeyFromBytes(derived)
}

func issue(key paseto.V4SymmetricKey, who social.Identity) string {
	t := paseto.NewToken()
	t.SetSubject(who.User)
	t.SetJti(who.TokenID)
	t.SetExpiration(who.Expires)
	return t.V4Encrypt(key, implicit)
}

// open decrypts a token. It does not look at the expiry.
func open(key paseto.V4SymmetricKey, token string) (who social.Identity, err error) {
	if len(token) > maxToken {
		return who, errors.New("token too long")
	}
	t, err := paseto.NewParserWithoutExpiryCheck().ParseV4Local(key, token, implicit)
	if err != nil {
		return who, err
	}
	if who.User, err = t.GetSubject(); err != nil {
		return who, err
	}
	if who.TokenID, err = t.GetJti(); err != nil {
		return who, err
	}
	who.Expires, err = t.GetExpiration()
	return who, err
}

// tokenCache remembers tokens that were decrypted, by hash, and for which of
// them the store was asked. changes counts, per group of slots, the changes to
// users and revocations: an answer holds while the count does.
type tokenCache struct {
	opened  *otter.Cache[[sha256.Size]byte, *openedToken]
	changes [4096]atomic.Uint64
}

type openedToken struct {
	who  social.Identity
	slot store.Slot
	// goodAt is one more than the count of changes at which the store was found to
	// have the user and no revocation, 0 for never.
	goodAt atomic.Uint64
}

func newTokenCache() (*tokenCache, error) {
	opened, err := otter.New(&otter.Options[[sha256.Size]byte, *openedToken]{
		MaximumSize: cachedTexts,
		Executor:    func(fn func()) { fn() }, // no goroutine without an owner
	})
	if err != nil {
		return nil, fmt.Errorf("make token cache: %w", err)
	}
	return &tokenCache{opened: opened}, nil
}

func (c *tokenCache) count(s store.Slot) *atomic.Uint64 { return &c.changes[int(s)%len(c.changes)] }

// Invalidate is a store.Invalidator: it must be told of every change applied on
// this node.
func (s *Service) Invalidate(keys []store.Key) {
	for _, k := range keys {
		if k.Family == schema.FamilyUser || k.Family == schema.FamilyRevoked {
			s.tokens.count(k.Slot).Add(1)
		}
	}
}

var errBadToken = social.Errorf(social.Unauthenticated, "the token is not valid; log in again")

// Authenticate gives the account that a token speaks for. It fails with
// Unauthenticated for a token that is malformed, expired or logged out, or whose
// user was deleted.
func (s *Service) Authenticate(ctx context.Context, token string) (social.Identity, error) {
	t, err := s.opened(token)
	if err != nil || !s.now().Before(t.who.Expires) {
		return social.Identity{}, errBadToken
	}
	current := s.current(ctx, t.slot)
	changes := s.tokens.count(t.slot).Load()
	if current && t.goodAt.Load() == changes+1 {
		return t.who, nil
	}
	good, err := s.stands(ctx, t.who)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return t.who, nil
	case err != nil:
		return social.Identity{}, fmt.Errorf("check token: %w", err)
	case !good:
		return social.Identity{}, errBadToken
	}
	if current {
		t.goodAt.Store(changes + 1)
	}
	return t.who, nil
}

// opened decrypts a token, or remembers that it did.
func (s *Service) opened(token string) (*openedToken, error) {
	hash := sha256.Sum256([]byte(token))
	if t, ok := s.tokens.opened.GetIfPresent(hash); ok {
		return t, nil
	}
	who, err := open(s.key, token)
	if err != nil {
		return nil, err
	}
	slot, ok := social.SlotOf(who.User)
	if !ok {
		return nil, errors.New("token of no user")
	}
	t := &openedToken{who: who, slot: store.Slot(slot)}
	s.tokens.opened.Set(hash, t)
	return t, nil
}

// stands asks the store whether the token's user exists and has not logged the
// token out. That the user does not exist is confirmed by a majority, because an
// account may be used at once on a node that has not heard of it.
func (s *Service) stands(ctx context.Context, who social.Identity) (bool, error) {
	keys := []store.Key{schema.User(who.User), schema.Revoked(who.User, who.TokenID)}
	rows, err := s.rows.GetMany(ctx, keys)
	if err == nil && !rows[0].Exists() {
		rows, err = s.rows.GetMany(schema.Majority(ctx), keys)
	}
	if err != nil {
		return false, err
	}
	return rows[0].Exists() && !rows[1].Exists(), nil
}
