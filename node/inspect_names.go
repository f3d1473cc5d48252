package node

import (
	"fmt"

	"grapevine/services/schema"
	"grapevine/store"
)

// familyNames says what rows are, to people.
var familyNames = map[store.Family]string{
	schema.FamilyUser: "account", schema.FamilyCredential: "credential", schema.FamilyName: "name claim",
	schema.FamilyFollowing: "following", schema.FamilyFollower: "followers", schema.FamilyPost: "post",
	schema.FamilyAuthorPost: "posts of the author", schema.FamilyHome: "home timeline",
	schema.FamilyLiked: "likes given", schema.FamilyLike: "likes", schema.FamilyReposted: "reposts made",
	schema.FamilyRepost: "reposts", schema.FamilyReply: "replies", schema.FamilyTagged: "hashtag",
	schema.FamilyMentioned: "mentions", schema.FamilyEdit: "edits",
	schema.FamilyNotification: "notifications", schema.FamilyChannelMessage: "channel",
	schema.FamilyIdempotency: "idempotency keys",
}

func familyName(f store.Family) string {
	if name, ok := familyNames[f]; ok {
		return name
	}
	return fmt.Sprintf("family %d", f)
}

// tellable says whether it may be told who has rows of a family: that somebody
// blocks or mutes is nobody's business.
func tellable(f store.Family) bool {
	switch f {
	case schema.FamilyBlock, schema.FamilyBlockedBy, schema.FamilyMute, schema.FamilyMutedBy, schema.FamilyRevoked:
		return false
	}
	return true
}

// fieldName names a field of a row, to people.
func fieldName(f store.Family, id uint8) string {
	names := map[store.Family]map[uint8]string{
		schema.FamilyUser: {
			schema.FieldDisplayName: "display name", schema.FieldBio: "bio",
			schema.FieldAvatar: "avatar", schema.FieldUsername: "username",
		},
		schema.FamilyCredential: {
			schema.FieldGone: "deleted", schema.FieldHash: "password hash",
			schema.FieldGeneration: "generation", schema.FieldUsername: "username",
		},
		schema.FamilyPost: {
			schema.FieldEdit: "edit", schema.FieldEditMentions: "mentions of the edit", schema.FieldRepostOf: "repost of", schema.FieldImported: "imported",
		},
		schema.FamilyAuthorPost: {schema.FieldGone: "deleted"},
	}
	if name, ok := names[f][id]; ok {
		return name
	}
	return fmt.Sprintf("field %d", id)
}
