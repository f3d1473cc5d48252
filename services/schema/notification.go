package schema

import (
	"fmt"

	"grapevine/crdt"
	"grapevine/crdt/hlc"
	"grapevine/services/social"
	"grapevine/store"
)

// FamilyPublished is the family of what an account said in channels.
const FamilyPublished store.Family = 49

// Published is the key of a message that a user published, in the user's slot.
func Published(user, id string) store.Key { return pair(FamilyPublished, user, id) }

// NotifyPreference is the key of whose acts of a kind a user wants to be told of.
// Each kind has a row of its own: of two changes of one kind the later holds, and
// changes of two kinds both do.
func NotifyPreference(user string, kind social.NotificationKind) store.Key {
	return pair(FamilyNotifyPreference, user, string(kind))
}

// Versions of the records of notifications and channels.
const (
	causeVersion     = 1
	toldVersion      = 1
	readVersion      = 1
	publishedVersion = 1
	messageVersion   = 1
)

// Cause is what a mirror says of the act that it tells of. By is who acted where the
// key does not say so, and Answers whose post is answered with it, if it is a post.
type Cause struct {
	At      hlc.Timestamp // of the truth
	By      string
	Answers string
}

type causeRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	At      uint64
	By      string
	Answers string
}

// EncodeCause gives the value of a mirror.
func EncodeCause(c Cause) []byte {
	return encode(causeRecord{Version: causeVersion, At: uint64(c.At), By: c.By, Answers: c.Answers})
}

// DecodeCause reads a mirror. One without a value tells only that something was done,
// when it was made.
func DecodeCause(row crdt.Row) (Cause, error) {
	value, err := birthValue(row)
	if err != nil {
		return Cause{}, err
	}
	if len(value) == 0 {
		first, _ := row.First()
		return Cause{At: first.Time}, nil
	}
	var rec causeRecord
	if err := decode(value, &rec, &rec.Version, causeVersion); err != nil {
		return Cause{}, fmt.Errorf("cause: %w", err)
	}
	return Cause{At: hlc.Timestamp(rec.At), By: rec.By, Answers: rec.Answers}, nil
}

// Told is what a notification says: that Actor did something, with or by a post.
type Told struct {
	Kind    social.NotificationKind
	Actor   string
	Post    string // liked, reposted, or that mentions or answers; of no other kind
	Answers string // of a reply: the user's post that it answers
}

type toldRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Kind    uint8
	Actor   string
	Post    string
	Answers string
}

// notificationKinds are the numbers of social's kinds on disk.
var notificationKinds = [...]social.NotificationKind{
	1: social.NotifyMention, 2: social.NotifyReply, 3: social.NotifyLike, 4: social.NotifyRepost,
	5: social.NotifyFollow, 6: social.NotifyFriendRequest, 7: social.NotifyFriendAccept,
}

// ID gives the id of the notification of a user of what was done at a time: always
// the same of the same, so that to tell twice is to tell once.
func (t Told) ID(user string, at hlc.Timestamp) string {
	n, _ := social.SlotOf(user)
	return social.DerivedID(n, at.Time(), string(t.Kind), t.Post, t.Actor)
}

// Cause gives the key of the mirror in the user's slot from which a notification
// follows.
func (t Told) Cause(user string) store.Key {
	switch t.Kind {
	case social.NotifyLike:
		return Like(t.Post, t.Actor)
	case social.NotifyRepost:
		return Repost(t.Post, t.Actor)
	case social.NotifyReply:
		return Reply(t.Answers, t.Post)
	case social.NotifyMention:
		return Mentioned(user, t.Post)
	case social.NotifyFollow:
		return Follower(user, t.Actor)
	default:
		return Asked(user, t.Actor)
	}
}

// About gives the user's own post that a notification is about, "" if none.
func (t Told) About() string {
	switch t.Kind {
	case social.NotifyLike, social.NotifyRepost:
		return t.Post
	}
	return t.Answers
}

// EncodeTold gives the value of a notification row.
func EncodeTold(t Told) []byte {
	rec := toldRecord{Version: toldVersion, Actor: t.Actor, Post: t.Post, Answers: t.Answers}
	for n, kind := range notificationKinds {
		if n > 0 && kind == t.Kind {
			rec.Kind = uint8(n)
		}
	}
	return encode(rec)
}

// DecodeTold reads a notification row.
func DecodeTold(row crdt.Row) (Told, error) {
	value, err := birthValue(row)
	if err != nil {
		return Told{}, err
	}
	var rec toldRecord
	if err := decode(value, &rec, &rec.Version, toldVersion); err != nil {
		return Told{}, fmt.Errorf("notification: %w", err)
	}
	if rec.Kind == 0 || int(rec.Kind) >= len(notificationKinds) {
		return Told{}, fmt.Errorf("%w: notification of kind %d", ErrMalformed, rec.Kind)
	}
	return Told{Kind: notificationKinds[rec.Kind], Actor: rec.Actor, Post: rec.Post, Answers: rec.Answers}, nil
}
