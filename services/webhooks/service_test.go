package webhooks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/services/webhooks"
)

func TestAWebhookThatNothingCanBeSentToIsRefusedByField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.service = webhooks.New(webhooks.Config{Rows: w.rows, Key: key, Permitted: func(a netip.Addr) bool { return !a.IsLoopback() }})
	ok, like := "https://example.com/hook?x=1", []string{"like"}
	for _, c := range []struct {
		name, url   string
		events      []string
		description string
		field       string // "" when it is taken
	}{
		{"an https URL", ok, like, "", ""},
		{"a host with a port", "http://example.com:8080/", like, "", ""},
		{"every kind", ok, []string{"*"}, "", ""},
		{"a channel", ok, []string{"message:News"}, "", ""},
		{"no URL", "", like, "", "url"},
		{"another scheme", "ftp://example.com/", like, "", "url"},
		{"a path alone", "/hook", like, "", "url"},
		{"no host", "http:///hook", like, "", "url"},
		{"a password", "https://ada:secret@example.com/", like, "", "url"},
		{"a fragment", ok + "#there", like, "", "url"},
		{"a port that is none", "http://example.com:99999/", like, "", "url"},
		{"control characters", "http://example.com/\r\nHost: x", like, "", "url"},
		{"letters beyond ASCII", "http://exämple.com/", like, "", "url"},
		{"a long URL", "https://example.com/" + strings.Repeat("a", social.MaxWebhookURL), like, "", "url"},
		{"an address that is not permitted", "http://127.0.0.1/", like, "", "url"},
		{"the same in IPv6", "http://[::1]:80/", like, "", "url"},
		{"this machine's name", "http://LocalHost./", like, "", "url"},
		{"a name below it", "http://a.localhost/", like, "", "url"},
		{"no events", ok, nil, "", "events"},
		{"an unknown event", ok, []string{"poke"}, "", "events"},
		{"the event of tests", ok, []string{social.WebhookTest}, "", "events"},
		{"a channel without a name", ok, []string{"message:"}, "", "events"},
		{"a bad channel", ok, []string{"message:a/b"}, "", "events"},
		{"a long description", ok, like, strings.Repeat("ä", 201), "description"},
		{"a description with a line feed", ok, like, "a\nb", "description"},
	} {
		h, err := w.service.Create(context.Background(), w.who, social.NewWebhook{URL: c.url, Events: c.events, Description: c.description})
		var refused *social.Error
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.field == "":
			if err := w.service.Delete(context.Background(), w.who, h.ID); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.As(err, &refused) || refused.Kind != social.Invalid || refused.Field != c.field:
			t.Errorf("%s: %v, want %s refused", c.name, err, c.field)
		}
	}
}

func TestAnAccountHasTenWebhooksAtMostAndOnlyItsOwn(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	var first social.Webhook
	for range social.MaxWebhooks {
		if h := w.create("https://example.com/", "like"); first.ID == "" || h.ID < first.ID {
			first = h // several are made in one millisecond
		}
	}
	if _, err := w.service.Create(ctx, w.who, social.NewWebhook{URL: "https://example.com/", Events: []string{"like"}}); social.KindOf(err) != social.Conflict {
		t.Errorf("one more gives %v", err)
	}
	other := social.Identity{User: social.NewID(4711, time.Now())}
	if _, err := w.service.Get(ctx, other, first.ID); social.KindOf(err) != social.NotFound {
		t.Errorf("another reads it: %v", err)
	}
	if _, err := w.service.Get(ctx, social.Identity{}, first.ID); social.KindOf(err) != social.Unauthenticated {
		t.Errorf("a visitor reads it: %v", err)
	}
	page, err := w.service.List(ctx, w.who, social.Cut{Limit: 3})
	if err != nil || len(page.Items) != 3 || page.Items[0].ID != first.ID || page.Items[0].Secret != "" || page.Next == "" {
		t.Errorf("the list is %+v, %v", page, err)
	}
}

func TestAnIdempotencyKeyRegistersOneWebhookAndGivesItsSecretAgain(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	in := social.NewWebhook{URL: "https://example.com/", Events: []string{"like"}, Key: "k"}
	first, err := w.service.Create(ctx, w.who, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.service.Create(ctx, w.who, in)
	if err != nil || again.ID != first.ID || again.Secret != first.Secret {
		t.Errorf("again it is %+v, %v, want %+v", again, err, first)
	}
	one, err := w.service.Rotate(ctx, w.who, first.ID, "r")
	if err != nil || one.Secret == first.Secret {
		t.Errorf("rotated it is %+v, %v", one, err)
	}
	if two, err := w.service.Rotate(ctx, w.who, first.ID, "r"); err != nil || two.Secret != one.Secret {
		t.Errorf("rotated again it is %+v, %v", two, err)
	}
}

func TestAnIdempotencyKeySendsOneTestOfEachWebhook(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	one, two := w.create("https://example.com/1", "like"), w.create("https://example.com/2", "like")
	sent := map[string]bool{}
	for _, c := range []struct{ hook, key string }{
		{one.ID, "k"}, {one.ID, "k"}, {two.ID, "k"}, {one.ID, "other"}, {one.ID, ""}, {one.ID, ""},
	} {
		d, err := w.service.Test(ctx, w.who, c.hook, c.key)
		if err != nil || d.Event != social.WebhookTest {
			t.Fatalf("%+v, %v", d, err)
		}
		sent[d.ID] = true
	}
	if rows := w.rows.Keys(schema.FamilyWebhookDelivery); len(sent) != 5 || len(rows) != 5 {
		t.Errorf("%d ids and %d deliveries, want 5", len(sent), len(rows))
	}
	_, err := w.service.Test(ctx, w.who, one.ID, strings.Repeat("k", social.MaxKey+1))
	if social.KindOf(err) != social.Invalid {
		t.Errorf("a key that is too long: %v", err)
	}
}

func TestAChangeOfEventsChangesTheChannelsThatAreListenedTo(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	h := w.create("https://example.com/", "message:b", "message:A", "like", "message:a")
	if !slices.Equal(h.Events, []string{"like", "message:a", "message:b"}) {
		t.Errorf("events are %q", h.Events)
	}
	if _, err := w.service.Update(ctx, w.who, h.ID, social.WebhookPatch{Events: &[]string{"message:b", "message:c"}}); err != nil {
		t.Fatal(err)
	}
	got := func() (channels []string) {
		for _, k := range w.rows.Keys(schema.FamilyWebhookChannel) {
			_, _, channel := schema.SplitWebhook(k)
			channels = append(channels, channel)
		}
		return channels
	}
	if !slices.Equal(got(), []string{"b", "c"}) {
		t.Errorf("it listens to %q", got())
	}
	if err := w.service.Delete(ctx, w.who, h.ID); err != nil || len(got()) > 0 {
		t.Errorf("deleted it listens to %q, %v", got(), err)
	}
}

// verify is the other side of the signature, written after the specification: it
// knows nothing of how it is made here.
func verify(secret string, header map[string]string, body []byte) bool {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return false
	}
	mac := hmac.New(sha256.New, raw)
	for _, part := range []string{header["webhook-id"], ".", header["webhook-timestamp"], ".", string(body)} {
		mac.Write([]byte(part))
	}
	for one := range strings.SplitSeq(header["webhook-signature"], " ") {
		version, signature, _ := strings.Cut(one, ",")
		if got, err := base64.StdEncoding.DecodeString(signature); version == "v1" && err == nil && hmac.Equal(got, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

func TestWhatIsSentIsSignedAndForADayAfterARotationByTheFormerSecretToo(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		h := w.create("https://example.com/", "*")
		stranger := w.create("https://example.org/", "follow")
		w.run(w.config(r))
		send := func() webhooks.Request {
			n := len(r.ids())
			w.tell(h, "like")
			rest(time.Second)
			return r.got[n]
		}
		q := send()
		if !verify(h.Secret, q.Header, q.Body) || verify(stranger.Secret, q.Header, q.Body) || verify(h.Secret, q.Header, append(q.Body, ' ')) {
			t.Error("the signature does not tell the right secret and body from others")
		}
		var event struct {
			Type      string
			Timestamp time.Time
			Data      struct{ For string }
		}
		if err := json.Unmarshal(q.Body, &event); err != nil || event.Type != "like" || event.Timestamp.IsZero() || event.Data.For != w.who.User {
			t.Errorf("the body is %s, %v", q.Body, err)
		}
		next, err := w.service.Rotate(context.Background(), w.who, h.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if q := send(); !verify(next.Secret, q.Header, q.Body) || !verify(h.Secret, q.Header, q.Body) {
			t.Error("after a rotation both secrets should do")
		}
		rest(webhooks.FormerKey)
		if q := send(); !verify(next.Secret, q.Header, q.Body) || verify(h.Secret, q.Header, q.Body) {
			t.Error("a day after a rotation the new secret alone should do")
		}
	})
}

func TestTheNodesKeyIsNeededToSign(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.create("https://example.com/", "*")
	row, err := w.rows.Get(context.Background(), schema.Webhook(w.who.User, h.ID))
	if err != nil {
		t.Fatal(err)
	}
	last, _ := row.Last()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.Secret, "whsec_"))
	if err != nil || strings.Contains(string(last.Value), string(raw)) {
		t.Errorf("the row holds the secret, %v", err)
	}
}
