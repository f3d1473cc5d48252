package webhooks

import (
	"context"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func checkKey(key string) error {
	if len(key) > social.MaxKey {
		return social.InvalidField("Idempotency-Key", "must have at most %d bytes", social.MaxKey)
	}
	return nil
}

// createOnce registers a webhook, or gives the one that was registered with the key
// before, with its secret: the reply that the client may not have had.
func (s *Service) createOnce(ctx context.Context, who social.Identity, h schema.Hook, key string) (social.Webhook, error) {
	if err := checkKey(key); err != nil {
		return social.Webhook{}, err
	}
	// Posts have keys of their own.
	once := schema.Once{Rows: s.cfg.Rows, Now: s.cfg.Now, User: who.User, Key: "webhook\x00" + key}
	if first, known, err := s.made(ctx, who, once); known || err != nil {
		return first, err
	}
	made, err := s.register(ctx, who, h, once.Remember)
	if !errors.Is(err, store.ErrExists) {
		return made, err
	}
	// Another request with the key came first by a moment.
	first, known, err := s.made(ctx, who, once)
	if err == nil && !known {
		err = fmt.Errorf("webhook of a claimed key: %w", store.ErrBehind)
	}
	return first, err
}

// made gives the webhook that a key was used for, if any.
func (s *Service) made(ctx context.Context, who social.Identity, once schema.Once) (w social.Webhook, known bool, err error) {
	id, read, known, err := once.Find(ctx)
	if !known || err != nil {
		return w, false, err
	}
	h, err := s.hook(read, who, id)
	if social.KindOf(err) == social.NotFound {
		return w, false, social.Errorf(social.Conflict, "the webhook registered with this Idempotency-Key is gone")
	}
	if err != nil {
		return w, false, err
	}
	h.Secret = secretText(signingKey(s.cfg.Key, id, h.Keys.Current))
	return h.Webhook, true, once.Renew(ctx)
}

// testOnce has a test event sent, or gives the one that was sent with the key before, as
// it is now: as it was at first, where what became of it is kept no longer.
func (s *Service) testOnce(ctx context.Context, who social.Identity, id, key string) (social.WebhookDelivery, error) {
	once := schema.Once{Rows: s.cfg.Rows, Now: s.cfg.Now, User: who.User, Key: "test\x00" + id + "\x00" + key}
	if first, known, err := s.tested(ctx, who, id, once); known || err != nil {
		return first, err
	}
	made, err := s.test(ctx, who, id, once.Remember)
	if !errors.Is(err, store.ErrExists) {
		return made, err
	}
	// Another request with the key came first by a moment.
	first, known, err := s.tested(ctx, who, id, once)
	if err == nil && !known {
		err = fmt.Errorf("test of a claimed key: %w", store.ErrBehind)
	}
	return first, err
}

// tested gives the test event that a key was used for, if any.
func (s *Service) tested(ctx context.Context, who social.Identity, id string, once schema.Once) (d social.WebhookDelivery, known bool, err error) {
	delivery, read, known, err := once.Find(ctx)
	if !known || err != nil {
		return d, false, err
	}
	now, err := s.delivery(read, schema.WebhookDelivery(who.User, id, delivery), delivery)
	switch {
	case social.KindOf(err) == social.NotFound:
		d = testDelivery(delivery)
	case err != nil:
		return d, false, err
	default:
		d = shown(delivery, now)
	}
	return d, true, once.Renew(ctx)
}
