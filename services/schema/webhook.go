package schema

import (
	"fmt"
	"time"

	"grapevine/crdt"
	"grapevine/services/social"
	"grapevine/store"
)

// The families of webhooks for channels: on the webhook's side, where the truth is,
// and the mirror on the channel's.
const (
	FamilyWebhookChannel  store.Family = 52
	FamilyWebhookListener store.Family = 53
)

// The mutable fields of a webhook row.
const (
	FieldWebhookURL         uint8 = 1
	FieldWebhookEvents      uint8 = 2
	FieldWebhookDescription uint8 = 3
	FieldWebhookKeys        uint8 = 4
	FieldWebhookDisabled    uint8 = 5 // the reason, empty while it is enabled
)

// FieldProgress is how far a delivery is: one register, so that a state never shows
// with the times of another.
const FieldProgress uint8 = 1

// Versions of the records of webhooks.
const (
	webhookVersion  = 1
	keysVersion     = 1
	deliveryVersion = 1
	progressVersion = 1
)

// Webhook is the key of a webhook, whose id has its user's slot.
func Webhook(user, webhook string) store.Key { return pair(FamilyWebhook, user, webhook) }

// WebhookDelivery is the key of what is sent to a user's webhook, beside it.
func WebhookDelivery(user, webhook, id string) store.Key {
	return pair(FamilyWebhookDelivery, user, webhook+separator+id)
}

// WebhookDeliveries selects rows of WebhookDelivery, of one webhook, like Of.
func WebhookDeliveries(user, webhook, after string, reverse bool, limit int) store.Range {
	return ofWebhook(FamilyWebhookDelivery, user, webhook, after, reverse, limit)
}

// WebhookChannel is the key of the fact that a user's webhook wants the messages of a
// channel, in the user's slot.
func WebhookChannel(user, webhook, channel string) store.Key {
	return pair(FamilyWebhookChannel, user, webhook+separator+channel)
}

// WebhookChannels selects rows of WebhookChannel, of one webhook, like Of.
func WebhookChannels(user, webhook, after string, limit int) store.Range {
	return ofWebhook(FamilyWebhookChannel, user, webhook, after, false, limit)
}

func ofWebhook(f store.Family, user, webhook, after string, reverse bool, limit int) store.Range {
	r := store.Range{Slot: slot(user), Family: f, Prefix: user + separator + webhook + separator, Reverse: reverse, Limit: limit}
	if after != "" {
		r.After = r.Prefix + after
	}
	return r
}

// SplitWebhook gives the parts of a key of WebhookDelivery or WebhookChannel.
func SplitWebhook(k store.Key) (user, webhook, other string) { return SplitListMember(k) }

// WebhookListener is the key of WebhookChannel's mirror on the channel's side.
func WebhookListener(channel, user, webhook string) store.Key {
	return store.Key{
		Slot: channelSlot(channel), Family: FamilyWebhookListener,
		Sort: channel + separator + user + separator + webhook,
	}
}

// SplitListener gives the parts of a key of WebhookListener.
func SplitListener(k store.Key) (channel, user, webhook string) { return SplitListMember(k) }

// WebhookListeners selects rows of WebhookListener of a channel. After, when not nil,
// is the last one already seen.
func WebhookListeners(channel string, after *store.Key, limit int) store.Range {
	r := store.Range{Slot: channelSlot(channel), Family: FamilyWebhookListener, Prefix: channel + separator, Limit: limit}
	if after != nil {
		r.After = after.Sort
	}
	return r
}

// WebhookKeys are what the key of a webhook's signatures is derived from. After a
// change the former signs too, for a while.
type WebhookKeys struct {
	Current, Former []byte
	Since           time.Time // of Current
}

// Hook is a webhook and what its row says beside.
type Hook struct {
	social.Webhook
	Keys WebhookKeys
}

type webhookRecord struct {
	_           struct{} `cbor:",toarray"`
	Version     uint8
	URL         string
	Events      []string
	Description string
	Key         []byte
}

type keysRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Current []byte
	Former  []byte
	Since   int64 // Unix milliseconds
}

// EncodeWebhook gives the birth value of a webhook row.
func EncodeWebhook(h Hook) []byte {
	return encode(webhookRecord{
		Version: webhookVersion, URL: h.URL, Events: h.Events, Description: h.Description, Key: h.Keys.Current,
	})
}

// EncodeWebhookKeys gives the value of FieldWebhookKeys.
func EncodeWebhookKeys(k WebhookKeys) []byte {
	return encode(keysRecord{Version: keysVersion, Current: k.Current, Former: k.Former, Since: k.Since.UnixMilli()})
}

// EncodeWebhookEvents gives the value of FieldWebhookEvents.
func EncodeWebhookEvents(events []string) []byte { return encode(events) }

// DecodeWebhook reads the row of a webhook.
func DecodeWebhook(id string, row crdt.Row) (Hook, error) {
	value, err := birthValue(row)
	if err != nil {
		return Hook{}, err
	}
	var rec webhookRecord
	if err := decode(value, &rec, &rec.Version, webhookVersion); err != nil {
		return Hook{}, fmt.Errorf("webhook %s: %w", id, err)
	}
	h := Hook{
		Webhook: social.Webhook{
			ID: id, URL: rec.URL, Events: rec.Events, Description: rec.Description, Enabled: true, CreatedAt: social.TimeOf(id),
		},
		Keys: WebhookKeys{Current: rec.Key},
	}
	if err := h.change(row); err != nil {
		return Hook{}, fmt.Errorf("webhook %s: %w", id, err)
	}
	return h, nil
}

// change applies the fields of a webhook row.
func (h *Hook) change(row crdt.Row) error {
	if f, ok := row.Field(FieldWebhookURL); ok {
		h.URL = string(f.Value)
	}
	if f, ok := row.Field(FieldWebhookDescription); ok {
		h.Description = string(f.Value)
	}
	if f, ok := row.Field(FieldWebhookDisabled); ok {
		h.Reason = string(f.Value)
		h.Enabled = h.Reason == ""
	}
	if f, ok := row.Field(FieldWebhookEvents); ok {
		h.Events = nil
		if err := decoding.Unmarshal(f.Value, &h.Events); err != nil {
			return fmt.Errorf("%w: events: %w", ErrMalformed, err)
		}
	}
	if f, ok := row.Field(FieldWebhookKeys); ok {
		var rec keysRecord
		if err := decode(f.Value, &rec, &rec.Version, keysVersion); err != nil {
			return err
		}
		h.Keys = WebhookKeys{Current: rec.Current, Former: rec.Former, Since: time.UnixMilli(rec.Since)}
	}
	return nil
}

// Delivery is one event on its way to one webhook: the notification or message of the
// id Subject.
type Delivery struct {
	Event    string
	Subject  string
	Progress Progress
}

// Progress is how far a delivery is. The zero Progress is that of one to be sent at
// once. Times are kept to the millisecond.
type Progress struct {
	State                social.DeliveryState
	Attempts             int
	Status               int // of the last reply, 0 where none came
	Error                string
	Last, Next, Finished time.Time // zero where there is none
}

type deliveryRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Event   string
	Subject string
}

type progressRecord struct {
	_                    struct{} `cbor:",toarray"`
	Version              uint8
	State                uint8
	Attempts             int
	Status               int
	Error                string
	Last, Next, Finished int64 // Unix milliseconds, 0 where there is none
}

// deliveryStates are the numbers of social's states on disk.
var deliveryStates = [...]social.DeliveryState{0: social.DeliveryPending, 1: social.DeliveryDelivered, 2: social.DeliveryDead}

// DeliveryID gives the id of the delivery of what a subject tells of to a webhook:
// always the same of the same.
func DeliveryID(webhook, event, subject string) string {
	n, _ := social.SlotOf(webhook)
	return social.DerivedID(n, social.TimeOf(subject), webhook, event, subject)
}

// NewDelivery is the mutation that has something sent to a user's webhook, at once.
func NewDelivery(user, webhook, event, subject string) store.Mutation {
	return store.Mutation{
		Key: WebhookDelivery(user, webhook, DeliveryID(webhook, event, subject)), Op: store.Put,
		Value: encode(deliveryRecord{Version: deliveryVersion, Event: event, Subject: subject}),
	}
}

// Progressed is the mutation that says how far a delivery is. It does nothing to one
// that is gone.
func Progressed(k store.Key, p Progress) store.Mutation {
	rec := progressRecord{
		Version: progressVersion, Attempts: p.Attempts, Status: p.Status, Error: p.Error,
		Last: millis(p.Last), Next: millis(p.Next), Finished: millis(p.Finished),
	}
	for n, state := range deliveryStates {
		if state == p.State {
			rec.State = uint8(n)
		}
	}
	return store.Mutation{Key: k, Op: store.Update, Fields: []store.FieldValue{{ID: FieldProgress, Value: encode(rec)}}}
}

// DecodeDelivery reads the row of a delivery.
func DecodeDelivery(row crdt.Row) (Delivery, error) {
	value, err := birthValue(row)
	if err != nil {
		return Delivery{}, err
	}
	var rec deliveryRecord
	if err := decode(value, &rec, &rec.Version, deliveryVersion); err != nil {
		return Delivery{}, fmt.Errorf("delivery: %w", err)
	}
	d := Delivery{Event: rec.Event, Subject: rec.Subject, Progress: Progress{State: social.DeliveryPending}}
	f, ok := row.Field(FieldProgress)
	if !ok {
		return d, nil
	}
	var p progressRecord
	if err := decode(f.Value, &p, &p.Version, progressVersion); err != nil {
		return Delivery{}, fmt.Errorf("progress of a delivery: %w", err)
	}
	if int(p.State) >= len(deliveryStates) {
		return Delivery{}, fmt.Errorf("%w: delivery in state %d", ErrMalformed, p.State)
	}
	d.Progress = Progress{
		State: deliveryStates[p.State], Attempts: p.Attempts, Status: p.Status, Error: p.Error,
		Last: fromMillis(p.Last), Next: fromMillis(p.Next), Finished: fromMillis(p.Finished),
	}
	return d, nil
}

func millis(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

func fromMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
