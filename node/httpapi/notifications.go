package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// Notifications keeps what users are told, and channels. Encoded posts are the JSON of
// social.Post.
type Notifications interface {
	List(ctx context.Context, who social.Identity, grouped bool, cut social.Cut) (social.NotificationPage[json.RawMessage], error)
	Unread(ctx context.Context, who social.Identity) (int, error)
	Read(ctx context.Context, who social.Identity, upTo string) error
	Preferences(ctx context.Context, who social.Identity) (social.NotificationPreferences, error)
	Prefer(ctx context.Context, who social.Identity, change social.NotificationPreferences) (social.NotificationPreferences, error)
	Publish(ctx context.Context, who social.Identity, in social.NewChannelMessage) (social.ChannelMessage, error)
	History(ctx context.Context, viewer social.Identity, channel string, cut social.Cut) (social.Page[social.ChannelMessage], error)
}

const notificationHelp = "The newest 1000. Likes of one post, reposts of one post, and follows of one day are one item each, with the id and the time of the newest; " +
	"`grouped=false` gives each by itself. What was taken back, and what comes from accounts that you mute or with a block between you, is left out. " +
	"`next` is the cursor of older ones, `prev` of newer ones."

const channelHelp = "A name is 1 to 64 of a-z, 0-9, point, - and _; upper case is folded. Everybody who is logged in reads and writes every channel. "

func (a *api) notificationRoutes() {
	tags := []string{"notifications"}
	register(a, account, replies[client.NotificationPage](a, huma.Operation{
		OperationID: "list-notifications", Method: http.MethodGet, Path: "/v1/notifications", Tags: tags,
		Summary: "List what others did that concerns you, newest first", Description: notificationHelp,
	}), a.notifications)
	register(a, account, huma.Operation{
		OperationID: "count-unread", Method: http.MethodGet, Path: "/v1/notifications/unread", Tags: tags,
		Summary: "Count the notifications that you have not read, at most 100",
	}, func(ctx context.Context, _ *struct{}) (*unreadReply, error) {
		n, err := a.Notifications.Unread(ctx, viewer(ctx))
		return &unreadReply{client.Unread{Count: n}}, err
	})
	register(a, account, huma.Operation{
		OperationID: "read-notifications", Method: http.MethodPost, Path: "/v1/notifications/read", Tags: tags,
		Summary: "Mark notifications as read, on all your devices", DefaultStatus: http.StatusNoContent,
		Description: "All up to the one of the id, as far as they have come: one that comes later is unread, whatever its time. " +
			"An id later than the newest counts as the newest.",
	}, func(ctx context.Context, in *struct{ Body client.ReadUpTo }) (*struct{}, error) {
		return nil, a.Notifications.Read(ctx, viewer(ctx), in.Body.UpTo)
	})
	a.preferenceRoutes(tags)
	a.channelRoutes()
}

func (a *api) preferenceRoutes(tags []string) {
	register(a, account, huma.Operation{
		OperationID: "get-notification-preferences", Method: http.MethodGet, Path: "/v1/notifications/preferences", Tags: tags,
		Summary: "Get whose acts of each kind you are told of",
	}, func(ctx context.Context, _ *struct{}) (*preferencesReply, error) {
		p, err := a.Notifications.Preferences(ctx, viewer(ctx))
		return &preferencesReply{p}, err
	})
	register(a, account, huma.Operation{
		OperationID: "set-notification-preferences", Method: http.MethodPatch, Path: "/v1/notifications/preferences", Tags: tags,
		Summary:     "Change whose acts of some kinds you are told of",
		Description: "`all`, those of accounts that you are `following`, or none: `off`. It counts at once, also for what has come. Kinds that are left out stay as they are.",
	}, func(ctx context.Context, in *struct {
		Body social.NotificationPreferences
	}) (*preferencesReply, error) {
		p, err := a.Notifications.Prefer(ctx, viewer(ctx), in.Body)
		return &preferencesReply{p}, err
	})
}

func (a *api) channelRoutes() {
	tags := []string{"channels"}
	register(a, account, huma.Operation{
		OperationID: "publish", Method: http.MethodPost, Path: "/v1/notifications", Tags: tags,
		Summary: "Say something in a channel", DefaultStatus: http.StatusAccepted,
		Description: channelHelp + "It is in the channel a moment later.",
	}, a.publish)
	register(a, account, huma.Operation{
		OperationID: "list-channel", Method: http.MethodGet, Path: "/v1/channels/{channel}", Tags: tags,
		Summary: "List what was said in a channel, newest first",
		Description: channelHelp + "The newest 500 messages are kept, for 7 days. " +
			"`next` is the cursor of older ones, `prev` of newer ones, also of those yet to come.",
	}, func(ctx context.Context, in *struct {
		Channel string `path:"channel" maxLength:"64"`
		Cut
	}) (*pageReply[social.ChannelMessage], error) {
		return page(a.Notifications.History(ctx, viewer(ctx), in.Channel, in.cut()))
	})
}

type (
	unreadReply      struct{ Body client.Unread }
	preferencesReply struct {
		Body social.NotificationPreferences
	}
	publishedReply struct{ Body social.ChannelMessage }
)

func (a *api) notifications(ctx context.Context, in *struct {
	Cut
	Grouped bool `query:"grouped" default:"true" doc:"Whether acts of one kind become one item."`
}) (*rawReply, error) {
	p, err := a.Notifications.List(ctx, viewer(ctx), in.Grouped, in.cut())
	if err != nil {
		return nil, err
	}
	if p.Items == nil {
		p.Items = []social.Notification[json.RawMessage]{}
	}
	b, err := json.Marshal(p)
	return raw(append(b, '\n')), err
}

func (a *api) publish(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice: a second request with the same key answers with the message of the first, on any node, for two days at least."`
	Body client.NewMessage
}) (*publishedReply, error) {
	m, err := a.Notifications.Publish(ctx, viewer(ctx), social.NewChannelMessage{
		Channel: in.Body.Channel, Message: in.Body.Message, Key: in.Key,
	})
	return &publishedReply{m}, err
}
