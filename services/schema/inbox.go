package schema

import (
	"github.com/zeebo/xxh3"

	"grapevine/store"
)

// The families of what an account is told of.
const (
	FamilyNotification     store.Family = 40
	FamilyNotificationRead store.Family = 41
	FamilyNotifyPreference store.Family = 42
	FamilyChannelMessage   store.Family = 43
)

// The families of timelines that are merged when they are read.
const (
	FamilyMerged     store.Family = 44
	FamilyBroad      store.Family = 45
	FamilyList       store.Family = 46
	FamilyListMember store.Family = 47
	FamilyListed     store.Family = 48
)

// The families of webhooks.
const (
	FamilyWebhook         store.Family = 50
	FamilyWebhookDelivery store.Family = 51
)

// Notification is the key of something that a user is told of. Its id has the time
// at which that happened.
func Notification(user, id string) store.Key { return pair(FamilyNotification, user, id) }

// NotificationRead is the key of the fact that a user has read all notifications up
// to one. The greatest counts: devices that mark concurrently never take back what
// another has marked.
func NotificationRead(user, upTo string) store.Key { return pair(FamilyNotificationRead, user, upTo) }

// Merged is the key of the fact that a reader's home lacks the later posts of an
// author, with too many followers to write to each: they are merged in when the
// home is read.
func Merged(reader, author string) store.Key { return pair(FamilyMerged, reader, author) }

// Broad is the key of the fact that an author's posts are not written to followers.
func Broad(author string) store.Key { return single(FamilyBroad, author) }

// ChannelMessage is the key of a message in a channel, whose name is folded.
func ChannelMessage(channel, id string) store.Key {
	return store.Key{Slot: channelSlot(channel), Family: FamilyChannelMessage, Sort: channel + separator + id}
}

// InChannel selects rows of ChannelMessage like Of.
func InChannel(channel, after string, reverse bool, limit int) store.Range {
	r := store.Range{Slot: channelSlot(channel), Family: FamilyChannelMessage, Prefix: channel + separator, Reverse: reverse, Limit: limit}
	if after != "" {
		r.After = r.Prefix + after
	}
	return r
}

func channelSlot(channel string) store.Slot {
	return store.Slot(uint16(xxh3.HashString("channel\x00" + channel)))
}
