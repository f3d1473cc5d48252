package fanout

import (
	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// pair is an act, in the slot of who did it, and the row that mirrors it where it was
// done: beside another account, a post or a channel. Each has one key that follows from
// the other's.
type pair struct{ truth, mirror store.Key }

// pairOf gives the pair that a row is one half of, and false for a row of no pair.
func pairOf(k store.Key) (pair, bool) {
	if truth, ok := truthOf(k); ok {
		return pair{truth, k}, true
	}
	mirror, ok := mirrorOf(k)
	return pair{k, mirror}, ok
}

// truthOf gives the key of what a row mirrors.
func truthOf(k store.Key) (store.Key, bool) {
	where, who, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyFollower:
		return schema.Following(who, where), true
	case schema.FamilyAsked:
		return schema.Agreed(who, where), true
	case schema.FamilyLike:
		return schema.Liked(who, where), true
	case schema.FamilyRepost:
		return schema.Reposted(who, where), true
	case schema.FamilyBlockedBy:
		return schema.Block(who, where), true
	case schema.FamilyMutedBy:
		return schema.Mute(who, where), true
	case schema.FamilyListed:
		member, owner, list := schema.SplitInList(k)
		return schema.ListMember(owner, list, member), true
	case schema.FamilyWebhookListener:
		channel, user, webhook := schema.SplitListener(k)
		return schema.WebhookChannel(user, webhook, channel), true
	}
	return store.Key{}, false
}

// mirrorOf gives the key of the row that mirrors an act.
func mirrorOf(k store.Key) (store.Key, bool) {
	who, where, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyFollowing:
		return schema.Follower(where, who), true
	case schema.FamilyAgreed:
		return schema.Asked(where, who), true
	case schema.FamilyLiked:
		return schema.Like(where, who), true
	case schema.FamilyReposted:
		return schema.Repost(where, who), true
	case schema.FamilyBlock:
		return schema.BlockedBy(where, who), true
	case schema.FamilyMute:
		return schema.MutedBy(where, who), true
	case schema.FamilyListMember:
		owner, list, member := schema.SplitListMember(k)
		return schema.InList(member, owner, list), true
	case schema.FamilyWebhookChannel:
		user, webhook, channel := schema.SplitWebhook(k)
		return schema.WebhookListener(channel, user, webhook), true
	}
	return store.Key{}, false
}

// becomes gives the mutation after which the mirror is what the truth is.
func (p pair) becomes(truth crdt.Row) store.Mutation {
	switch p.mirror.Family {
	case schema.FamilyFollower, schema.FamilyAsked, schema.FamilyLike, schema.FamilyRepost:
		return mirror(p.mirror, truth)
	}
	return present(p.mirror, truth.Exists())
}
