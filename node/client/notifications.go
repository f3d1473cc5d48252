package client

import (
	"context"
	"net/url"

	"grapevine/services/social"
)

// NotificationPage is the reply of GET /v1/notifications.
type NotificationPage = social.NotificationPage[*social.Post]

// Unread is the reply of GET /v1/notifications/unread.
type Unread struct {
	Count int `json:"count" doc:"At most 100."`
}

// ReadUpTo is the body of POST /v1/notifications/read.
type ReadUpTo struct {
	UpTo string `json:"up_to" minLength:"1" maxLength:"64" doc:"The id of a notification."`
}

// NewMessage is the body of POST /v1/notifications. Key is sent as its
// Idempotency-Key.
type NewMessage struct {
	Channel string `json:"channel" minLength:"1" maxLength:"64" doc:"1 to 64 of a-z, 0-9, point, - and _."`
	Message string `json:"message" minLength:"1" maxLength:"4096" doc:"At most 4096 bytes."`
	Key     string `json:"-"`
}

// Notifications lists what the client's account is told, newest first: acts of one
// kind as one item.
func (c *Client) Notifications(ctx context.Context, cut social.Cut) (out NotificationPage, err error) {
	return out, c.call(ctx, "GET", "/v1/notifications"+cutQuery(cut), nil, &out)
}

// EachNotification is Notifications with each act by itself.
func (c *Client) EachNotification(ctx context.Context, cut social.Cut) (out NotificationPage, err error) {
	q := cutValues(cut)
	q.Set("grouped", "false")
	return out, c.call(ctx, "GET", "/v1/notifications?"+q.Encode(), nil, &out)
}

// UnreadNotifications counts what the client's account has not read, up to 100.
func (c *Client) UnreadNotifications(ctx context.Context) (out Unread, err error) {
	return out, c.call(ctx, "GET", "/v1/notifications/unread", nil, &out)
}

// ReadNotifications marks all notifications up to an id as read.
func (c *Client) ReadNotifications(ctx context.Context, upTo string) error {
	return c.call(ctx, "POST", "/v1/notifications/read", ReadUpTo{upTo}, nil)
}

// NotificationPreferences gives whose acts the client's account is told of.
func (c *Client) NotificationPreferences(ctx context.Context) (out social.NotificationPreferences, err error) {
	return out, c.call(ctx, "GET", "/v1/notifications/preferences", nil, &out)
}

// SetNotificationPreferences changes those of the kinds that are not empty.
func (c *Client) SetNotificationPreferences(ctx context.Context, change social.NotificationPreferences) (out social.NotificationPreferences, err error) {
	return out, c.call(ctx, "PATCH", "/v1/notifications/preferences", change, &out)
}

// Publish says something in a channel.
func (c *Client) Publish(ctx context.Context, in NewMessage) (out social.ChannelMessage, err error) {
	return out, c.call(ctx, "POST", "/v1/notifications", in, &out, HeaderIdempotency, in.Key)
}

// Channel lists what was said in a channel, newest first.
func (c *Client) Channel(ctx context.Context, name string, cut social.Cut) (social.Page[social.ChannelMessage], error) {
	return list[social.ChannelMessage](ctx, c, "/v1/channels/"+url.PathEscape(name), cut)
}
