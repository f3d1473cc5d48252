// Package webhooks sends what accounts are told to URLs of theirs. Service is what the
// API offers: to register, change and test webhooks, and to see what became of what
// was sent. Worker sends. That something is to be sent is a row that services/fanout
// writes beside the webhook; what became of it is a field of that row. DESIGN.md,
// beside this file, says what is guaranteed.
package webhooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Config is what the service needs. Rows and Key are required.
type Config struct {
	Rows store.Rows
	// Key is what the keys of all signatures are derived from: the same on all nodes.
	Key []byte
	// Permitted says whether anything may be sent to an address. Nil means always.
	Permitted func(netip.Addr) bool
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Service keeps the webhooks. It is safe for concurrent use.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg}
}

// Create registers a webhook of who's and gives it with its secret. One who has
// social.MaxWebhooks gets a Conflict.
func (s *Service) Create(ctx context.Context, who social.Identity, in social.NewWebhook) (social.Webhook, error) {
	if who.Anonymous() {
		return social.Webhook{}, anonymous()
	}
	h := schema.Hook{Webhook: social.Webhook{URL: in.URL, Description: in.Description, Enabled: true}}
	if err := s.check(&h.Webhook, in.Events); err != nil {
		return social.Webhook{}, err
	}
	if in.Key != "" {
		return s.createOnce(ctx, who, h, in.Key)
	}
	return s.register(ctx, who, h, func(context.Context, *store.Write, string) error { return nil })
}

// register makes a webhook, by a write to which more may be added.
func (s *Service) register(ctx context.Context, who social.Identity, h schema.Hook, add func(ctx context.Context, w *store.Write, id string) error) (social.Webhook, error) {
	n, err := s.cfg.Rows.Count(ctx, schema.Of(schema.FamilyWebhook, who.User, "", false, social.MaxWebhooks))
	if err != nil {
		return social.Webhook{}, fmt.Errorf("count webhooks of %s: %w", who.User, err)
	}
	if n >= social.MaxWebhooks {
		return social.Webhook{}, social.Errorf(social.Conflict, "you have %d webhooks: delete one first", n)
	}
	slot, _ := social.SlotOf(who.User)
	h.ID, h.Keys.Current = social.NewID(slot, s.cfg.Now()), newNonce()
	h.CreatedAt = social.TimeOf(h.ID)
	write := store.Write{Serial: true, Mutations: []store.Mutation{
		{Key: schema.Webhook(who.User, h.ID), Op: store.Put, Value: schema.EncodeWebhook(h)},
	}}
	for _, channel := range h.Channels() {
		write.Mutations = append(write.Mutations, store.Mutation{Key: schema.WebhookChannel(who.User, h.ID, channel), Op: store.Put})
	}
	if err := add(ctx, &write, h.ID); err != nil {
		return social.Webhook{}, err
	}
	h.Secret = secretText(signingKey(s.cfg.Key, h.ID, h.Keys.Current))
	return h.Webhook, s.send(ctx, write)
}

// Get gives one of who's webhooks, or NotFound.
func (s *Service) Get(ctx context.Context, who social.Identity, id string) (social.Webhook, error) {
	h, err := s.hook(ctx, who, id)
	return h.Webhook, err
}

func (s *Service) hook(ctx context.Context, who social.Identity, id string) (schema.Hook, error) {
	if who.Anonymous() {
		return schema.Hook{}, anonymous()
	}
	return schema.Confirm(ctx, func(ctx context.Context) (schema.Hook, error) {
		row, err := s.cfg.Rows.Get(ctx, schema.Webhook(who.User, id))
		if errors.Is(err, store.ErrNotFound) {
			return schema.Hook{}, noWebhook(id)
		}
		if err != nil {
			return schema.Hook{}, fmt.Errorf("read webhook %s: %w", id, err)
		}
		return schema.DecodeWebhook(id, row)
	})
}

// List lists who's webhooks, oldest first.
func (s *Service) List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.Webhook], error) {
	if who.Anonymous() {
		return social.Page[social.Webhook]{Items: []social.Webhook{}}, anonymous()
	}
	decode := func(id string, row crdt.Row) (social.Webhook, error) {
		h, err := schema.DecodeWebhook(id, row)
		return h.Webhook, err
	}
	return schema.Owned(s.cfg.Rows, schema.FamilyWebhook, who.User, decode).Page(ctx, cut)
}

// disabledByOwner is the reason of a webhook that was switched off by hand.
const disabledByOwner = "you disabled it"

// Update changes one of who's webhooks. Of what two nodes change at once, each field's
// later change holds.
func (s *Service) Update(ctx context.Context, who social.Identity, id string, patch social.WebhookPatch) (social.Webhook, error) {
	h, err := s.hook(ctx, who, id)
	if err != nil {
		return social.Webhook{}, err
	}
	var fields []store.FieldValue
	set := func(field uint8, value []byte) {
		fields = append(fields, store.FieldValue{ID: field, Value: value})
	}
	wanted := h.Events
	if patch.URL != nil {
		h.URL = *patch.URL
		set(schema.FieldWebhookURL, []byte(h.URL))
	}
	if patch.Events != nil {
		wanted = *patch.Events
	}
	if patch.Description != nil {
		h.Description = *patch.Description
		set(schema.FieldWebhookDescription, []byte(h.Description))
	}
	if patch.Enabled != nil {
		if h.Enabled, h.Reason = *patch.Enabled, ""; !h.Enabled {
			h.Reason = disabledByOwner
		}
		set(schema.FieldWebhookDisabled, []byte(h.Reason))
	}
	if err := s.check(&h.Webhook, wanted); err != nil {
		return social.Webhook{}, err
	}
	var ms []store.Mutation
	if patch.Events != nil {
		set(schema.FieldWebhookEvents, schema.EncodeWebhookEvents(h.Events))
		if ms, err = s.listening(ctx, who.User, id, h.Channels()); err != nil {
			return social.Webhook{}, err
		}
	}
	return h.Webhook, s.change(ctx, who, id, fields, ms...)
}

// listening gives the mutations after which a webhook listens to these channels and to
// no others.
func (s *Service) listening(ctx context.Context, user, id string, channels []string) ([]store.Mutation, error) {
	present, err := s.cfg.Rows.Scan(ctx, schema.WebhookChannels(user, id, "", 2*social.MaxWebhookEvents))
	if err != nil {
		return nil, fmt.Errorf("read channels of webhook %s: %w", id, err)
	}
	var ms []store.Mutation
	for _, e := range present {
		if _, _, channel := schema.SplitWebhook(e.Key); !slices.Contains(channels, channel) {
			ms = append(ms, store.Mutation{Key: e.Key, Op: store.Remove})
		}
	}
	for _, channel := range channels {
		ms = append(ms, store.Mutation{Key: schema.WebhookChannel(user, id, channel), Op: store.Put})
	}
	return ms, nil
}

// change writes fields of a webhook, and more in the same write. It is sent even where
// it changes nothing, so that the reply tells its copies.
func (s *Service) change(ctx context.Context, who social.Identity, id string, fields []store.FieldValue, more ...store.Mutation) error {
	err := s.write(ctx, append(more, store.Mutation{
		Key: schema.Webhook(who.User, id), Op: store.Update, If: store.IfExists, Fields: fields,
	})...)
	if errors.Is(err, store.ErrNotFound) {
		return noWebhook(id)
	}
	return err
}

// Delete ends one of who's webhooks, and what is on its way to it. It does nothing
// where there is none: the request may be one that was sent again.
func (s *Service) Delete(ctx context.Context, who social.Identity, id string) error {
	if who.Anonymous() {
		return anonymous()
	}
	ms, err := s.listening(ctx, who.User, id, nil)
	if err != nil {
		return err
	}
	return s.write(ctx, append(ms, store.Mutation{Key: schema.Webhook(who.User, id), Op: store.Remove})...)
}

// Rotate gives one of who's webhooks another secret, and the webhook with it. The
// former secret signs too for FormerKey, so that a receiver can change over. With a key
// that was the last one used for this, the secret stays the one that it gave.
func (s *Service) Rotate(ctx context.Context, who social.Identity, id, key string) (social.Webhook, error) {
	h, err := s.hook(ctx, who, id)
	if err == nil {
		err = checkKey(key)
	}
	if err != nil {
		return social.Webhook{}, err
	}
	keys := schema.WebhookKeys{Current: newNonce(), Former: h.Keys.Current, Since: s.cfg.Now()}
	if key != "" {
		keys.Current = signingKey(s.cfg.Key, id+"rotated", []byte(key))[:nonceBytes]
	}
	if bytes.Equal(keys.Current, h.Keys.Current) {
		keys = h.Keys
	}
	h.Secret = secretText(signingKey(s.cfg.Key, id, keys.Current))
	return h.Webhook, s.change(ctx, who, id, []store.FieldValue{{ID: schema.FieldWebhookKeys, Value: schema.EncodeWebhookKeys(keys)}})
}

// write is serial so that an act and its contrary sent to different nodes, one after
// the other, take effect in that order.
func (s *Service) write(ctx context.Context, ms ...store.Mutation) error {
	return s.send(ctx, store.Write{Serial: true, Mutations: ms})
}

func (s *Service) send(ctx context.Context, w store.Write) error {
	if _, err := s.cfg.Rows.Write(ctx, w); err != nil {
		return fmt.Errorf("write webhook %s: %w", w.Mutations[0].Key.Sort, err)
	}
	return nil
}

func anonymous() error { return social.Errorf(social.Unauthenticated, "log in to keep webhooks") }

func noWebhook(id string) error {
	return social.Errorf(social.NotFound, "you have no webhook %.40q", id)
}
