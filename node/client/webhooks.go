package client

import (
	"context"
	"net/url"

	"grapevine/services/social"
)

// NewWebhook is the body of POST /v1/webhooks. Key is sent as its Idempotency-Key.
type NewWebhook struct {
	URL         string   `json:"url" minLength:"1" maxLength:"2048" doc:"An http or https URL of a host on the public Internet, unless the operator set webhook-allow-private. Without user, password and fragment."`
	Events      []string `json:"events" minItems:"1" maxItems:"32" nullable:"false" doc:"Kinds of notifications (mention, reply, like, repost, follow, friend_request, friend_accept), * for all kinds, message:CHANNEL for what is said in a channel."`
	Description string   `json:"description,omitempty" maxLength:"200"`
	Key         string   `json:"-"`
}

// CreateWebhook registers a webhook. The reply has its secret, which is never shown
// again.
func (c *Client) CreateWebhook(ctx context.Context, in NewWebhook) (out social.Webhook, err error) {
	return out, c.call(ctx, "POST", "/v1/webhooks", in, &out, HeaderIdempotency, in.Key)
}

// Webhooks lists the webhooks of the client's own account.
func (c *Client) Webhooks(ctx context.Context, cut social.Cut) (social.Page[social.Webhook], error) {
	return list[social.Webhook](ctx, c, "/v1/webhooks", cut)
}

// GetWebhook gives a webhook of the client's own account.
func (c *Client) GetWebhook(ctx context.Context, id string) (out social.Webhook, err error) {
	return out, c.call(ctx, "GET", webhookPath(id), nil, &out)
}

// UpdateWebhook changes what is not nil of a webhook of the client's own account.
func (c *Client) UpdateWebhook(ctx context.Context, id string, in social.WebhookPatch) (out social.Webhook, err error) {
	return out, c.call(ctx, "PATCH", webhookPath(id), in, &out)
}

// DeleteWebhook ends a webhook of the client's own account.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", webhookPath(id), nil, nil)
}

// RotateWebhookSecret gives a webhook of the client's own account another secret. Key,
// when not empty, is sent as the Idempotency-Key.
func (c *Client) RotateWebhookSecret(ctx context.Context, id, key string) (out social.Webhook, err error) {
	return out, c.call(ctx, "POST", webhookPath(id)+"/secret", nil, &out, HeaderIdempotency, key)
}

// TestWebhook has an event of the kind test sent to a webhook of the client's own
// account. Key, when not empty, is sent as the Idempotency-Key.
func (c *Client) TestWebhook(ctx context.Context, id, key string) (out social.WebhookDelivery, err error) {
	return out, c.call(ctx, "POST", webhookPath(id)+"/test", nil, &out, HeaderIdempotency, key)
}

// WebhookDeliveries lists what was sent to a webhook, or is to be, newest first. State,
// when not empty, selects.
func (c *Client) WebhookDeliveries(ctx context.Context, id string, state social.DeliveryState, cut social.Cut) (out social.Page[social.WebhookDelivery], err error) {
	q := cutValues(cut)
	if state != "" {
		q.Set("state", string(state))
	}
	return out, c.call(ctx, "GET", webhookPath(id)+"/deliveries?"+q.Encode(), nil, &out)
}

// Redeliver has a delivery to a webhook sent again.
func (c *Client) Redeliver(ctx context.Context, id, delivery string) (out social.WebhookDelivery, err error) {
	return out, c.call(ctx, "POST", webhookPath(id)+"/deliveries/"+url.PathEscape(delivery)+"/redeliver", nil, &out)
}

func webhookPath(id string) string { return "/v1/webhooks/" + url.PathEscape(id) }
