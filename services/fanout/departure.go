package fanout

import (
	"context"
	"errors"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// account sees to the name of an account, and ends what a deleted one had. It begins with the name, so that it
// is free soon, and ends with the credential, which tells of the deletion and
// keeps others from taking the name's claim for an abandoned one. What was done
// before an interruption is not there to be done again.
func (d *derivation) account(ctx context.Context, user string, row crdt.Row) error {
	if !row.Exists() {
		return nil
	}
	credential, err := schema.DecodeCredential(row)
	if err != nil {
		return err
	}
	if !schema.IsGone(row) {
		return d.entitle(ctx, user, credential.Username)
	}
	// No majority is waited for: a claim that is not known here counts as abandoned.
	name, err := d.rows.Get(d.reads, schema.Name(credential.Username))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := d.endClaims(ctx, credential.Username, claimsOf(name, user)); err != nil {
		return err
	}
	if err := d.depart(ctx, user); err != nil {
		return err
	}
	return d.add(ctx, present(schema.Departed(user), true), present(schema.Credential(user), false))
}

// depart ends what a deleted account had, as far as it is known here.
func (d *derivation) depart(ctx context.Context, user string) error {
	steps := []func(context.Context, string) error{d.departInbox, d.departPosts, d.departMessages, d.departMarks, d.departFollows, d.departRelations, d.departLists, d.departWebhooks, d.departRest}
	for _, step := range steps {
		if err := step(ctx, user); err != nil {
			return err
		}
	}
	return d.flush(ctx)
}

// departPosts ends the posts: first what is read, then what follows from it, and
// when that is acknowledged, what tells of it.
func (d *derivation) departPosts(ctx context.Context, user string) error {
	steps := []func(e store.Entry) error{
		func(e store.Entry) error { return d.add(ctx, present(schema.Post(schema.Other(e.Key)), false)) },
		func(e store.Entry) error { return d.withdraw(ctx, user, schema.Other(e.Key), e.Row) },
		func(e store.Entry) error { return d.bury(ctx, user, schema.Other(e.Key)) },
	}
	for _, step := range steps {
		if err := d.each(schema.FamilyAuthorPost, user, step); err != nil {
			return err
		}
		if err := d.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *derivation) departFollows(ctx context.Context, user string) error {
	err := d.each(schema.FamilyFollowing, user, func(e store.Entry) error {
		return d.add(ctx, present(e.Key, false), present(schema.Follower(schema.Other(e.Key), user), false))
	})
	if err != nil {
		return err
	}
	return d.each(schema.FamilyFollower, user, func(e store.Entry) error {
		return d.add(ctx, present(e.Key, false), present(schema.Following(schema.Other(e.Key), user), false))
	})
}

func (d *derivation) departRest(ctx context.Context, user string) error {
	if err := d.add(ctx, present(schema.Broad(user), false)); err != nil {
		return err
	}
	err := d.each(schema.FamilyFormerName, user, func(e store.Entry) error {
		return d.former(ctx, user, schema.Other(e.Key))
	})
	if err != nil {
		return err
	}
	for _, family := range []store.Family{schema.FamilyHome, schema.FamilyIdempotency, schema.FamilyRevoked, schema.FamilyNotice, schema.FamilyMentioned, schema.FamilyMerged, schema.FamilyNotification} {
		err := d.each(family, user, func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) })
		if err != nil {
			return err
		}
	}
	return nil
}
