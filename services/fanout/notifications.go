package fanout

import (
	"context"
	"errors"
	"fmt"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// What a user is told of follows from the mirrors in the user's own slot. The id of a
// notification follows from what happened and when, which the mirror says as the truth
// does: to derive it again, here or on another node, makes no second one.

// mirror makes a row what a truth elsewhere is, with the time of the truth.
func mirror(k store.Key, truth crdt.Row) store.Mutation {
	m := present(k, truth.Exists())
	if first, ok := truth.First(); ok {
		m.Value = schema.EncodeCause(schema.Cause{At: first.Time})
	}
	return m
}

// get gives a row, an empty one where there is none.
func (d *derivation) get(k store.Key) (crdt.Row, error) {
	row, err := d.rows.Get(d.reads, k)
	if errors.Is(err, store.ErrNotFound) {
		return crdt.Row{}, nil
	}
	return row, err
}

// tell makes what a user is told what a mirror in the user's slot is.
func (d *derivation) tell(ctx context.Context, k store.Key) error {
	switch k.Family {
	case schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply, schema.FamilyMentioned, schema.FamilyFollower, schema.FamilyAsked:
	default:
		return nil
	}
	user, err := d.recipient(k)
	if err != nil || user == "" {
		return err
	}
	row, err := d.get(k)
	if err != nil {
		return err
	}
	if !row.Exists() {
		return d.untell(ctx, user, func(t schema.Told) bool { return t.Cause(user) == k })
	}
	cause, err := schema.DecodeCause(row)
	if err != nil {
		return err
	}
	told, err := d.told(user, k, cause)
	if err != nil || told.Actor == "" || told.Actor == user {
		return err
	}
	id := told.ID(user, cause.At)
	err = d.add(ctx, store.Mutation{Key: schema.Notification(user, id), Op: store.Put, Value: schema.EncodeTold(told)})
	if err == nil {
		err = d.hook(ctx, user, string(told.Kind), id)
	}
	if err == nil && looks(id) {
		d.inboxes[user] = true
	}
	return err
}

// trimInboxes removes what is too much from the inboxes that were added to: when what
// was derived is written, and of an inbox once, however much came together.
func (d *derivation) trimInboxes(ctx context.Context) error {
	for user := range d.inboxes {
		err := d.trim(ctx, social.MaxNotifications,
			func(after string, limit int) store.Range {
				return schema.Of(schema.FamilyNotification, user, after, true, limit)
			},
			func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) })
		if err != nil {
			return fmt.Errorf("trim the inbox of %s: %w", user, err)
		}
	}
	return d.flush(ctx)
}

// recipient gives the user whom a mirror concerns, "" where the post beside which it
// lies is gone.
func (d *derivation) recipient(k store.Key) (string, error) {
	owner, _, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply:
		return d.authorOf(owner)
	}
	return owner, nil
}

// authorOf gives the author of a post of this partition, "" of one that is not there.
func (d *derivation) authorOf(post string) (string, error) {
	row, err := d.get(schema.Post(post))
	if err != nil || !row.Exists() {
		return "", err
	}
	p, err := schema.DecodePost(post, row)
	return p.Author, err
}

// told gives what a user is told of a mirror. Nobody did what the user is not told: of
// a mention that answers the user, the answer tells.
func (d *derivation) told(user string, k store.Key, cause schema.Cause) (schema.Told, error) {
	owner, other, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyLike:
		return schema.Told{Kind: social.NotifyLike, Actor: other, Post: owner}, nil
	case schema.FamilyRepost:
		return schema.Told{Kind: social.NotifyRepost, Actor: other, Post: owner}, nil
	case schema.FamilyReply:
		return schema.Told{Kind: social.NotifyReply, Actor: cause.By, Post: other, Answers: owner}, nil
	case schema.FamilyFollower:
		return schema.Told{Kind: social.NotifyFollow, Actor: other}, nil
	case schema.FamilyAsked:
		return d.toldOfFriend(user, other, cause)
	}
	if cause.Answers == user {
		return schema.Told{}, nil
	}
	return schema.Told{Kind: social.NotifyMention, Actor: cause.By, Post: other}, nil
}

// toldOfFriend says that another wants to be friends, or agreed to it where the user
// had asked before.
func (d *derivation) toldOfFriend(user, other string, cause schema.Cause) (schema.Told, error) {
	agreed, err := d.get(schema.Agreed(user, other))
	if first, ok := agreed.First(); ok && first.Time < cause.At {
		return schema.Told{Kind: social.NotifyFriendAccept, Actor: other}, nil
	}
	return schema.Told{Kind: social.NotifyFriendRequest, Actor: other}, err
}

// untell removes notifications of a user.
func (d *derivation) untell(ctx context.Context, user string, gone func(schema.Told) bool) error {
	return d.each(schema.FamilyNotification, user, func(e store.Entry) error {
		told, err := schema.DecodeTold(e.Row)
		if err != nil || !gone(told) {
			return err
		}
		return d.add(ctx, present(e.Key, false))
	})
}

// looks says whether what was added with an id, a notification or a message of a
// channel, leads to a look at how many there are. One in 32 does: an id ends in one of
// 32 digits.
func looks(id string) bool { return id[len(id)-1] == '0' }

// trim removes what follows, in a list, on so many rows to keep.
func (d *derivation) trim(ctx context.Context, keep int, list func(after string, limit int) store.Range, remove func(store.Entry) error) error {
	kept, err := d.rows.Scan(d.reads, list("", keep))
	if err != nil || len(kept) < keep {
		return err
	}
	for after := kept[keep-1].Key; ; {
		beyond, err := d.rows.Scan(d.reads, list(schema.Other(after), pageRows))
		if err != nil {
			return err
		}
		for _, e := range beyond {
			if err := remove(e); err != nil {
				return err
			}
		}
		if len(beyond) < pageRows {
			return ctx.Err()
		}
		after = beyond[pageRows-1].Key
	}
}

// departInbox ends what a deleted account was told, and what it said about that.
func (d *derivation) departInbox(ctx context.Context, user string) error {
	for _, family := range []store.Family{schema.FamilyNotification, schema.FamilyNotificationRead, schema.FamilyNotifyPreference} {
		err := d.each(family, user, func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) })
		if err != nil {
			return err
		}
	}
	return nil
}
