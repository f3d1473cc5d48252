package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"grapevine/node/client"
	"grapevine/services/social"
)

type fakeNotifications struct{ *world }

func (f fakeNotifications) List(ctx context.Context, who social.Identity, grouped bool, cut social.Cut) (social.NotificationPage[json.RawMessage], error) {
	n := social.Notification[json.RawMessage]{
		ID: postID, Kind: social.NotifyLike, Actors: []social.User{alice}, Count: 1, Post: encodedHello(), CreatedAt: madeAt,
	}
	if grouped {
		n.Count, n.GroupKey = 4, "like:"+postID
	}
	p := social.NotificationPage[json.RawMessage]{Unread: 3}
	p.Items = []social.Notification[json.RawMessage]{n, {ID: postID, Kind: social.NotifyFollow, Actors: []social.User{alice}, Count: 1}}
	return p, f.do(ctx, who, cut)
}
func (f fakeNotifications) Unread(ctx context.Context, who social.Identity) (int, error) {
	return 3, f.do(ctx, who, social.Cut{})
}
func (f fakeNotifications) Read(ctx context.Context, who social.Identity, upTo string) error {
	return f.named(upTo).write(ctx, who)
}
func (f fakeNotifications) Preferences(ctx context.Context, who social.Identity) (social.NotificationPreferences, error) {
	return social.NotificationPreferences{Like: social.NotifyAll}, f.do(ctx, who, social.Cut{})
}
func (f fakeNotifications) Prefer(ctx context.Context, who social.Identity, change social.NotificationPreferences) (social.NotificationPreferences, error) {
	return change, f.write(ctx, who)
}
func (f fakeNotifications) Publish(ctx context.Context, who social.Identity, in social.NewChannelMessage) (social.ChannelMessage, error) {
	m := social.ChannelMessage{ID: postID, Channel: in.Channel, Author: who.User, Message: in.Message + in.Key, CreatedAt: madeAt}
	return m, f.write(ctx, who)
}
func (f fakeNotifications) History(ctx context.Context, viewer social.Identity, channel string, cut social.Cut) (social.Page[social.ChannelMessage], error) {
	return social.Page[social.ChannelMessage]{}, f.named(channel).do(ctx, viewer, cut)
}

func TestNotificationsCarryTheirPostAndAreGroupedUnlessAskedOtherwise(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for query, want := range map[string]int{"": 4, "?grouped=true": 4, "?grouped=false": 1} {
		var page client.NotificationPage
		rec := send(a, "GET", "/v1/notifications"+query, "", "Authorization", "Bearer "+aliceToken)
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil {
			t.Fatalf("%v: %s", err, rec.Body)
		}
		if len(page.Items) != 2 || page.Items[0].Count != want || page.Unread != 3 ||
			page.Items[0].Post == nil || page.Items[0].Post.Text != hello.Text || page.Items[1].Post != nil {
			t.Errorf("%s: %s", query, rec.Body)
		}
	}
}

func TestPublishingIsAcceptedAndPassesTheKeyOn(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	rec := send(a, "POST", "/v1/notifications", `{"channel":"news","message":"hello "}`,
		"Authorization", "Bearer "+aliceToken, client.HeaderIdempotency, "k1")
	var m social.ChannelMessage
	if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil || rec.Code != http.StatusAccepted || m.Message != "hello k1" || m.Channel != "news" {
		t.Errorf("status %d, %v: %s", rec.Code, err, rec.Body)
	}
}

func TestABadPreferenceNamesItsKind(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	rec := send(a, "PATCH", "/v1/notifications/preferences", `{"like":"sometimes"}`, "Authorization", "Bearer "+aliceToken)
	if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), "like") {
		t.Errorf("status %d: %s", rec.Code, rec.Body)
	}
}
