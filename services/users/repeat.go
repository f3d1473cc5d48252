package users

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// repeated logs in to the account that an earlier sign-up with the same key made, if
// any. The key is noted with the claim to the name, so that it goes with it. A sign-up
// that ended between its claim and its account is brought to its end.
func (s *Service) repeated(ctx context.Context, n social.NewUser) (social.Session, bool, error) {
	if n.Key == "" {
		return social.Session{}, false, nil
	}
	id, read, err := s.claimedWith(ctx, n)
	if err != nil || id == "" {
		return social.Session{}, false, err
	}
	rows, err := s.rows.GetMany(read, []store.Key{schema.User(id), schema.Credential(id)})
	if err != nil {
		return social.Session{}, false, fmt.Errorf("read account %s: %w", id, err)
	}
	switch {
	case !rows[0].Exists() && rows[1].Exists():
		return social.Session{}, false, nil // it was deleted
	case !rows[0].Exists():
		return s.resume(ctx, n, id)
	}
	a := account{}
	if a.user, err = schema.DecodeUser(id, rows[0]); err != nil || a.user.Username != n.Username {
		return social.Session{}, false, err
	}
	if a.CredentialRecord, err = schema.DecodeCredential(rows[1]); err != nil {
		return social.Session{}, false, err
	}
	return s.again(ctx, n, a)
}

// claimedWith gives the id of the account for which the key claimed the name, "" when
// there is none, and the context in which to read it: a majority is asked where there
// is one, because a client repeats itself just when a node has failed.
func (s *Service) claimedWith(ctx context.Context, n social.NewUser) (id string, read context.Context, err error) {
	read = schema.Majority(ctx)
	row, err := s.rows.Get(read, schema.Name(n.Username))
	if errors.Is(err, store.ErrUnavailable) {
		read = ctx
		row, err = s.rows.Get(read, schema.Name(n.Username))
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
		return "", read, nil
	}
	if err != nil {
		return "", read, fmt.Errorf("read name %s: %w", n.Username, err)
	}
	first, _ := row.First()
	noted, ok := row.Field(schema.FieldClaimKey)
	if id = string(first.Value); !ok || !bytes.Equal(noted.Value, schema.ClaimKey(id, n.Key)) {
		return "", read, nil
	}
	return id, read, nil
}

// again logs in to an account that was signed up with the key before. It is a write
// like the first: it waits for as many copies as its client asks for, and its session
// sees the account on any node.
func (s *Service) again(ctx context.Context, n social.NewUser, a account) (social.Session, bool, error) {
	ok, err := s.passwords.verify(ctx, n.Password, a.PHC)
	if err != nil {
		return social.Session{}, false, err
	}
	if !ok {
		return social.Session{}, false, &social.Error{
			Kind: social.Conflict, Field: "Idempotency-Key",
			Detail: "the key was used with another password, or the password was changed since; log in, or take another key",
		}
	}
	_, err = s.rows.Write(ctx, store.Write{Mutations: []store.Mutation{{
		Key: schema.User(a.user.ID), Op: store.Update, If: store.IfExists,
		Fields: []store.FieldValue{{ID: schema.FieldSignedUp, Value: []byte{1}}},
	}}})
	if err != nil {
		return social.Session{}, false, fmt.Errorf("renew sign-up of %s: %w", a.user.ID, behind(err))
	}
	return s.session(a.user, a.Generation), true, nil
}

// resume makes the account of a claim whose sign-up did not come to its end.
func (s *Service) resume(ctx context.Context, n social.NewUser, id string) (social.Session, bool, error) {
	phc, err := s.passwords.hash(ctx, n.Password)
	if err != nil {
		return social.Session{}, false, err
	}
	u := social.User{
		ID: id, Username: n.Username, DisplayName: n.DisplayName, Bio: n.Bio,
		CreatedAt: social.TimeOf(id).Truncate(time.Millisecond),
	}
	// The claim is the earlier request's, and not for this one to give back.
	err = s.open(ctx, u, phc, causal.Dot{})
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("%w: %w", store.ErrBehind, err) // it was not there just now
	}
	if err != nil {
		return social.Session{}, false, err
	}
	return s.session(patched(u, social.UserPatch{}), ""), true, nil
}
