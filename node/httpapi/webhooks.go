package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// Webhooks keeps webhooks, of which only their owners know.
type Webhooks interface {
	Create(ctx context.Context, who social.Identity, in social.NewWebhook) (social.Webhook, error)
	Get(ctx context.Context, who social.Identity, id string) (social.Webhook, error)
	List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.Webhook], error)
	Update(ctx context.Context, who social.Identity, id string, patch social.WebhookPatch) (social.Webhook, error)
	Delete(ctx context.Context, who social.Identity, id string) error
	Rotate(ctx context.Context, who social.Identity, id, key string) (social.Webhook, error)
	Test(ctx context.Context, who social.Identity, id, key string) (social.WebhookDelivery, error)
	// Deliveries is of those in a state, of all when it is empty.
	Deliveries(ctx context.Context, who social.Identity, id string, state social.DeliveryState, cut social.Cut) (social.Page[social.WebhookDelivery], error)
	Redeliver(ctx context.Context, who social.Identity, id, delivery string) (social.WebhookDelivery, error)
}

// WebhookInput names a webhook, in the path.
type WebhookInput struct {
	ID string `path:"id" maxLength:"64" doc:"The id of a webhook of yours."`
}

// DeliveryInput names a delivery to a webhook, in the path.
type DeliveryInput struct {
	WebhookInput
	Delivery string `path:"delivery" maxLength:"64" doc:"The id of a delivery."`
}

type (
	webhookReply       struct{ Body social.Webhook }
	deliveryReply      struct{ Body social.WebhookDelivery }
	createWebhookReply struct {
		Location string `header:"Location" doc:"The webhook's URL."`
		Body     social.Webhook
	}
)

const webhookHelp = "What you are told is sent by POST as {type, timestamp, data}, data as this API shows it, at least once, " +
	"signed as standardwebhooks.com says: webhook-signature has v1, and the HMAC-SHA256 of \"webhook-id.webhook-timestamp.body\". " +
	"Any 2xx accepts it; 410 disables the webhook; anything else is tried 12 times in 23 hours. " +
	"A repetition has the same webhook-id. Redirects are not followed."

func (a *api) webhookRoutes() {
	tags := []string{"webhooks"}
	register(a, account, huma.Operation{
		OperationID: "create-webhook", Method: http.MethodPost, Path: "/v1/webhooks", Tags: tags,
		Summary: "Have what you are told sent to a URL", DefaultStatus: http.StatusCreated,
		Description: webhookHelp + " The secret is shown in this reply alone. An account has at most 10 webhooks; 409 says that there are as many.",
	}, func(ctx context.Context, in *struct {
		Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice: a second request with the same key answers with the webhook of the first, and its secret, on any node, for two days at least."`
		Body client.NewWebhook
	}) (*createWebhookReply, error) {
		w, err := a.Webhooks.Create(ctx, viewer(ctx), social.NewWebhook{
			URL: in.Body.URL, Events: in.Body.Events, Description: in.Body.Description, Key: in.Key,
		})
		return &createWebhookReply{"/v1/webhooks/" + w.ID, w}, err
	})
	register(a, account, huma.Operation{
		OperationID: "list-webhooks", Method: http.MethodGet, Path: "/v1/webhooks", Tags: tags,
		Summary: "List your webhooks, oldest first",
	}, func(ctx context.Context, in *Cut) (*pageReply[social.Webhook], error) {
		return page(a.Webhooks.List(ctx, viewer(ctx), in.cut()))
	})
	register(a, account, huma.Operation{
		OperationID: "get-webhook", Method: http.MethodGet, Path: "/v1/webhooks/{id}", Tags: tags,
		Summary: "Get a webhook of yours",
	}, func(ctx context.Context, in *WebhookInput) (*webhookReply, error) {
		w, err := a.Webhooks.Get(ctx, viewer(ctx), in.ID)
		return &webhookReply{w}, err
	})
	register(a, account, huma.Operation{
		OperationID: "update-webhook", Method: http.MethodPatch, Path: "/v1/webhooks/{id}", Tags: tags,
		Summary:     "Change a webhook of yours",
		Description: "What is left out stays as it is. While a webhook is not enabled nothing is sent to it, and what was waiting is dead.",
	}, func(ctx context.Context, in *struct {
		WebhookInput
		Body social.WebhookPatch
	}) (*webhookReply, error) {
		w, err := a.Webhooks.Update(ctx, viewer(ctx), in.ID, in.Body)
		return &webhookReply{w}, err
	})
	register(a, account, huma.Operation{
		OperationID: "delete-webhook", Method: http.MethodDelete, Path: "/v1/webhooks/{id}", Tags: tags,
		Summary: "Delete a webhook of yours, and what is on its way to it", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *WebhookInput) (*struct{}, error) {
		return nil, a.Webhooks.Delete(ctx, viewer(ctx), in.ID)
	})
	register(a, account, huma.Operation{
		OperationID: "rotate-webhook-secret", Method: http.MethodPost, Path: "/v1/webhooks/{id}/secret", Tags: tags,
		Summary:     "Give a webhook of yours another secret",
		Description: "It is shown in this reply alone. For 24 hours the former one signs too: webhook-signature then has two signatures.",
	}, func(ctx context.Context, in *struct {
		WebhookInput
		Key string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice: a second request with the same key, and none with another between, answers with the secret of the first."`
	}) (*webhookReply, error) {
		w, err := a.Webhooks.Rotate(ctx, viewer(ctx), in.ID, in.Key)
		return &webhookReply{w}, err
	})
	a.deliveryRoutes(tags)
}

func (a *api) deliveryRoutes(tags []string) {
	register(a, account, huma.Operation{
		OperationID: "test-webhook", Method: http.MethodPost, Path: "/v1/webhooks/{id}/test", Tags: tags,
		Summary: "Have an event of the kind test sent to a webhook of yours", DefaultStatus: http.StatusAccepted,
	}, func(ctx context.Context, in *struct {
		WebhookInput
		Key string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice: a second request with the same key answers with the event of the first, on any node, for two days at least."`
	}) (*deliveryReply, error) {
		d, err := a.Webhooks.Test(ctx, viewer(ctx), in.ID, in.Key)
		return &deliveryReply{d}, err
	})
	register(a, account, huma.Operation{
		OperationID: "list-webhook-deliveries", Method: http.MethodGet, Path: "/v1/webhooks/{id}/deliveries", Tags: tags,
		Summary:     "List what was sent to a webhook of yours, or is to be, newest first",
		Description: "What is pending, and of what was finished in the last 7 days about the newest 100.",
	}, func(ctx context.Context, in *struct {
		WebhookInput
		State social.DeliveryState `query:"state" enum:"pending,delivered,dead" doc:"Only those in this state."`
		Cut
	}) (*pageReply[social.WebhookDelivery], error) {
		return page(a.Webhooks.Deliveries(ctx, viewer(ctx), in.ID, in.State, in.cut()))
	})
	register(a, account, huma.Operation{
		OperationID: "redeliver", Method: http.MethodPost, Path: "/v1/webhooks/{id}/deliveries/{delivery}/redeliver", Tags: tags,
		Summary: "Have something sent again to a webhook of yours", DefaultStatus: http.StatusAccepted,
		Description: "Under the same id, and as often as if it were new.",
	}, func(ctx context.Context, in *DeliveryInput) (*deliveryReply, error) {
		d, err := a.Webhooks.Redeliver(ctx, viewer(ctx), in.ID, in.Delivery)
		return &deliveryReply{d}, err
	})
}
