package httpapi

import (
	"context"

	"grapevine/services/social"
)

var someWebhook = social.Webhook{ID: postID, URL: "https://example.com/hook", Events: []string{"like"}, Enabled: true}

var someDelivery = social.WebhookDelivery{ID: postID, Event: "like", State: social.DeliveryPending}

type fakeWebhooks struct{ *world }

func (f fakeWebhooks) Create(ctx context.Context, who social.Identity, _ social.NewWebhook) (social.Webhook, error) {
	return someWebhook, f.write(ctx, who)
}
func (f fakeWebhooks) Get(ctx context.Context, who social.Identity, id string) (social.Webhook, error) {
	return someWebhook, f.named(id).do(ctx, who, social.Cut{})
}
func (f fakeWebhooks) List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.Webhook], error) {
	return social.Page[social.Webhook]{Items: []social.Webhook{someWebhook}}, f.do(ctx, who, cut)
}
func (f fakeWebhooks) Update(ctx context.Context, who social.Identity, id string, _ social.WebhookPatch) (social.Webhook, error) {
	return someWebhook, f.named(id).write(ctx, who)
}
func (f fakeWebhooks) Delete(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakeWebhooks) Rotate(ctx context.Context, who social.Identity, id, _ string) (social.Webhook, error) {
	return someWebhook, f.named(id).write(ctx, who)
}
func (f fakeWebhooks) Test(ctx context.Context, who social.Identity, id, _ string) (social.WebhookDelivery, error) {
	return someDelivery, f.named(id).write(ctx, who)
}
func (f fakeWebhooks) Deliveries(ctx context.Context, who social.Identity, id string, _ social.DeliveryState, cut social.Cut) (social.Page[social.WebhookDelivery], error) {
	return social.Page[social.WebhookDelivery]{Items: []social.WebhookDelivery{}}, f.named(id).do(ctx, who, cut)
}
func (f fakeWebhooks) Redeliver(ctx context.Context, who social.Identity, id, delivery string) (social.WebhookDelivery, error) {
	return someDelivery, f.named(id, delivery).write(ctx, who)
}
