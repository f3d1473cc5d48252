package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Test has an event of the kind test sent to one of who's webhooks: one, however often
// it is asked for with the same key, which may be empty. A disabled webhook is a
// Conflict.
func (s *Service) Test(ctx context.Context, who social.Identity, id, key string) (social.WebhookDelivery, error) {
	err := checkKey(key)
	if err == nil {
		err = s.enabled(ctx, who, id)
	}
	if err != nil {
		return social.WebhookDelivery{}, err
	}
	if key != "" {
		return s.testOnce(ctx, who, id, key)
	}
	return s.test(ctx, who, id, func(context.Context, *store.Write, string) error { return nil })
}

// test has a test event sent, by a write to which more may be added.
func (s *Service) test(ctx context.Context, who social.Identity, id string, add func(ctx context.Context, w *store.Write, id string) error) (social.WebhookDelivery, error) {
	slot, _ := social.SlotOf(id)
	m := schema.NewDelivery(who.User, id, social.WebhookTest, social.NewID(slot, s.cfg.Now()))
	_, _, delivery := schema.SplitWebhook(m.Key)
	write := store.Write{Serial: true, Mutations: []store.Mutation{m}}
	if err := add(ctx, &write, delivery); err != nil {
		return social.WebhookDelivery{}, err
	}
	return testDelivery(delivery), s.send(ctx, write)
}

// testDelivery gives a test event that is to be sent.
func testDelivery(id string) social.WebhookDelivery {
	return shown(id, schema.Delivery{Event: social.WebhookTest, Progress: schema.Progress{State: social.DeliveryPending}})
}

// Deliveries lists what was sent to one of who's webhooks, or is to be, newest first:
// what is pending, and about social.MaxFinishedDeliveries of what was finished in the
// last social.FinishedDeliveries. State, when not empty, selects.
func (s *Service) Deliveries(ctx context.Context, who social.Identity, id string, state social.DeliveryState, cut social.Cut) (social.Page[social.WebhookDelivery], error) {
	if _, err := s.hook(ctx, who, id); err != nil {
		return social.Page[social.WebhookDelivery]{Items: []social.WebhookDelivery{}}, err
	}
	rows := map[string]crdt.Row{}
	oldest := s.cfg.Now().Add(-social.FinishedDeliveries)
	return schema.List[social.WebhookDelivery]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			entries, err := s.cfg.Rows.Scan(ctx, schema.WebhookDeliveries(who.User, id, after, true, limit))
			if err != nil {
				return nil, fmt.Errorf("read deliveries of webhook %s: %w", id, err)
			}
			ids := make([]string, len(entries))
			for i, e := range entries {
				_, _, ids[i] = schema.SplitWebhook(e.Key)
				rows[ids[i]] = e.Row
			}
			return ids, nil
		},
		Load: func(_ context.Context, ids []string) ([]social.WebhookDelivery, error) {
			found := make([]social.WebhookDelivery, len(ids))
			for i, id := range ids {
				d, err := schema.DecodeDelivery(rows[id])
				if err != nil {
					return nil, err
				}
				found[i] = shown(id, d)
			}
			return found, nil
		},
		Hidden: func(d social.WebhookDelivery) bool {
			return state != "" && d.State != state || d.FinishedAt != nil && d.FinishedAt.Before(oldest)
		},
	}.Page(ctx, cut)
}

// Redeliver has a delivery to one of who's webhooks sent again, under the same id, as
// often as if it were new. A disabled webhook is a Conflict.
func (s *Service) Redeliver(ctx context.Context, who social.Identity, id, delivery string) (social.WebhookDelivery, error) {
	none := social.WebhookDelivery{}
	if err := s.enabled(ctx, who, id); err != nil {
		return none, err
	}
	key := schema.WebhookDelivery(who.User, id, delivery)
	d, err := schema.Confirm(ctx, func(ctx context.Context) (schema.Delivery, error) {
		return s.delivery(ctx, key, delivery)
	})
	if err != nil {
		return none, err
	}
	d.Progress.State, d.Progress.Attempts = social.DeliveryPending, 0
	d.Progress.Next, d.Progress.Finished = time.Time{}, time.Time{}
	m := schema.Progressed(key, d.Progress)
	m.If = store.IfExists
	if err := s.write(ctx, m); errors.Is(err, store.ErrNotFound) {
		return none, noDelivery(delivery)
	} else if err != nil {
		return none, err
	}
	return shown(delivery, d), nil
}

// delivery gives a delivery by its key and id, or NotFound.
func (s *Service) delivery(ctx context.Context, key store.Key, id string) (schema.Delivery, error) {
	row, err := s.cfg.Rows.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return schema.Delivery{}, noDelivery(id)
	}
	if err != nil {
		return schema.Delivery{}, fmt.Errorf("read delivery %s: %w", id, err)
	}
	return schema.DecodeDelivery(row)
}

// enabled refuses to send to a webhook that is disabled.
func (s *Service) enabled(ctx context.Context, who social.Identity, id string) error {
	h, err := s.hook(ctx, who, id)
	if err == nil && !h.Enabled {
		return social.Errorf(social.Conflict, "the webhook is disabled (%s): enable it first", h.Reason)
	}
	return err
}

func noDelivery(id string) error {
	return social.Errorf(social.NotFound, "the webhook has no delivery %.40q", id)
}

// shown gives a delivery as it is served.
func shown(id string, d schema.Delivery) social.WebhookDelivery {
	p := d.Progress
	return social.WebhookDelivery{
		ID: id, Event: d.Event, State: p.State, Attempts: p.Attempts, LastStatus: p.Status, LastError: p.Error,
		CreatedAt: social.TimeOf(id), LastAttemptAt: optional(p.Last), NextAttemptAt: optional(p.Next), FinishedAt: optional(p.Finished),
	}
}

func optional(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
