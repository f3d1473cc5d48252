package fanout

import (
	"context"
	"errors"
	"maps"
	"slices"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// Nothing can stand between two accounts while one blocks the other. A service
// checks that before it writes, but a block and a follow made at one moment pass
// each other. They meet in the blocker's slot, where the block lies beside all that
// stands between the two, the mirrors of the other's acts included: whichever of
// them is acted on later finds the other.

// relation derives what follows from how two accounts stand to each other.
func (d *derivation) relation(ctx context.Context, k store.Key, row crdt.Row) error {
	user, other, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyFollowing:
		if err := d.unmerge(ctx, user, other, row.Exists()); err != nil {
			return err
		}
		return d.mirrorUnlessBlocked(ctx, user, other, row, k, schema.Follower(other, user))
	case schema.FamilyFollower:
		return d.admit(ctx, user, other, row.Exists())
	case schema.FamilyAgreed:
		return d.mirrorUnlessBlocked(ctx, user, other, row, k, schema.Asked(other, user))
	case schema.FamilyAsked:
		if !row.Exists() {
			return nil
		}
		_, err := d.refuse(ctx, user, other, k, schema.Agreed(other, user))
		return err
	case schema.FamilyEnded:
		return d.ended(ctx, k, row)
	case schema.FamilyBlock:
		return d.block(ctx, user, other, row.Exists())
	case schema.FamilyMute:
		return d.add(ctx, present(schema.MutedBy(other, user), row.Exists()))
	}
	return nil
}

// mirrorUnlessBlocked makes the other's side of an act what the user's is, and ends
// the act where the user blocks the other.
func (d *derivation) mirrorUnlessBlocked(ctx context.Context, user, other string, row crdt.Row, truth, beside store.Key) error {
	if row.Exists() {
		blocks, err := d.blocks(user, other)
		if err != nil {
			return err
		}
		if blocks {
			return d.add(ctx, present(truth, false), present(beside, false))
		}
	}
	return d.add(ctx, mirror(beside, row))
}

// refuse ends what another did, mirrored in the slot of a user, if the user blocks
// the other.
func (d *derivation) refuse(ctx context.Context, user, other string, mirror, truth store.Key) (refused bool, err error) {
	if refused, err = d.blocks(user, other); err != nil || !refused {
		return false, err
	}
	if err := d.add(ctx, present(mirror, false), present(truth, false)); err != nil {
		return true, err
	}
	return true, d.flush(ctx)
}

// admit sees to a follower who came or went. One whom the author blocks goes, and
// with that is seen to again.
func (d *derivation) admit(ctx context.Context, author, follower string, follows bool) error {
	if follows {
		refused, err := d.refuse(ctx, author, follower, schema.Follower(author, follower), schema.Following(follower, author))
		if err != nil || refused {
			return err
		}
	}
	return d.acquaint(ctx, author, follower, follows)
}

// blocks says whether a user blocks another.
func (d *derivation) blocks(user, other string) (bool, error) {
	_, err := d.rows.Get(d.reads, schema.Block(user, other))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// block tells the blocked one's side, and ends what stands between the two as far as
// it is known in the blocker's slot.
func (d *derivation) block(ctx context.Context, user, other string, stands bool) error {
	if err := d.add(ctx, present(schema.BlockedBy(other, user), stands)); err != nil || !stands {
		return err
	}
	truths := map[store.Key]store.Key{ // by where it is known
		schema.Following(user, other): schema.Following(user, other),
		schema.Follower(user, other):  schema.Following(other, user),
		schema.Agreed(user, other):    schema.Agreed(user, other),
		schema.Asked(user, other):     schema.Agreed(other, user),
	}
	known := slices.Collect(maps.Keys(truths))
	rows, err := d.rows.GetMany(d.reads, known)
	if err != nil {
		return err
	}
	// What was there before the block is seen to stand now is not of later.
	if stands, err = d.blocks(user, other); err != nil || !stands {
		return err
	}
	for i, row := range rows {
		if row.Exists() {
			if err := d.add(ctx, present(known[i], false), present(truths[known[i]], false)); err != nil {
				return err
			}
		}
	}
	return d.flush(ctx)
}

// ended ends what another agreed to with a user before the user's act. What the other
// did later stands: it answers the act. The row of the act goes last.
func (d *derivation) ended(ctx context.Context, act store.Key, row crdt.Row) error {
	if !row.Exists() {
		return nil
	}
	ending, err := schema.DecodeEnding(row)
	if err != nil {
		return err
	}
	user, other := schema.SplitEnded(act)
	truths := []store.Key{schema.Agreed(other, user)}
	if ending == schema.EndsAll {
		truths = append(truths, schema.Following(other, user))
	}
	for _, k := range truths {
		truth, err := d.surely(k)
		if err != nil {
			return err
		}
		if truth.Exists() && truth.Time() < row.Time() {
			if err := d.add(ctx, present(k, false)); err != nil {
				return err
			}
		}
	}
	if err := d.flush(ctx); err != nil {
		return err
	}
	return d.add(ctx, present(act, false))
}

// departRelations ends how a deleted account and others stand to each other, beside
// follows, on both sides.
func (d *derivation) departRelations(ctx context.Context, user string) error {
	for family, others := range map[store.Family]func(owner, user string) store.Key{
		schema.FamilyAgreed: schema.Asked, schema.FamilyAsked: schema.Agreed,
		schema.FamilyBlock: schema.BlockedBy, schema.FamilyBlockedBy: schema.Block,
		schema.FamilyMute: schema.MutedBy, schema.FamilyMutedBy: schema.Mute,
	} {
		err := d.each(family, user, func(e store.Entry) error {
			return d.add(ctx, present(e.Key, false), present(others(schema.Other(e.Key), user), false))
		})
		if err != nil {
			return err
		}
	}
	return d.each(schema.FamilyEnded, user, func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) })
}
