package fanout

import (
	"context"
	"errors"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// link lists a post, or not, beside homes: with its tags, with whom it mentions,
// and under what it answers.
func (d *derivation) link(ctx context.Context, author, id string, row crdt.Row, listed bool) error {
	links, err := schema.DecodeLinks(row)
	if err != nil {
		return err
	}
	audience, err := schema.DecodeAudience(row)
	if err != nil {
		return err
	}
	if listed && d.again {
		if links, err = d.current(id, links); err != nil {
			return err
		}
	}
	first, _ := row.First()
	cause := schema.EncodeCause(schema.Cause{At: first.Time, By: author, Answers: links.ReplyAuthor})
	var ms []store.Mutation
	for _, tag := range links.Tags {
		ms = append(ms, store.Mutation{Key: schema.Tagged(tag, id)})
	}
	for _, user := range links.Mentions {
		if user != author {
			ms = append(ms, store.Mutation{Key: schema.Mentioned(user, id), Value: cause})
		}
	}
	if links.ReplyTo != "" {
		ms = append(ms, store.Mutation{Key: schema.Reply(links.ReplyTo, id), Value: cause})
		if audience.Visibility != social.Public {
			ms = append(ms, store.Mutation{Key: schema.Uncounted(links.ReplyTo, id), Value: cause})
		}
	}
	for i := range ms {
		if ms[i].Op = store.Put; !listed {
			ms[i] = present(ms[i].Key, false)
		}
	}
	return d.add(ctx, ms...)
}

// withdraw ends what follows from a post in other slots, and what others did with
// it. The author post row and the edits, which tell what that is, are the caller's
// to remove when it is acknowledged.
func (d *derivation) withdraw(ctx context.Context, author, id string, row crdt.Row) error {
	audience, err := schema.DecodeAudience(row)
	if err != nil {
		return err
	}
	if err := d.deliver(ctx, author, id, audience, false); err != nil {
		return err
	}
	if err := d.link(ctx, author, id, row, false); err != nil {
		return err
	}
	if err := d.untell(ctx, author, func(t schema.Told) bool { return t.About() == id }); err != nil {
		return err
	}
	ever, err := d.revisions(id)
	if err != nil {
		return err
	}
	if err := d.add(ctx, ever.gone(id)...); err != nil {
		return err
	}
	for _, family := range []store.Family{schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply, schema.FamilyUncounted} {
		err := d.each(family, id, func(e store.Entry) error { return d.detach(ctx, e.Key) })
		if err != nil {
			return err
		}
	}
	return nil
}

// bury removes the rows of a post that told what followed from it.
func (d *derivation) bury(ctx context.Context, author, id string) error {
	err := d.each(schema.FamilyEdit, id, func(e store.Entry) error { return d.detach(ctx, e.Key) })
	if err != nil {
		return err
	}
	return d.add(ctx, present(schema.AuthorPost(author, id), false))
}

// mark makes the post's side of a like or a repost what the user's is. Of two
// reposts, made on two sides of a split, the earlier stays.
func (d *derivation) mark(ctx context.Context, k store.Key, row crdt.Row) error {
	user, post, _ := schema.Split(k)
	beside := schema.Like(post, user)
	if k.Family == schema.FamilyReposted {
		beside = schema.Repost(post, user)
		if first, _ := row.First(); len(row.Births) > 1 {
			for _, later := range row.Births {
				if later.Dot == first.Dot {
					continue
				}
				if err := d.add(ctx, schema.PostRemoval(user, string(later.Value))...); err != nil {
					return err
				}
			}
		}
	}
	return d.add(ctx, mirror(beside, row))
}

// attached ends what came to lie beside a post when that was gone already:
// whichever of the two this node hears of later meets the other.
func (d *derivation) attached(ctx context.Context, k store.Key, row crdt.Row) error {
	if !row.Exists() {
		return nil
	}
	id, _, _ := schema.Split(k)
	post, err := d.rows.Get(d.reads, schema.Post(id))
	if errors.Is(err, store.ErrNotFound) {
		if post, err = d.surely(schema.Post(id)); err == nil && !post.Exists() {
			return d.detach(ctx, k)
		}
	}
	if err != nil || k.Family != schema.FamilyEdit {
		return err
	}
	return d.revise(ctx, id, post)
}

// detach removes a row beside a post, and what it is the other side of.
func (d *derivation) detach(ctx context.Context, k store.Key) error {
	post, other, _ := schema.Split(k)
	ms := []store.Mutation{present(k, false)}
	switch k.Family {
	case schema.FamilyLike:
		ms = append(ms, present(schema.Liked(other, post), false))
	case schema.FamilyRepost:
		row, err := d.rows.Get(d.reads, schema.Reposted(other, post))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		ms = append(ms, schema.RepostRemoval(other, post, row)...)
	}
	return d.add(ctx, ms...)
}

// departMarks ends what a deleted account did with the posts of others.
func (d *derivation) departMarks(ctx context.Context, user string) error {
	for _, family := range []store.Family{schema.FamilyLiked, schema.FamilyReposted} {
		err := d.each(family, user, func(e store.Entry) error {
			post := schema.Other(e.Key)
			beside := schema.Like(post, user)
			if family == schema.FamilyReposted {
				beside = schema.Repost(post, user)
			}
			return d.add(ctx, present(beside, false), present(e.Key, false))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
