package live

import (
	"strings"

	"github.com/zeebo/xxh3"

	"grapevine/services/schema"
	"grapevine/services/social"
)

// MaxChannels bounds the channels of a stream.
const MaxChannels = 16

// channel is one thing that a stream tells of.
type channel struct {
	name  string // as events say it, with tag or channel name folded
	owner string // who or what its list is of
	list  list
	kind  Kind // of its items
	// filter is for posts.
	filter social.PostFilter
}

// parseChannels reads the names of channels for a viewer.
func parseChannels(who social.Identity, names []string) ([]channel, error) {
	var all []channel
	for _, name := range names {
		c, err := parseChannel(who, name)
		if err != nil {
			return nil, err
		}
		known := false
		for _, o := range all {
			known = known || o.name == c.name
		}
		if !known {
			all = append(all, c)
		}
	}
	if len(all) == 0 || len(all) > MaxChannels {
		return nil, social.InvalidField("channels", "must be 1 to %d of home, notifications, public, tag:NAME and channel:NAME, separated by commas", MaxChannels)
	}
	return all, nil
}

func parseChannel(who social.Identity, name string) (c channel, err error) {
	kind, of, named := strings.Cut(name, ":")
	c = channel{name: kind, owner: who.User, kind: KindPost, filter: social.PostFilter{Unmuted: true}}
	needsAccount := true
	switch {
	case name == "home":
		c.filter.Followed = true
		c.list = listOf(schema.Home(who.User, ""))
	case name == "notifications":
		c.kind, c.list = KindNotification, listOf(schema.Notification(who.User, ""))
	case name == "public":
		c.owner, c.list, c.filter.Public, needsAccount = "", public, true, false
	case kind == "tag" && named:
		c.owner, needsAccount = social.FoldTag(of), false
		c.list, c.filter.Tag, c.filter.Public = listOf(schema.Tagged(c.owner, "")), c.owner, true
		if c.name = "tag:" + c.owner; c.owner == "" {
			return c, social.InvalidField("channels", "%.80q: a tag is letters, digits and _ of any script, not digits alone, at most %d", name, social.MaxTag)
		}
	case kind == "channel" && named:
		c.owner = social.FoldChannel(of)
		c.kind, c.list = KindMessage, listOf(schema.ChannelMessage(c.owner, ""))
		if c.name = "channel:" + c.owner; c.owner == "" {
			return c, social.InvalidField("channels", "%.80q: a channel's name is 1 to %d of a-z, 0-9, point, - and _", name, social.MaxChannel)
		}
	default:
		return c, social.InvalidField("channels", "there is no channel %.80q: name home, notifications, public, tag:NAME or channel:NAME", name)
	}
	if needsAccount && who.Anonymous() {
		return c, &social.Error{Kind: social.Unauthenticated, Field: "Authorization", Detail: "log in to follow " + c.name + "; public and tag:NAME need no token"}
	}
	return c, nil
}

// key names the channel and its owner in cursors.
func (c channel) key() uint64 { return xxh3.HashString(c.name + "\x00" + c.owner) }
