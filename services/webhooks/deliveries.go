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

// Test has an event of the kind test sent to one of who's webhooks. A disabled one is
// a Conflict.
func (s *Service) Test(ctx context.Context, who social.Identity, id string) (social.WebhookDelivery, error) {
	if err := s.enabled(ctx, who, id); err != nil {
		return social.WebhookDelivery{}, err
	}
	slot, _ := social.SlotOf(id)
	m := schema.NewDelivery(who.User, id, social.WebhookTest, social.NewID(slot, s.cfg.Now()))
	_, _, delivery := schema.SplitWebhook(m.Key)
	return shown(delivery, schema.Delivery{
		Event: social.WebhookTest, Progress: schema.Progress{State: social.DeliveryPending},
	}), s.write(ctx, m)
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
		row, err := s.cfg.Rows.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return schema.Delivery{}, noDelivery(delivery)
		}
		if err != nil {
			return schema.Delivery{}, fmt.Errorf("read delivery %s: %w", delivery, err)
		}
		return schema.DecodeDelivery(row)
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
