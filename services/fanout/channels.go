package fanout

import (
	"context"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// published puts a message into its channel.
func (d *derivation) published(ctx context.Context, k store.Key, row crdt.Row) error {
	if !row.Exists() {
		return nil
	}
	author, id, _ := schema.Split(k)
	m, err := schema.DecodePublished(author, id, row)
	if err != nil {
		return err
	}
	return d.add(ctx, store.Mutation{Key: schema.ChannelMessage(m.Channel, id), Op: store.Put, Value: schema.EncodeMessage(m)})
}

// message removes from a channel what is too much or too old when something is added,
// and what was added when its author had departed. That its author's row of it is not
// there says nothing: it may be on its way to a majority.
func (d *derivation) message(ctx context.Context, k store.Key, row crdt.Row) error {
	channel, id, _ := schema.Split(k)
	if !row.Exists() {
		return nil
	}
	m, err := schema.DecodeMessage(channel, id, row)
	if err != nil {
		return err
	}
	departed, err := d.departed(m.Author)
	if err != nil {
		return err
	}
	if departed {
		return d.retract(ctx, m)
	}
	if err := d.hookMessage(ctx, channel, id); err != nil {
		return err
	}
	if !looks(id) {
		return nil
	}
	return d.trimChannel(ctx, channel)
}

func (d *derivation) trimChannel(ctx context.Context, channel string) error {
	remove := func(e store.Entry) error {
		m, err := schema.DecodeMessage(channel, schema.Other(e.Key), e.Row)
		if err != nil {
			return err
		}
		return d.retract(ctx, m)
	}
	oldest, err := d.rows.Scan(d.reads, schema.InChannel(channel, "", false, pageRows))
	if err != nil {
		return err
	}
	for _, e := range oldest {
		if time.Since(social.TimeOf(schema.Other(e.Key))) <= social.ChannelHistory {
			break
		}
		if err := remove(e); err != nil {
			return err
		}
	}
	return d.trim(ctx, social.MaxChannelHistory, func(after string, limit int) store.Range {
		return schema.InChannel(channel, after, true, limit)
	}, remove)
}

// retract removes a message on both sides.
func (d *derivation) retract(ctx context.Context, m social.ChannelMessage) error {
	return d.add(ctx, present(schema.ChannelMessage(m.Channel, m.ID), false), present(schema.Published(m.Author, m.ID), false))
}

// departMessages ends what a deleted account said in channels.
func (d *derivation) departMessages(ctx context.Context, user string) error {
	return d.each(schema.FamilyPublished, user, func(e store.Entry) error {
		m, err := schema.DecodePublished(user, schema.Other(e.Key), e.Row)
		if err != nil {
			return err
		}
		return d.retract(ctx, m)
	})
}
