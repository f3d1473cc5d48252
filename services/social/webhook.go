package social

import (
	"slices"
	"strings"
	"time"
)

// Webhook is a URL to which an account has what it is told sent.
type Webhook struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Events      []string `json:"events" nullable:"false" doc:"What is sent: kinds of notifications, * for all kinds, message:CHANNEL for what is said in a channel."`
	Description string   `json:"description,omitempty"`
	Enabled     bool     `json:"enabled" doc:"Whether anything is sent. A receiver that answers 410 Gone disables its webhook."`
	Reason      string   `json:"disabled_reason,omitempty" doc:"Why nothing is sent."`
	Secret      string   `json:"secret,omitempty" doc:"The key of the signatures. It is shown here, and never again."`

	CreatedAt time.Time `json:"created_at"`
}

// Wants says whether an event is to be sent to a webhook.
func (w Webhook) Wants(event string) bool {
	if event == WebhookTest || slices.Contains(w.Events, event) {
		return true
	}
	return slices.Contains(w.Events, EveryNotification) && !strings.HasPrefix(event, MessageEvent)
}

// Channels gives the channels whose messages are to be sent to a webhook.
func (w Webhook) Channels() []string {
	var channels []string
	for _, event := range w.Events {
		if channel, ok := strings.CutPrefix(event, MessageEvent); ok {
			channels = append(channels, channel)
		}
	}
	return channels
}

// The events that are no kinds of notification.
const (
	EveryNotification = "*"        // stands for all kinds of notification
	MessageEvent      = "message:" // before the name of a channel
	WebhookTest       = "test"     // made on request
)

// NewWebhook is what registering a webhook takes. Key, when not empty, is the client's
// Idempotency-Key: a second webhook of one account with the same key is the first.
type NewWebhook struct {
	URL         string
	Events      []string
	Description string
	Key         string
}

// WebhookPatch changes what is not nil of a webhook.
type WebhookPatch struct {
	URL         *string   `json:"url,omitempty" minLength:"1" maxLength:"2048"`
	Events      *[]string `json:"events,omitempty" minItems:"1" maxItems:"32"`
	Description *string   `json:"description,omitempty" maxLength:"200"`
	Enabled     *bool     `json:"enabled,omitempty"`
}

// DeliveryState says how far a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // is sent, or will be again
	DeliveryDelivered DeliveryState = "delivered" // was accepted
	DeliveryDead      DeliveryState = "dead"      // is given up
)

// WebhookDelivery is one event on its way to one webhook.
type WebhookDelivery struct {
	ID         string        `json:"id" doc:"The webhook-id header of every attempt: a receiver that has it drops a repetition."`
	Event      string        `json:"event"`
	State      DeliveryState `json:"state" enum:"pending,delivered,dead"`
	Attempts   int           `json:"attempts" doc:"How often it was sent since it was made or asked for again."`
	LastStatus int           `json:"last_status,omitempty" doc:"The HTTP status of the last reply, absent where none came."`
	LastError  string        `json:"last_error,omitempty" doc:"What was wrong with the last attempt."`

	CreatedAt     time.Time  `json:"created_at" doc:"When that happened which is told."`
	LastAttemptAt *time.Time `json:"last_attempt_at,omitempty"`
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty" doc:"When it is sent next, while it is pending. Absent: at once."`
	FinishedAt    *time.Time `json:"finished_at,omitempty"`
}

// Bounds of webhooks. That on their number may be passed by as many as are made at
// one moment.
const (
	MaxWebhooks           = 10     // of an account
	MaxWebhookEvents      = 32     // of a webhook
	MaxWebhookURL         = 2048   // bytes
	MaxWebhookDescription = 200    // characters
	MaxWaitingDeliveries  = 10_000 // of a webhook; what comes then is dead at once
	MaxFinishedDeliveries = 100    // newest that can be seen of a webhook

	FinishedDeliveries = 7 * 24 * time.Hour // for which they can be seen
)
