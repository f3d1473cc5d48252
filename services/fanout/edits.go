package fanout

import (
	"context"
	"maps"
	"slices"

	"grapevine/crdt"
	"grapevine/crdt/hlc"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// revisions is what the edits of a post ever linked it with: hashtags, and users with
// the time of the first edit that named them.
type revisions struct {
	tags     map[string]bool
	mentions map[string]hlc.Timestamp
}

func (d *derivation) revisions(id string) (revisions, error) {
	ever := revisions{map[string]bool{}, map[string]hlc.Timestamp{}}
	err := d.each(schema.FamilyEdit, id, func(e store.Entry) error {
		edit, err := schema.DecodeEdit(e.Row)
		for _, tag := range social.Tags(edit.Text) {
			ever.tags[tag] = true
		}
		first, _ := e.Row.First()
		for _, user := range edit.Mentions {
			if at, named := ever.mentions[user]; !named || first.Time < at {
				ever.mentions[user] = first.Time
			}
		}
		return err
	})
	return ever, err
}

// gone gives the mutations after which nothing links a post that edits did.
func (r revisions) gone(id string) []store.Mutation {
	var ms []store.Mutation
	for tag := range r.tags {
		ms = append(ms, present(schema.Tagged(tag, id), false))
	}
	for user := range r.mentions {
		ms = append(ms, present(schema.Mentioned(user, id), false))
	}
	return ms
}

// revise makes the tags that an edited post is listed with, and the users who are told
// that it mentions them, those of its present text. Whom the first text named is told
// of that; another, of the first edit that did. So nobody is told twice of one post.
func (d *derivation) revise(ctx context.Context, id string, row crdt.Row) error {
	p, err := schema.DecodePost(id, row)
	if err != nil || p.Visibility == social.Direct {
		return err
	}
	listed, err := d.get(schema.AuthorPost(p.Author, id))
	if err != nil || !listed.Exists() {
		return err
	}
	links, err := schema.DecodeLinks(listed)
	if err != nil {
		return err
	}
	ever, err := d.revisions(id)
	if err != nil {
		return err
	}
	first, _ := listed.First()
	for _, user := range links.Mentions {
		ever.mentions[user] = first.Time
	}
	delete(ever.mentions, p.Author)
	var ms []store.Mutation
	for user, at := range ever.mentions {
		m := present(schema.Mentioned(user, id), slices.Contains(p.Mentions, user))
		if m.Op == store.Put {
			m.Value = schema.EncodeCause(schema.Cause{At: at, By: p.Author, Answers: links.ReplyAuthor})
		}
		ms = append(ms, m)
	}
	if p.Visibility == social.Public {
		for _, tag := range links.Tags {
			ever.tags[tag] = true
		}
		for _, tag := range slices.Sorted(maps.Keys(ever.tags)) {
			ms = append(ms, present(schema.Tagged(tag, id), slices.Contains(p.Tags, tag)))
		}
	}
	if ms, err = d.lacking(ms); err != nil { // most edits leave most as it is
		return err
	}
	return d.add(ctx, ms...)
}

// current gives those links of a post's first text that edits have left.
func (d *derivation) current(id string, links schema.Links) (schema.Links, error) {
	row, err := d.get(schema.Post(id))
	if err != nil || !row.Exists() {
		return links, err
	}
	p, err := schema.DecodePost(id, row)
	left := func(now []string) func(string) bool {
		return func(one string) bool { return !slices.Contains(now, one) }
	}
	links.Tags = slices.DeleteFunc(links.Tags, left(p.Tags))
	links.Mentions = slices.DeleteFunc(links.Mentions, left(p.Mentions))
	return links, err
}
