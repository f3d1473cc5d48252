package social

import (
	"strings"
	"time"
)

// NotificationKind is what a user is told of.
type NotificationKind string

// The kinds of notification.
const (
	NotifyMention       NotificationKind = "mention"
	NotifyReply         NotificationKind = "reply"
	NotifyLike          NotificationKind = "like"
	NotifyRepost        NotificationKind = "repost"
	NotifyFollow        NotificationKind = "follow"
	NotifyFriendRequest NotificationKind = "friend_request"
	NotifyFriendAccept  NotificationKind = "friend_accept"
)

// NotificationKinds are all kinds, in the order in which they are listed.
func NotificationKinds() []NotificationKind {
	return []NotificationKind{
		NotifyMention, NotifyReply, NotifyLike, NotifyRepost, NotifyFollow, NotifyFriendRequest, NotifyFriendAccept,
	}
}

// NotifyFrom says whose acts of one kind a user wants to be told of.
type NotifyFrom string

// The preferences of a kind.
const (
	NotifyAll       NotifyFrom = "all"
	NotifyFollowing NotifyFrom = "following" // of those whom the user follows
	NotifyOff       NotifyFrom = "off"
)

// NotificationPreferences says, of each kind, whose acts a user wants to be told of.
// In a change, a kind that is empty stays as it is.
type NotificationPreferences struct {
	Mention       NotifyFrom `json:"mention,omitempty" enum:"all,following,off"`
	Reply         NotifyFrom `json:"reply,omitempty" enum:"all,following,off"`
	Like          NotifyFrom `json:"like,omitempty" enum:"all,following,off"`
	Repost        NotifyFrom `json:"repost,omitempty" enum:"all,following,off"`
	Follow        NotifyFrom `json:"follow,omitempty" enum:"all,following,off"`
	FriendRequest NotifyFrom `json:"friend_request,omitempty" enum:"all,following,off"`
	FriendAccept  NotifyFrom `json:"friend_accept,omitempty" enum:"all,following,off"`
}

// Of gives where the preference of a kind is, nil for what is no kind.
func (p *NotificationPreferences) Of(k NotificationKind) *NotifyFrom {
	switch k {
	case NotifyMention:
		return &p.Mention
	case NotifyReply:
		return &p.Reply
	case NotifyLike:
		return &p.Like
	case NotifyRepost:
		return &p.Repost
	case NotifyFollow:
		return &p.Follow
	case NotifyFriendRequest:
		return &p.FriendRequest
	case NotifyFriendAccept:
		return &p.FriendAccept
	}
	return nil
}

// Notification is something that others did and a user is told of. P is how its post
// is given. One that stands for several acts has the id and the time of the newest.
type Notification[P any] struct {
	ID        string           `json:"id"`
	Kind      NotificationKind `json:"kind" enum:"mention,reply,like,repost,follow,friend_request,friend_accept"`
	GroupKey  string           `json:"group_key,omitempty" doc:"The same for all acts that become one item: likes of one post, reposts of one post, follows of one day (UTC)."`
	Actors    []User           `json:"actors" nullable:"false" doc:"Who did it, at most three, newest first."`
	Count     int              `json:"count" doc:"How many accounts did it."`
	Post      P                `json:"post,omitempty" doc:"The post that was liked or reposted, or that mentions you or answers one of yours."`
	CreatedAt time.Time        `json:"created_at"`
	Read      bool             `json:"read"`
}

// NotificationPage is a page of notifications, newest first.
type NotificationPage[P any] struct {
	Page[Notification[P]]
	Unread int `json:"unread" doc:"How many notifications are not read, each act counted, on all pages; at most 100."`
}

// ChannelMessage is what an account said in a channel.
type ChannelMessage struct {
	ID        string    `json:"id"`
	Channel   string    `json:"channel"`
	Author    string    `json:"author" doc:"The author's user id."`
	Message   string    `json:"message"`
	CreatedAt time.Time `json:"created_at"`
}

// NewChannelMessage is what publishing takes. Key, when not empty, is the client's
// Idempotency-Key: a second message of one author with the same key is the first.
type NewChannelMessage struct {
	Channel string
	Message string
	Key     string
}

// Bounds of notifications and channels.
const (
	MaxNotifications  = 1000               // newest that a user has; older ones go
	MaxActors         = 3                  // shown of a notification
	MaxUnread         = 100                // counts of unread ones stop there
	MaxChannel        = 64                 // characters of a channel's name
	MaxMessage        = 4 << 10            // bytes of a message
	MaxChannelHistory = 500                // newest messages that a channel has; older ones go
	ChannelHistory    = 7 * 24 * time.Hour // for which messages can be read
)

// FoldChannel gives the form of a channel's name in which names are compared, in
// lower case, or "" for what is no name: 1 to MaxChannel of a-z, 0-9, point, - and _.
func FoldChannel(name string) string {
	name = FoldName(name)
	if len(name) > MaxChannel || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return ""
	}
	return name
}
