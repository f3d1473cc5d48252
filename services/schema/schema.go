// Package schema spells, once, how the domain lies in the store: the families of
// rows, the keys of each, the encodings of their values, and what a page of a
// list is.
//
// Everything of a user lies in the user's slot, a post in its author's slot, and
// a claim to a username in the name's slot, and what a hashtag tags in the tag's:
//
//	family       slot       sort                    value            fields
//	user         user       user                    profile          display name, bio, avatar, username
//	credential   user       user                    hash, username   gone, hash, generation, username
//	name         name       name                    user id          key of the sign-up
//	following    follower   follower/followee       -
//	follower     followee   followee/follower       -
//	post         author     post                    post             Edit, imported, repost of
//	author post  author     author/post             audience         gone, tags, mentions, reply to
//	home         reader     reader/post             -
//	idempotency  user       user/hash of the key    post id          repeated
//	revoked      user       user/token              -
//	notice       user       user/notice             notice
//	former name  user       user/name               -
//	departed     user       user                    -
//	agreed       user       user/other              -
//	asked        user       user/other              -
//	ended        user       user/other/act          ending
//	block        blocker    blocker/blocked         -
//	blocked by   blocked    blocked/blocker         -
//	mute         muter      muter/muted             -
//	muted by     muted      muted/muter             -
//	notification user       user/notification       what happened
//	read         user       user/notification       which were read
//	preference   user       user/kind               whose acts
//	published    author     author/message          channel, text
//	message      channel    channel/message         author, text
//	merged       reader     reader/author           -
//	broad        author     author                  -
//	list         owner      owner/list              title            title
//	list member  owner      owner/list/member       -
//	listed       member     member/owner/list       -
//	webhook      user       user/webhook            webhook          url, events, description, keys, disabled
//	delivery     user       user/webhook/delivery   what is told     progress
//	wh. channel  user       user/webhook/channel    -
//	listener     channel    channel/user/webhook    -
//
// Truth is in user, credential, name, following, post, idempotency, revoked,
// former name, liked, reposted, edit, list, list member,
// read, preference and published. Of like, repost, reply, follower, asked and
// mentioned the value says when the truth was made.
// The rest follows from it and is written by services/fanout, or together with
// the truth where both lie in one slot.
package schema

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"grapevine/crdt"
	"grapevine/services/social"
	"grapevine/store"
)

// The families. Their numbers are on disk and never change meaning.
const (
	FamilyUser        store.Family = 1
	FamilyCredential  store.Family = 2
	FamilyName        store.Family = 3
	FamilyFollowing   store.Family = 4
	FamilyFollower    store.Family = 5
	FamilyPost        store.Family = 6
	FamilyAuthorPost  store.Family = 7
	FamilyHome        store.Family = 8
	FamilyIdempotency store.Family = 9
	FamilyRevoked     store.Family = 10
	FamilyNotice      store.Family = 11
	FamilyFormerName  store.Family = 12
	FamilyDeparted    store.Family = 13
)

// The mutable fields of a user row and of a post row.
const (
	FieldDisplayName uint8 = 1
	FieldBio         uint8 = 2
	FieldAvatar      uint8 = 3
	FieldUsername    uint8 = 4 // of the credential row, too

	FieldEdit         uint8 = 1
	FieldEditMentions uint8 = 2 // whom the text of FieldEdit mentions, if it is of the same write
	FieldRepostOf     uint8 = 20
	FieldImported     uint8 = 32
)

// The mutable fields of a credential row beside FieldGone and FieldUsername. The
// username is there because the row outlives the user row, and because its change
// is what fan-out acts on.
const (
	FieldHash       uint8 = 2
	FieldGeneration uint8 = 3
)

// FieldGone says, on a credential or an author post row, that the user or post was
// deleted. It is written with the deletion, so that fan-out acts on a deletion and
// never on a row that has merely not arrived.
const FieldGone uint8 = 1

// FieldClaimKey is, on a name row, the Idempotency-Key of the sign-up that claimed the
// name: what ClaimKey gives.
const FieldClaimKey uint8 = 1

// FieldSignedUp says, on a user row, that the sign-up came again.
const FieldSignedUp uint8 = 5

// FieldRepeated says, on an idempotency row, that the request came again.
const FieldRepeated uint8 = 1

// Indexed says whether replicas keep an index of a family over all slots, for
// Rows.ScanIndex.
func Indexed(f store.Family) bool {
	return f == FamilyUser || f == FamilyPost || f == FamilyWebhook
}

// Recent says of which families the truth needs an owner that knows them, to derive
// what follows: those that came with the protocol replica/write/2. Rows that are
// derived may lie with any owner, who keeps them as they are.
func Recent(f store.Family) bool {
	switch f {
	case FamilyList, FamilyListMember, FamilyWebhook, FamilyWebhookChannel,
		FamilyPublished, FamilyNotificationRead, FamilyNotifyPreference:
		return true
	}
	return false
}

// separator parts the two halves of a sort key. Ids, hashes and names never
// contain it.
const separator = "/"

// slot gives the slot of an id. What is not an id has none and addresses slot 0,
// where nothing is found under it.
func slot(id string) store.Slot {
	s, _ := social.SlotOf(id)
	return store.Slot(s)
}

func single(f store.Family, id string) store.Key {
	return store.Key{Slot: slot(id), Family: f, Sort: id}
}

func pair(f store.Family, owner, other string) store.Key {
	return store.Key{Slot: slot(owner), Family: f, Sort: owner + separator + other}
}

// User is the key of an account.
func User(user string) store.Key { return single(FamilyUser, user) }

// Credential is the key of what proves an account's owner. The row outlives the
// user row of a deleted account until all that follows from it is gone.
func Credential(user string) store.Key { return single(FamilyCredential, user) }

// Name is the key of the claim to a username.
func Name(name string) store.Key {
	return store.Key{Slot: store.Slot(social.NameSlot(name)), Family: FamilyName, Sort: social.FoldName(name)}
}

// Succession is the key, beside a claim, that only one successor of an abandoned
// claim can make.
func Succession(name, abandoned string) store.Key {
	k := Name(name)
	k.Sort += separator + abandoned
	return k
}

// Following is the key of the fact that follower follows followee.
func Following(follower, followee string) store.Key { return pair(FamilyFollowing, follower, followee) }

// Follower is the key of Following's mirror on the followee's side.
func Follower(followee, follower string) store.Key { return pair(FamilyFollower, followee, follower) }

// Post is the key of a post.
func Post(post string) store.Key { return single(FamilyPost, post) }

// AuthorPost is the key of a post's entry in the list of its author's. The row
// outlives a deleted post until all that follows from it is gone.
func AuthorPost(author, post string) store.Key { return pair(FamilyAuthorPost, author, post) }

// Home is the key of a post's entry in a reader's home timeline.
func Home(reader, post string) store.Key { return pair(FamilyHome, reader, post) }

// Idempotency is the key of what became of a user's request with an
// Idempotency-Key.
func Idempotency(user, key string) store.Key {
	sum := sha256.Sum256([]byte(key))
	return pair(FamilyIdempotency, user, base64.RawURLEncoding.EncodeToString(sum[:16]))
}

// Revoked is the key of the fact that a user logged a token out.
func Revoked(user, token string) store.Key { return pair(FamilyRevoked, user, token) }

// Notice is the key of something that the system tells a user.
func Notice(user, notice string) store.Key { return pair(FamilyNotice, user, notice) }

// FormerName is the key of the fact that a user had a name, whose claim is to be
// released.
func FormerName(user, name string) store.Key { return pair(FamilyFormerName, user, name) }

// Departed is the key of the fact that an account was deleted and all that it had has
// ended. The row stays for good, and says nothing but the id: by it goes what comes
// later from nodes that had not heard of the deletion.
func Departed(user string) store.Key { return single(FamilyDeparted, user) }

// Split gives the two halves of the Sort of a two-part key, and false for
// another key.
func Split(k store.Key) (owner, other string, ok bool) {
	return strings.Cut(k.Sort, separator)
}

// Other gives the second half of the Sort of a two-part key.
func Other(k store.Key) string {
	_, other, _ := Split(k)
	return other
}

// Of selects up to limit rows of a two-part family that belong to owner, in the
// order of the second half, or in reverse. After, when not empty, is the second
// half of the last row already seen.
func Of(f store.Family, owner, after string, reverse bool, limit int) store.Range {
	r := store.Range{Slot: slot(owner), Family: f, Prefix: owner + separator, Reverse: reverse, Limit: limit}
	if after != "" {
		r.After = r.Prefix + after
	}
	return r
}

// Gone is the mutation that marks a credential or author post row as that of
// something deleted.
func Gone(k store.Key) store.Mutation {
	return store.Mutation{Key: k, Op: store.Update, Fields: []store.FieldValue{{ID: FieldGone, Value: []byte{1}}}}
}

// IsGone says whether a credential or author post row is marked.
func IsGone(row crdt.Row) bool {
	_, gone := row.Field(FieldGone)
	return gone
}

// PostRemoval gives the mutations that delete a post. What follows from it in
// other slots is fan-out's.
func PostRemoval(author, post string) []store.Mutation {
	return []store.Mutation{
		{Key: Post(post), Op: store.Remove},
		Gone(AuthorPost(author, post)),
		{Key: Home(author, post), Op: store.Remove},
	}
}
