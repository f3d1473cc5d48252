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
	"github.com/maypok86/otter/v2/stats"

	"grapevine/crdt"
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

// grant is what a token says.
type grant struct {
	social.Identity
	generation string
}

// claimGeneration names the part of a token that is not of PASETO's.
const claimGeneration = "generation"

func issue(key paseto.V4SymmetricKey, g grant) string {
	t := paseto.NewToken()
	t.SetSubject(g.User)
	t.SetJti(g.TokenID)
	t.SetExpiration(g.Expires)
	if g.generation != "" {
		t.SetString(claimGeneration, g.generation)
	}
	return t.V4Encrypt(key, implicit)
}

// open decrypts a token. It does not look at the expiry.
func open(key paseto.V4SymmetricKey, token string) (g grant, err error) {
	if len(token) > maxToken {
		return g, errors.New("token too long")
	}
	t, err := paseto.NewParserWithoutExpiryCheck().ParseV4Local(key, token, implicit)
	if err != nil {
		return g, err
	}
	if g.User, err = t.GetSubject(); err != nil {
		return g, err
	}
	if g.TokenID, err = t.GetJti(); err != nil {
		return g, err
	}
	if _, later := t.Claims()[claimGeneration]; later {
		if g.generation, err = t.GetString(claimGeneration); err != nil {
			return g, err
		}
	}
	g.Expires, err = t.GetExpiration()
	return g, err
}

// tokenCache remembers tokens that were decrypted, by hash, and for which of
// them the store was asked. changes counts, per group of slots, the changes to
// accounts and revocations: an answer holds while the count does.
type tokenCache struct {
	opened  *otter.Cache[[sha256.Size]byte, *openedToken]
	changes [4096]atomic.Uint64
}

type openedToken struct {
	grant
	slot store.Slot
	// goodAt is one more than the count of changes at which the store was found to
	// have the user and no revocation, 0 for never.
	goodAt atomic.Uint64
}

func newTokenCache() (*tokenCache, error) {
	opened, err := otter.New(&otter.Options[[sha256.Size]byte, *openedToken]{
		MaximumSize:   cachedTexts,
		StatsRecorder: stats.NewCounter(),
		Executor:      func(fn func()) { fn() }, // no goroutine without an owner
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
		switch k.Family {
		case schema.FamilyUser, schema.FamilyCredential, schema.FamilyRevoked:
			s.tokens.count(k.Slot).Add(1)
		}
	}
}

var errBadToken = social.Errorf(social.Unauthenticated, "the token is not valid; log in again")

// Authenticate gives the account that a token speaks for. It fails with
// Unauthenticated for a token that is malformed, expired or logged out, alone or
// with all others, or whose user was deleted.
func (s *Service) Authenticate(ctx context.Context, token string) (social.Identity, error) {
	t, err := s.opened(token)
	if err != nil || !s.now().Before(t.Expires) {
		return social.Identity{}, errBadToken
	}
	current := s.current(ctx, t.slot)
	changes := s.tokens.count(t.slot).Load()
	if current && t.goodAt.Load() == changes+1 {
		return t.Identity, nil
	}
	good, err := s.stands(ctx, t.grant)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return t.Identity, nil
	case err != nil:
		return social.Identity{}, fmt.Errorf("check token: %w", err)
	case !good:
		return social.Identity{}, errBadToken
	}
	if current {
		t.goodAt.Store(changes + 1)
	}
	return t.Identity, nil
}

// opened decrypts a token, or remembers that it did.
func (s *Service) opened(token string) (*openedToken, error) {
	hash := sha256.Sum256([]byte(token))
	if t, ok := s.tokens.opened.GetIfPresent(hash); ok {
		return t, nil
	}
	g, err := open(s.key, token)
	if err != nil {
		return nil, err
	}
	slot, ok := social.SlotOf(g.User)
	if !ok {
		return nil, errors.New("token of no user")
	}
	t := &openedToken{grant: g, slot: store.Slot(slot)}
	s.tokens.opened.Set(hash, t)
	return t, nil
}

// stands asks the store whether the token's user exists, has not logged the token
// out, and has begun no other generation of tokens. What speaks against the token
// but a log-out is confirmed by a majority, because an account, or a new password,
// may be used at once on a node that has not heard of it.
func (s *Service) stands(ctx context.Context, g grant) (bool, error) {
	keys := []store.Key{schema.User(g.User), schema.Credential(g.User), schema.Revoked(g.User, g.TokenID)}
	good := func(rows []crdt.Row) bool { return rows[0].Exists() && schema.Generation(rows[1]) == g.generation }
	rows, err := s.rows.GetMany(ctx, keys)
	if err == nil && !good(rows) {
		rows, err = s.confirmed(ctx, g, keys, rows)
	}
	if err != nil {
		return false, err
	}
	return good(rows) && !rows[2].Exists(), nil
}

// confirmed gives the rows as a majority has them. Where none can be reached, a
// token that is of an earlier generation than the one known here is dead, and any
// other is not judged: what it rests on may not have come here.
func (s *Service) confirmed(ctx context.Context, g grant, keys []store.Key, here []crdt.Row) ([]crdt.Row, error) {
	rows, err := s.rows.GetMany(schema.Majority(ctx), keys)
	if errors.Is(err, store.ErrUnavailable) && here[0].Exists() && g.generation < schema.Generation(here[1]) {
		return here, nil
	}
	return rows, err
}
