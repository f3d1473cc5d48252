package schema

import (
	"fmt"

	"github.com/zeebo/xxh3"

	"grapevine/crdt"
	"grapevine/services/social"
	"grapevine/store"
)

// The families of what is done with posts.
const (
	FamilyLiked     store.Family = 20
	FamilyLike      store.Family = 21
	FamilyReposted  store.Family = 22
	FamilyRepost    store.Family = 23
	FamilyReply     store.Family = 24
	FamilyTagged    store.Family = 25
	FamilyMentioned store.Family = 26
	FamilyEdit      store.Family = 27
	FamilyUncounted store.Family = 28
)

// The fields of an author post row beside FieldGone: what else follows from the
// post. They are here because the row outlives the post. Tags are those of the
// first text of a public post; those of later ones are in its edits.
const (
	FieldTags        uint8 = 20
	FieldMentions    uint8 = 21
	FieldReplyTo     uint8 = 22
	FieldReplyAuthor uint8 = 23
)

// Liked is the key of the fact that a user likes a post.
func Liked(user, post string) store.Key { return pair(FamilyLiked, user, post) }

// Like is the key of Liked's mirror beside the post.
func Like(post, user string) store.Key { return pair(FamilyLike, post, user) }

// Reposted is the key of the id of a user's repost of a post.
func Reposted(user, post string) store.Key { return pair(FamilyReposted, user, post) }

// Repost is the key of Reposted's mirror beside the post.
func Repost(post, user string) store.Key { return pair(FamilyRepost, post, user) }

// Reply is the key, beside a post, of another that answers it.
func Reply(post, reply string) store.Key { return pair(FamilyReply, post, reply) }

// Uncounted is the key, beside a post and a row of Reply, of the fact that the answer
// is not public: everybody sees how many answers there are, and would learn of it.
func Uncounted(post, reply string) store.Key { return pair(FamilyUncounted, post, reply) }

// Tagged is the key of the fact that a post has a hashtag, which is folded.
func Tagged(tag, post string) store.Key {
	return store.Key{Slot: tagSlot(tag), Family: FamilyTagged, Sort: tag + separator + post}
}

// TaggedWith selects rows of Tagged like Of.
func TaggedWith(tag, after string, reverse bool, limit int) store.Range {
	r := store.Range{Slot: tagSlot(tag), Family: FamilyTagged, Prefix: tag + separator, Reverse: reverse, Limit: limit}
	if after != "" {
		r.After = r.Prefix + after
	}
	return r
}

func tagSlot(tag string) store.Slot { return store.Slot(uint16(xxh3.HashString("tag\x00" + tag))) }

// Mentioned is the key of the fact that a post mentions a user.
func Mentioned(user, post string) store.Key { return pair(FamilyMentioned, user, post) }

// Edit is the key of a text that a post was given later. The id of the edit says
// when.
func Edit(post, edit string) store.Key { return pair(FamilyEdit, post, edit) }

// EncodeTexts gives the value of FieldTags, FieldMentions and FieldEditMentions.
func EncodeTexts(texts []string) []byte { return encode(texts) }

func decodeTexts(row crdt.Row, field uint8) ([]string, error) {
	f, ok := row.Field(field)
	if !ok {
		return nil, nil
	}
	var texts []string
	if err := decoding.Unmarshal(f.Value, &texts); err != nil {
		return nil, fmt.Errorf("%w: field %d: %w", ErrMalformed, field, err)
	}
	return texts, nil
}

// Listed gives the mutation that puts a post among its author's, with what
// fan-out needs to know of it. Answered is the author of the post that it answers, ""
// where that is of no concern.
func Listed(p social.Post, answered string) store.Mutation {
	m := store.Mutation{Key: AuthorPost(p.Author, p.ID), Op: store.Put, Value: EncodeAudience(p)}
	if p.Visibility == social.Public && len(p.Tags) > 0 {
		m.Fields = append(m.Fields, store.FieldValue{ID: FieldTags, Value: EncodeTexts(p.Tags)})
	}
	if len(p.Mentions) > 0 {
		m.Fields = append(m.Fields, store.FieldValue{ID: FieldMentions, Value: EncodeTexts(p.Mentions)})
	}
	if p.ReplyTo != "" {
		m.Fields = append(m.Fields, store.FieldValue{ID: FieldReplyTo, Value: []byte(p.ReplyTo)})
	}
	if answered != "" {
		m.Fields = append(m.Fields, store.FieldValue{ID: FieldReplyAuthor, Value: []byte(answered)})
	}
	return m
}

// Links is what else follows from a post: where it is listed beside homes.
type Links struct {
	Tags        []string
	Mentions    []string
	ReplyTo     string
	ReplyAuthor string // of ReplyTo
}

// DecodeLinks reads an author post row.
func DecodeLinks(row crdt.Row) (l Links, err error) {
	if l.Tags, err = decodeTexts(row, FieldTags); err != nil {
		return l, err
	}
	if l.Mentions, err = decodeTexts(row, FieldMentions); err != nil {
		return l, err
	}
	f, _ := row.Field(FieldReplyTo)
	l.ReplyTo = string(f.Value)
	f, _ = row.Field(FieldReplyAuthor)
	l.ReplyAuthor = string(f.Value)
	return l, nil
}

// Revision is a text that a post was given later.
type Revision struct {
	social.PostVersion
	// Mentions are whom its text mentions, as far as it says.
	Mentions []string
}

// DecodeEdit reads an edit row.
func DecodeEdit(row crdt.Row) (Revision, error) {
	value, err := birthValue(row)
	if err != nil {
		return Revision{}, err
	}
	var r Revision
	if r.PostVersion, err = decodeEdit(value); err != nil {
		return Revision{}, err
	}
	r.Mentions, err = decodeTexts(row, FieldEditMentions)
	return r, err
}

// RepostRemoval gives the mutations that delete all reposts that a user made of a
// post, of which row, that of Reposted, tells.
func RepostRemoval(user, post string, row crdt.Row) []store.Mutation {
	ms := []store.Mutation{{Key: Reposted(user, post), Op: store.Remove}}
	for _, birth := range row.Births {
		ms = append(ms, PostRemoval(user, string(birth.Value))...)
	}
	return ms
}
