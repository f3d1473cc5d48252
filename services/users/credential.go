package users

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// SetPassword replaces the password of who, whom ref must name, and ends all
// sessions of the account. It fails with Forbidden, of the field current_password,
// when current is not the present one.
func (s *Service) SetPassword(ctx context.Context, who social.Identity, ref, current, next string) error {
	if err := validatePassword("new_password", next); err != nil {
		return err
	}
	u, err := s.own(ctx, who, ref)
	if err != nil {
		return err
	}
	credential, err := s.credential(ctx, u.ID)
	if err != nil {
		return err
	}
	ok := false
	if validatePassword("current_password", current) == nil {
		if ok, err = s.passwords.verify(ctx, current, credential.PHC); err != nil {
			return err
		}
	}
	if !ok {
		return &social.Error{Kind: social.Forbidden, Field: "current_password", Detail: "is not the password of the account"}
	}
	phc, err := s.passwords.hash(ctx, next)
	if err != nil {
		return err
	}
	return s.renew(ctx, u.ID, store.FieldValue{ID: schema.FieldHash, Value: []byte(phc)})
}

// LogOutEverywhere ends all sessions of who.
func (s *Service) LogOutEverywhere(ctx context.Context, who social.Identity) error {
	if who.Anonymous() {
		return social.Errorf(social.Unauthenticated, "there is no session to end")
	}
	return s.renew(ctx, who.User)
}

// renew begins a generation of tokens, and writes further fields of the
// credential with it.
func (s *Service) renew(ctx context.Context, user string, fields ...store.FieldValue) error {
	slot, _ := social.SlotOf(user)
	generation := social.NewID(slot, s.now()) // generations sort by time
	fields = append(fields, store.FieldValue{ID: schema.FieldGeneration, Value: []byte(generation)})
	err := s.writeEverywhere(ctx, store.Write{Mutations: []store.Mutation{
		{Key: schema.Credential(user), Op: store.Update, If: store.IfExists, Fields: fields},
	}})
	if err != nil {
		return fmt.Errorf("write credential of %s: %w", user, behind(err))
	}
	return nil
}

// credential asks a majority, so that a password which was changed through another
// node a moment ago no longer counts; where none can be reached, what is here does.
func (s *Service) credential(ctx context.Context, user string) (schema.CredentialRecord, error) {
	row, err := s.rows.Get(schema.Majority(ctx), schema.Credential(user))
	if errors.Is(err, store.ErrUnavailable) {
		row, err = s.rows.Get(ctx, schema.Credential(user))
	}
	if err != nil {
		return schema.CredentialRecord{}, fmt.Errorf("read credential of %s: %w", user, behind(err))
	}
	return schema.DecodeCredential(row)
}
