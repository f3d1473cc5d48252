package schema_test

import (
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
)

func FuzzDecodeWebhook(f *testing.F) {
	id := social.NewID(1, at)
	h := schema.Hook{Webhook: social.Webhook{URL: "https://example.com/", Events: []string{"like"}}}
	h.Keys.Current = []byte("nonce")
	f.Add(schema.EncodeWebhook(h), []byte(nil), uint8(0))
	f.Add(schema.EncodeWebhook(h), schema.EncodeWebhookEvents([]string{"*"}), schema.FieldWebhookEvents)
	f.Add(schema.EncodeWebhook(h), schema.EncodeWebhookKeys(schema.WebhookKeys{Current: []byte("a"), Since: at}), schema.FieldWebhookKeys)
	f.Fuzz(func(t *testing.T, value, field []byte, number uint8) {
		if _, err := schema.DecodeWebhook(id, withField(value, number, field)); refused(t, err) {
			return
		}
		h, err := schema.DecodeWebhook(id, born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeWebhook(id, born(schema.EncodeWebhook(h)))
		same(t, h, again, err)
	})
}

func FuzzDecodeDelivery(f *testing.F) {
	put := schema.NewDelivery("user", social.NewID(1, at), "like", social.NewID(1, at))
	progress := func(p schema.Progress) []byte { return schema.Progressed(put.Key, p).Fields[0].Value }
	f.Add(put.Value, []byte(nil))
	f.Add(put.Value, progress(schema.Progress{State: social.DeliveryDead, Attempts: 12, Error: "gone", Finished: at}))
	f.Fuzz(func(t *testing.T, value, field []byte) {
		d, err := schema.DecodeDelivery(withField(value, schema.FieldProgress, field))
		if refused(t, err) || field == nil {
			return
		}
		again, err := schema.DecodeDelivery(withField(value, schema.FieldProgress, progress(d.Progress)))
		same(t, d, again, err)
	})
}

func TestTheFieldsOfAWebhookAreChangedOneByOne(t *testing.T) {
	t.Parallel()
	first := schema.EncodeWebhook(schema.Hook{Webhook: social.Webhook{URL: "https://a.example/", Events: []string{"like"}, Description: "a"}})
	since := time.UnixMilli(at.UnixMilli())
	for _, c := range []struct {
		field uint8
		value []byte
		want  func(*schema.Hook)
	}{
		{schema.FieldWebhookURL, []byte("https://b.example/"), func(h *schema.Hook) { h.URL = "https://b.example/" }},
		{schema.FieldWebhookDescription, []byte("b"), func(h *schema.Hook) { h.Description = "b" }},
		{schema.FieldWebhookDisabled, []byte("gone"), func(h *schema.Hook) { h.Enabled, h.Reason = false, "gone" }},
		{schema.FieldWebhookEvents, schema.EncodeWebhookEvents([]string{"*"}), func(h *schema.Hook) { h.Events = []string{"*"} }},
		{schema.FieldWebhookKeys, schema.EncodeWebhookKeys(schema.WebhookKeys{Current: []byte("k"), Former: []byte("f"), Since: since}),
			func(h *schema.Hook) {
				h.Keys = schema.WebhookKeys{Current: []byte("k"), Former: []byte("f"), Since: since}
			}},
	} {
		want, err := schema.DecodeWebhook("", born(first))
		if err != nil {
			t.Fatal(err)
		}
		c.want(&want)
		got, err := schema.DecodeWebhook("", withField(first, c.field, c.value))
		same(t, want, got, err)
	}
}
