package fanout

import (
	"context"
	"errors"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// account ends what a deleted account had. It begins with the name, so that it
// is free soon, and ends with the credential, which tells of the deletion and
// keeps others from taking the name's claim for an abandoned one. What was done
// before an interruption is not there to be done again.
func (d *derivation) account(ctx context.Context, user string, row crdt.Row) error {
	if !row.Exists() || !schema.IsGone(row) {
		return nil
	}
	credential, err := schema.DecodeCredential(row)
	if err != nil {
		return err
	}
	steps := []func(context.Context, string) error{d.departPosts, d.departFollows, d.departRest}
	if err := d.releaseName(ctx, credential.Username, user); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step(ctx, user); err != nil {
			return err
		}
	}
	if err := d.flush(ctx); err != nil {
		return err
	}
	return d.add(ctx, present(schema.Credential(user), false))
}

// releaseName ends a user's claim to a name, if it holds it.
func (d *derivation) releaseName(ctx context.Context, name, user string) error {
	key := schema.Name(name)
	row, err := d.rows.Get(d.reads, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if first, _ := row.First(); string(first.Value) != user {
		return nil
	}
	_, err = d.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{present(key, false)}})
	return err
}

func (d *derivation) departPosts(ctx context.Context, user string) error {
	return d.each(schema.FamilyAuthorPost, user, func(e store.Entry) error {
		id := schema.Other(e.Key)
		audience, err := schema.DecodeAudience(e.Row)
		if err != nil {
			return err
		}
		if err := d.deliver(ctx, user, id, audience, false); err != nil {
			return err
		}
		return d.add(ctx, present(schema.Post(id), false), present(e.Key, false))
	})
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
	for _, family := range []store.Family{schema.FamilyHome, schema.FamilyIdempotency, schema.FamilyRevoked} {
		err := d.each(family, user, func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) })
		if err != nil {
			return err
		}
	}
	return nil
}
