package fanout

import (
	"context"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// hook has what a user is told sent to those of the user's webhooks that want it. The
// notification was added before, for the same write or an earlier one: a delivery
// without it would tell of nothing.
func (d *derivation) hook(ctx context.Context, user, event, notification string) error {
	hooks, err := d.rows.Scan(d.reads, schema.Of(schema.FamilyWebhook, user, "", false, pageRows))
	if err != nil {
		return err
	}
	var ms []store.Mutation
	for _, e := range hooks {
		h, err := schema.DecodeWebhook(schema.Other(e.Key), e.Row)
		if err != nil {
			return err
		}
		if h.Enabled && h.Wants(event) {
			ms = append(ms, schema.NewDelivery(user, h.ID, event, notification))
		}
	}
	return d.addAbsent(ctx, ms)
}

// addAbsent adds those of the mutations whose rows do not exist: to put a delivery anew
// would be to forget that it was made.
func (d *derivation) addAbsent(ctx context.Context, ms []store.Mutation) error {
	if len(ms) == 0 {
		return nil
	}
	keys := make([]store.Key, len(ms))
	for i, m := range ms {
		keys[i] = m.Key
	}
	rows, err := d.rows.GetMany(d.reads, keys)
	if err != nil {
		return err
	}
	for i, m := range ms {
		if rows[i].Exists() {
			continue
		}
		if err := d.add(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// hookMessage has a message sent to the webhooks that want those of its channel.
func (d *derivation) hookMessage(ctx context.Context, channel, id string) error {
	for after := (*store.Key)(nil); ; {
		listeners, err := d.rows.Scan(d.reads, schema.WebhookListeners(channel, after, pageRows))
		if err != nil {
			return err
		}
		ms := make([]store.Mutation, len(listeners))
		for i, e := range listeners {
			_, user, webhook := schema.SplitListener(e.Key)
			ms[i] = schema.NewDelivery(user, webhook, social.MessageEvent+channel, id)
			after = &e.Key
		}
		if err := d.addAbsent(ctx, ms); err != nil || len(listeners) < pageRows {
			return err
		}
	}
}

// webhook ends what belonged to a webhook that is gone, and a webhook that came when its
// account was gone. That they are, and not merely unheard of, a majority confirms.
func (d *derivation) webhook(ctx context.Context, user, id string, stands bool) error {
	k := schema.Webhook(user, id)
	if stands {
		k = schema.User(user)
	}
	row, err := d.surely(k)
	if err != nil || row.Exists() {
		return err
	}
	if err := d.unhook(ctx, user, id); err != nil {
		return err
	}
	return d.add(ctx, present(schema.Webhook(user, id), false))
}

// unhook ends the deliveries of a webhook, and that it listens to channels.
func (d *derivation) unhook(ctx context.Context, user, id string) error {
	channels, err := d.rows.Scan(d.reads, schema.WebhookChannels(user, id, "", pageRows))
	if err != nil {
		return err
	}
	for _, e := range channels {
		if err := d.unlisten(ctx, e.Key); err != nil {
			return err
		}
	}
	for after := ""; ; {
		deliveries, err := d.rows.Scan(d.reads, schema.WebhookDeliveries(user, id, after, false, pageRows))
		if err != nil {
			return err
		}
		for _, e := range deliveries {
			_, _, after = schema.SplitWebhook(e.Key)
			if err := d.add(ctx, present(e.Key, false)); err != nil {
				return err
			}
		}
		if len(deliveries) < pageRows {
			return nil
		}
	}
}

// unlisten ends on both sides that a webhook listens to a channel.
func (d *derivation) unlisten(ctx context.Context, k store.Key) error {
	user, webhook, channel := schema.SplitWebhook(k)
	return d.add(ctx, present(k, false), present(schema.WebhookListener(channel, user, webhook), false))
}

// webhookChannel makes the channel's side of a listening what the webhook's is.
func (d *derivation) webhookChannel(ctx context.Context, k store.Key, stands bool) error {
	user, webhook, channel := schema.SplitWebhook(k)
	return d.add(ctx, present(schema.WebhookListener(channel, user, webhook), stands))
}

// webhookListener ends the channel's side of a listening that came when the webhook's
// was gone.
func (d *derivation) webhookListener(ctx context.Context, k store.Key, stands bool) error {
	if !stands {
		return nil
	}
	channel, user, webhook := schema.SplitListener(k)
	truth, err := d.surely(schema.WebhookChannel(user, webhook, channel))
	if err != nil || truth.Exists() {
		return err
	}
	return d.add(ctx, present(k, false))
}

// departWebhooks ends the webhooks of a deleted account, and what is on its way.
func (d *derivation) departWebhooks(ctx context.Context, user string) error {
	err := d.each(schema.FamilyWebhookChannel, user, func(e store.Entry) error { return d.unlisten(ctx, e.Key) })
	if err != nil {
		return err
	}
	for _, family := range []store.Family{schema.FamilyWebhookDelivery, schema.FamilyWebhook} {
		err := d.each(family, user, func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) })
		if err != nil {
			return err
		}
	}
	return nil
}
