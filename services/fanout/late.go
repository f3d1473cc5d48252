package fanout

import (
	"context"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// What a node that had not heard of the end of an account wrote meanwhile, as on the
// other side of a split, comes when all that the account had has ended. What is of the
// account lies beside the row that says that it has departed, and whichever of the two
// comes second meets the other. What mirrors its acts in slots of others is looked at
// when it comes.

// late ends what came after the departure of the account that it is of, or that did what
// it mirrors, and says whether it was so. It gives the row as it is.
func (d *derivation) late(ctx context.Context, k store.Key) (row crdt.Row, late bool, err error) {
	if !ofAccount(k.Family) && !mirrors(k.Family) {
		row, err = d.get(k)
		return row, false, err
	}
	row, departed, err := d.withDeparture(k)
	if err != nil || !row.Exists() {
		return row, false, err
	}
	if departed {
		owner, _, _ := schema.Split(k)
		return row, true, d.depart(ctx, owner)
	}
	if mirrors(k.Family) {
		late, err = d.lateMirror(ctx, k, row)
	}
	return row, late, err
}

// withDeparture gives a row and, of one that is of an account, whether that has
// departed: in one read, since both lie in the account's slot.
func (d *derivation) withDeparture(k store.Key) (row crdt.Row, departed bool, err error) {
	if !ofAccount(k.Family) {
		row, err = d.get(k)
		return row, false, err
	}
	owner, _, _ := schema.Split(k)
	rows, err := d.rows.GetMany(d.reads, []store.Key{k, schema.Departed(owner)})
	if err != nil {
		return row, false, err
	}
	return rows[0], owner != "" && rows[1].Exists(), nil
}

func (d *derivation) lateMirror(ctx context.Context, k store.Key, row crdt.Row) (bool, error) {
	actor, err := actorOf(k, row)
	if err != nil {
		return false, err
	}
	departed, err := d.departed(actor)
	if err != nil || !departed {
		return false, err
	}
	return true, d.add(ctx, present(k, false))
}

// departed says whether an account is known to have ended.
func (d *derivation) departed(user string) (bool, error) {
	if user == "" {
		return false, nil
	}
	row, err := d.get(schema.Departed(user))
	return row.Exists(), err
}

// ofAccount says whether the first half of the keys of a family names an account, in
// whose slot the row lies.
func ofAccount(f store.Family) bool {
	switch f {
	case schema.FamilyFollowing, schema.FamilyAgreed, schema.FamilyBlock, schema.FamilyMute,
		schema.FamilyAuthorPost, schema.FamilyLiked, schema.FamilyReposted, schema.FamilyPublished,
		schema.FamilyNotificationRead, schema.FamilyNotifyPreference,
		schema.FamilyList, schema.FamilyListMember, schema.FamilyMerged,
		schema.FamilyWebhook, schema.FamilyWebhookChannel:
		return true
	}
	return mirrors(f) && !besidePost(f) && f != schema.FamilyWebhookListener
}

// mirrors says whether the rows of a family mirror what an account did to another, to a
// post or to a channel.
func mirrors(f store.Family) bool {
	switch f {
	case schema.FamilyFollower, schema.FamilyAsked, schema.FamilyBlockedBy, schema.FamilyMutedBy,
		schema.FamilyMentioned, schema.FamilyListed, schema.FamilyWebhookListener:
		return true
	}
	return besidePost(f)
}

func besidePost(f store.Family) bool {
	return f == schema.FamilyLike || f == schema.FamilyRepost || f == schema.FamilyReply || f == schema.FamilyUncounted
}

// actorOf gives the account whose act a row mirrors.
func actorOf(k store.Key, row crdt.Row) (string, error) {
	_, other, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyMentioned, schema.FamilyReply, schema.FamilyUncounted:
		cause, err := schema.DecodeCause(row)
		return cause.By, err
	case schema.FamilyListed:
		_, owner, _ := schema.SplitInList(k)
		return owner, nil
	case schema.FamilyWebhookListener:
		_, user, _ := schema.SplitListener(k)
		return user, nil
	}
	return other, nil
}
