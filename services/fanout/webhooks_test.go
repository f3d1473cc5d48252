package fanout_test

import (
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// hook writes a webhook as its service does, and gives its id.
func (w *world) hook(who social.Identity, events ...string) string {
	w.t.Helper()
	slot, _ := social.SlotOf(who.User)
	h := schema.Hook{Webhook: social.Webhook{ID: social.NewID(slot, time.Now()), URL: "https://example.com/", Events: events}}
	h.Keys.Current = []byte("nonce")
	ms := []store.Mutation{{Key: schema.Webhook(who.User, h.ID), Op: store.Put, Value: schema.EncodeWebhook(h)}}
	for _, channel := range h.Channels() {
		ms = append(ms, store.Mutation{Key: schema.WebhookChannel(who.User, h.ID, channel), Op: store.Put})
	}
	w.write(ms...)
	return h.ID
}

// sent gives the events of the deliveries to a user's webhook, oldest first.
func (w *world) sent(who social.Identity, webhook string) (events []string) {
	w.t.Helper()
	synctest.Wait()
	entries, err := w.rows.Scan(w.t.Context(), schema.WebhookDeliveries(who.User, webhook, "", false, 100))
	w.must(err)
	for _, e := range entries {
		d, err := schema.DecodeDelivery(e.Row)
		w.must(err)
		events = append(events, d.Event)
	}
	return events
}

// say writes a message to a channel as its service does.
func (w *world) say(who social.Identity, channel string) {
	w.t.Helper()
	time.Sleep(time.Millisecond)
	slot, _ := social.SlotOf(who.User)
	m := social.ChannelMessage{ID: social.NewID(slot, time.Now()), Channel: channel, Author: who.User, Message: "hello"}
	w.write(store.Mutation{Key: schema.Published(who.User, m.ID), Op: store.Put, Value: schema.EncodePublished(m)})
}

func TestWhatAUserIsToldGoesToTheWebhooksThatWantIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		all, likes, others := w.hook(ann, "*"), w.hook(ann, "like"), w.hook(bob, "*")
		post := w.post(ann, social.NewPost{Text: "hello"})
		w.must(w.posts.Like(t.Context(), bob, post))
		time.Sleep(time.Millisecond)
		w.follow(bob, ann)
		wantIDs(t, "one for all", w.sent(ann, all), []string{"like", "follow"})
		wantIDs(t, "one for likes", w.sent(ann, likes), []string{"like"})
		wantIDs(t, "that of another", w.sent(bob, others), nil)
	})
}

func TestWhatIsToldTwiceIsSentOnceAndWhatBecameOfItStays(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		first := w.start(l, true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.hook(ann, "*", "message:news")
		w.follow(bob, ann)
		w.say(bob, "news")
		wantIDs(t, "the first time", w.sent(ann, id), []string{"follow", "message:news"})
		for _, k := range w.rows.Keys(schema.FamilyWebhookDelivery) {
			w.write(schema.Progressed(k, schema.Progress{State: social.DeliveryDelivered, Attempts: 1}))
		}
		for _, f := range []store.Family{schema.FamilyFollower, schema.FamilyChannelMessage} { // told by another node, too
			k := w.rows.Keys(f)[0]
			row, err := w.rows.Get(t.Context(), k)
			w.must(err)
			last, _ := row.Last()
			w.write(store.Mutation{Key: k, Op: store.Put, Value: last.Value})
		}
		synctest.Wait()
		first.stop()
		w.start(newLog(w), true, nil) // it reads the log from the beginning
		wantIDs(t, "the second time", w.sent(ann, id), []string{"follow", "message:news"})
		for _, k := range w.rows.Keys(schema.FamilyWebhookDelivery) {
			row, err := w.rows.Get(t.Context(), k)
			w.must(err)
			if d, err := schema.DecodeDelivery(row); err != nil || d.Progress.State != social.DeliveryDelivered {
				t.Errorf("delivery is %+v, %v", d, err)
			}
		}
	})
}

func TestMessagesOfAChannelGoToTheWebhooksThatListenAndNoLonger(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		news := w.hook(ann, "message:news")
		synctest.Wait()
		w.say(bob, "news")
		w.say(bob, "sports")
		wantIDs(t, "listening to news", w.sent(ann, news), []string{"message:news"})
		w.write(store.Mutation{Key: schema.WebhookChannel(ann.User, news, "news"), Op: store.Remove})
		synctest.Wait()
		w.say(bob, "news")
		wantIDs(t, "listening to nothing", w.sent(ann, news), []string{"message:news"})
	})
}

// none fails when rows of webhooks are left.
func (w *world) none() {
	w.t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	for _, f := range []store.Family{
		schema.FamilyWebhook, schema.FamilyWebhookDelivery, schema.FamilyWebhookChannel, schema.FamilyWebhookListener,
	} {
		if keys := w.rows.Keys(f); len(keys) > 0 {
			w.t.Errorf("of family %d these are left: %v", f, keys)
		}
	}
}

func TestNothingIsLeftOfAWebhookThatIsDeleted(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.hook(ann, "*", "message:news", "message:sports")
		w.follow(bob, ann)
		wantIDs(t, "before", w.sent(ann, id), []string{"follow"})
		w.write(store.Mutation{Key: schema.Webhook(ann.User, id), Op: store.Remove})
		w.none()
	})
}

func TestNothingIsLeftOfTheWebhooksOfADeletedAccount(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.hook(ann, "*", "message:news")
		id := w.hook(ann, "follow")
		w.follow(bob, ann)
		wantIDs(t, "before", w.sent(ann, id), []string{"follow"})
		w.must(w.users.Delete(t.Context(), ann, "@ann"))
		w.none()
		// Made on the other side of a split.
		w.hook(ann, "like", "message:news")
		w.none()
	})
}
