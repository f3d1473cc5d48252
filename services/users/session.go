package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// releaseTimeout bounds the attempt to give back the name of a failed sign-up.
const releaseTimeout = 2 * time.Second

// Create signs a user up and logs it in. With a Key that the same sign-up came with
// before, it logs in to the account that was made then.
func (s *Service) Create(ctx context.Context, n social.NewUser) (social.Session, error) {
	n.Username = social.FoldName(n.Username)
	if err := validateNew(n); err != nil {
		return social.Session{}, err
	}
	session, known, err := s.repeated(ctx, n)
	if err != nil || known {
		return session, err
	}
	session, err = s.signUp(ctx, n)
	if social.KindOf(err) == social.Conflict || errors.Is(err, store.ErrExists) {
		// Another request with the key may have been faster by a moment.
		if other, known, again := s.repeated(ctx, n); again != nil || known {
			return other, again
		}
	}
	return session, err
}

// signUp makes an account that is not there.
func (s *Service) signUp(ctx context.Context, n social.NewUser) (social.Session, error) {
	phc, err := s.passwords.hash(ctx, n.Password)
	if err != nil {
		return social.Session{}, err
	}
	now := s.now()
	u := social.User{
		ID: social.NewID(social.RandomSlot(), now), Username: n.Username,
		DisplayName: n.DisplayName, Bio: n.Bio, CreatedAt: now.UTC().Truncate(time.Millisecond),
	}
	claimed, err := s.claim(ctx, u.Username, u.ID, n.Key)
	if err != nil && !errors.Is(err, store.ErrDurability) {
		return social.Session{}, fmt.Errorf("claim name %s: %w", u.Username, err)
	}
	if err := s.open(ctx, u, phc, claimed.Dot); err != nil {
		return social.Session{}, err
	}
	return s.session(patched(u, social.UserPatch{}), ""), nil
}

// open writes the account whose name was claimed. A failure after which the
// account may exist all the same keeps the claim: should it not exist, the claim
// counts as abandoned after a while.
func (s *Service) open(ctx context.Context, u social.User, phc string, claim causal.Dot) error {
	_, err := s.rows.Write(ctx, store.Write{Mutations: []store.Mutation{
		{Key: schema.User(u.ID), Op: store.Put, If: store.IfAbsent, Value: schema.EncodeUser(u)},
		{Key: schema.Credential(u.ID), Op: store.Put, Value: schema.EncodeCredential(u.Username, phc)},
	}})
	if err != nil {
		err = fmt.Errorf("write user %s: %w", u.ID, err)
	}
	return s.giveBack(ctx, u.Username, claim, err)
}

// giveBack releases a claim when the write that it was made for has certainly
// failed. It gives that write's error.
func (s *Service) giveBack(ctx context.Context, name string, claim causal.Dot, err error) error {
	if claim != (causal.Dot{}) && (errors.Is(err, store.ErrOverloaded) || errors.Is(err, store.ErrNoSpace)) {
		// The request may have ended; the name must not stay behind for that.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		err = errors.Join(err, s.release(ctx, name, claim))
	}
	return err
}

// LogIn gives a session for a username and its password. An unknown name and a
// wrong password give the same error after the same work.
func (s *Service) LogIn(ctx context.Context, username, password string) (social.Session, error) {
	// What could not have been set is not hashed, nor does its refusal depend on
	// whether the name exists.
	if validatePassword("password", password) != nil {
		return social.Session{}, errWrongLogin
	}
	a, err := schema.Confirm(ctx, func(ctx context.Context) (account, error) {
		return s.account(ctx, social.FoldName(username))
	})
	if err != nil && social.KindOf(err) != social.NotFound {
		return social.Session{}, err
	}
	ok, err := s.passwords.verify(ctx, password, a.PHC)
	if err != nil {
		return social.Session{}, err
	}
	if !ok {
		return social.Session{}, errWrongLogin
	}
	return s.session(a.user, a.Generation), nil
}

var errWrongLogin = social.Errorf(social.Unauthenticated, "the username or the password is wrong")

// account is a user with what proves its owner.
type account struct {
	user social.User
	schema.CredentialRecord
}

// account gives the account that holds a name.
func (s *Service) account(ctx context.Context, name string) (account, error) {
	id, err := s.claimant(ctx, name)
	if err != nil {
		return account{}, err
	}
	rows, err := s.rows.GetMany(ctx, []store.Key{schema.User(id), schema.Credential(id)})
	if err != nil {
		return account{}, fmt.Errorf("read account %s: %w", id, err)
	}
	if !rows[0].Exists() || !rows[1].Exists() {
		return account{}, noUser("@" + name)
	}
	u, err := schema.DecodeUser(id, rows[0])
	if err != nil {
		return account{}, err
	}
	if u.Username != name {
		return account{}, noUser("@" + name)
	}
	credential, err := schema.DecodeCredential(rows[1])
	return account{u, credential}, err
}

// session issues a token of a generation for a user.
func (s *Service) session(u social.User, generation string) social.Session {
	now := s.now()
	slot, _ := social.SlotOf(u.ID)
	who := social.Identity{User: u.ID, TokenID: social.NewID(slot, now), Expires: now.Add(tokenLife).UTC().Truncate(time.Second)}
	return social.Session{Token: issue(s.key, grant{who, generation}), ExpiresAt: who.Expires, User: u}
}

// sweep is how many revocations of a user a log-out looks at to remove those of
// tokens that have expired. Token ids sort by time, so these are the oldest.
const sweep = 16

// LogOut ends the token that who was authenticated by.
func (s *Service) LogOut(ctx context.Context, who social.Identity) error {
	if who.Anonymous() {
		return social.Errorf(social.Unauthenticated, "there is no session to end")
	}
	write := store.Write{Mutations: []store.Mutation{{Key: schema.Revoked(who.User, who.TokenID), Op: store.Put}}}
	old, err := s.rows.Scan(ctx, schema.Of(schema.FamilyRevoked, who.User, "", false, sweep))
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	for _, e := range old {
		if s.now().Sub(social.TimeOf(schema.Other(e.Key))) > tokenLife+time.Hour {
			write.Mutations = append(write.Mutations, store.Mutation{Key: e.Key, Op: store.Remove})
		}
	}
	if err := s.writeEverywhere(ctx, write); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// writeEverywhere answers when all owners in reach have the write, so that a token that
// it ends is good on none of them. It fails for want of copies only where fewer stand
// than the client asked for.
func (s *Service) writeEverywhere(ctx context.Context, w store.Write) error {
	asked := store.RequestOf(ctx)
	all := &store.Request{Durability: store.All, ID: asked.Name()}
	wanted := store.Default
	if asked != nil {
		wanted = asked.Durability
		if err := all.Resume(asked.Token()); err != nil {
			return err
		}
	}
	receipt, err := s.rows.Write(store.WithRequest(ctx, all), w)
	if errors.Is(err, store.ErrDurability) && wanted != store.All && receipt.Copies >= wanted {
		err = nil
	}
	if err == nil || errors.Is(err, store.ErrDurability) {
		asked.Record(receipt)
	}
	return err
}
