package fanout

import (
	"context"
	"errors"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// An author whom more than Config.PushLimit follow becomes broad: every follower's
// home is told to merge the author's posts in when it is read, and then the author
// is marked, after which posts are no longer written to homes. DESIGN.md says why
// nothing is lost between.

// errTooMany ends a delivery at the push limit.
var errTooMany = errors.New("more followers than posts are pushed to")

// deliver makes a post an entry, or not, of the homes of its readers.
func (d *derivation) deliver(ctx context.Context, author, id string, a schema.Audience, entry bool) error {
	if a.Visibility == social.Direct {
		return d.address(ctx, author, id, a.Mentions, entry)
	}
	broad, err := d.broad(author)
	if err != nil {
		return err
	}
	if first, ok := broad.First(); ok && (entry || social.TimeOf(id).After(first.Time.Time())) {
		return nil // merged when homes are read, and never pushed
	}
	readers := 0
	err = d.each(schema.FamilyFollower, author, func(e store.Entry) error {
		if readers++; entry && readers > d.pushLimit {
			return errTooMany
		}
		return d.add(ctx, present(schema.Home(schema.Other(e.Key), id), entry))
	})
	if errors.Is(err, errTooMany) {
		return d.broaden(ctx, author)
	}
	return err
}

// address makes a direct post an entry, or not, of the homes of those it mentions.
func (d *derivation) address(ctx context.Context, author, id string, readers []string, entry bool) error {
	for _, reader := range readers {
		if reader == author {
			continue // written with the post
		}
		if err := d.add(ctx, present(schema.Home(reader, id), entry)); err != nil {
			return err
		}
	}
	return nil
}

// broad gives the row that marks an author as broad, an empty one where there is
// none.
func (d *derivation) broad(author string) (crdt.Row, error) {
	row, err := d.rows.Get(d.reads, schema.Broad(author))
	if errors.Is(err, store.ErrNotFound) {
		return crdt.Row{}, nil
	}
	return row, err
}

// broaden makes an author broad: first for every follower, and when that is
// acknowledged, for posts to come.
func (d *derivation) broaden(ctx context.Context, author string) error {
	err := d.each(schema.FamilyFollower, author, func(e store.Entry) error {
		return d.add(ctx, present(schema.Merged(schema.Other(e.Key), author), true))
	})
	if err == nil {
		err = d.flush(ctx)
	}
	if err != nil {
		return err
	}
	return d.add(ctx, present(schema.Broad(author), true))
}

// broadened sees to followers of an author who became broad where not all of them
// were known. The mark of an account that is gone goes.
func (d *derivation) broadened(ctx context.Context, author string, stands bool) error {
	if !stands {
		return nil
	}
	gone, err := d.gone(schema.User(author))
	if err != nil {
		return err
	}
	if gone {
		return d.add(ctx, present(schema.Broad(author), false))
	}
	for after := ""; ; {
		followers, err := d.rows.Scan(d.reads, schema.Of(schema.FamilyFollower, author, after, false, pageRows))
		if err != nil {
			return err
		}
		ms := make([]store.Mutation, len(followers))
		for i, e := range followers {
			ms[i] = present(schema.Merged(schema.Other(e.Key), author), true)
		}
		if ms, err = d.lacking(ms); err != nil {
			return err
		}
		if err := d.add(ctx, ms...); err != nil {
			return err
		}
		if len(followers) < pageRows {
			return nil
		}
		after = schema.Other(followers[len(followers)-1].Key)
	}
}

// merged keeps to what a reader's own rows say whether an author is merged into the
// reader's home: while the reader follows an author who is broad. A row that came
// after the follow had ended goes, and one that went with an earlier follow comes
// back.
func (d *derivation) merged(ctx context.Context, reader, author string, stands bool) error {
	following := schema.Following(reader, author)
	if stands {
		if gone, err := d.gone(following); err != nil || !gone {
			return err
		}
		return d.add(ctx, present(schema.Merged(reader, author), false))
	}
	_, err := d.rows.Get(d.reads, following)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	broad, err := d.broad(author)
	if err != nil || !broad.Exists() {
		return err
	}
	return d.add(ctx, present(schema.Merged(reader, author), true))
}

// unmerge ends that an author is merged into the home of a reader who no longer
// follows. A row that is not here yet is seen to when it comes.
func (d *derivation) unmerge(ctx context.Context, reader, author string, follows bool) error {
	if follows {
		return nil
	}
	_, err := d.rows.Get(d.reads, schema.Merged(reader, author))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.add(ctx, present(schema.Merged(reader, author), false))
}

// acquaint puts the newest posts of an author into the home timeline of a new
// follower, or removes all from that of one who left. It is derived from the
// follower row, which lies beside the posts, and beside the mark of a broad author:
// whichever of them this node hears of later meets the others.
func (d *derivation) acquaint(ctx context.Context, author, follower string, follows bool) error {
	visit := func(e store.Entry) error {
		audience, err := schema.DecodeAudience(e.Row)
		if err != nil || audience.Visibility == social.Direct || schema.IsGone(e.Row) {
			return err
		}
		return d.add(ctx, present(schema.Home(follower, schema.Other(e.Key)), true))
	}
	if !follows {
		return d.part(ctx, author, follower)
	}
	broad, err := d.broad(author)
	if err != nil {
		return err
	}
	if broad.Exists() {
		return d.add(ctx, present(schema.Merged(follower, author), true))
	}
	newest, err := d.rows.Scan(d.reads, schema.Of(schema.FamilyAuthorPost, author, "", true, d.backfill))
	if err != nil {
		return err
	}
	for _, e := range newest {
		if err := visit(e); err != nil {
			return err
		}
	}
	return d.renew(ctx, author, follower)
}

// part takes the posts of an author out of the home of one who no longer follows: the
// entries as they are before a majority says so. Those of a follow that is made
// meanwhile are others, and stay.
func (d *derivation) part(ctx context.Context, author, follower string) error {
	for after := ""; ; {
		posts, err := d.rows.Scan(d.reads, schema.Of(schema.FamilyAuthorPost, author, after, false, pageRows))
		if err != nil || len(posts) == 0 {
			return err
		}
		var keys []store.Key
		for _, e := range posts {
			audience, err := schema.DecodeAudience(e.Row)
			if err != nil {
				return err
			}
			if audience.Visibility != social.Direct {
				keys = append(keys, schema.Home(follower, schema.Other(e.Key)))
			}
		}
		entries, err := d.rows.GetMany(d.reads, keys)
		if err != nil {
			return err
		}
		if gone, err := d.gone(schema.Following(follower, author)); err != nil || !gone {
			return err
		}
		for i, row := range entries {
			if row.Exists() {
				m := present(keys[i], false)
				m.Ends = dots(row.Births)
				if err := d.add(ctx, m); err != nil {
					return err
				}
			}
		}
		if len(posts) < pageRows {
			return nil
		}
		after = schema.Other(posts[len(posts)-1].Key)
	}
}

// renew sends what was gathered for a new follower. When that is done again, entries of
// before the follow are put anew: of an earlier one, they may be about to go with it.
func (d *derivation) renew(ctx context.Context, author, follower string) error {
	if !d.again {
		return nil
	}
	follows, err := d.get(schema.Follower(author, follower))
	if err != nil {
		return err
	}
	keys := make([]store.Key, len(d.gathered))
	for i, m := range d.gathered {
		keys[i] = m.Key
	}
	rows, err := d.rows.GetMany(d.reads, keys)
	if err != nil {
		return err
	}
	var old []store.Mutation
	for i, m := range d.gathered {
		if m.Key.Family == schema.FamilyHome && rows[i].Exists() && rows[i].Time() < follows.Time() {
			old = append(old, m)
		}
	}
	return d.out.send(ctx, old)
}
