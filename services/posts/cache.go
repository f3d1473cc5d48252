package posts

import (
	"encoding/json"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// view is a post as it is served, with what decides who may see it.
type view struct {
	post social.Post
	slot store.Slot
	raw  json.RawMessage
}

// viewOverhead estimates the bytes of a view beside its texts.
const viewOverhead = 512

func weigh(_ string, v *view) uint32 { return uint32(len(v.raw) + len(v.post.Text) + viewOverhead) }

// Invalidate is a store.Invalidator: it must be told of every change applied on
// this node.
func (s *Service) Invalidate(keys []store.Key) {
	for _, k := range keys {
		owner, _, _ := schema.Split(k)
		switch k.Family {
		case schema.FamilyPost:
			s.cache.Drop(k.Sort)
		case schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply, schema.FamilyUncounted:
			s.recount(owner)
		case schema.FamilyLiked, schema.FamilyReposted:
			s.marksOf.Drop(owner)
		}
	}
}
