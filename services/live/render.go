package live

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// render gives what a stream's viewer is shown of entries, nil for nothing. An entry
// may be here before what it refers to is everywhere: what is not found is looked for
// at a majority of its owners.
func (st *Stream) render(ctx context.Context, ch channel, entries []entry) ([]json.RawMessage, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.ID
	}
	items, missing, err := st.show(ctx, ch, ids)
	if err != nil || len(missing) == 0 {
		return items, err
	}
	wanted := make([]string, len(missing))
	for i, at := range missing {
		wanted[i] = ids[at]
	}
	found, _, err := st.show(schema.Majority(ctx), ch, wanted)
	if errors.Is(err, store.ErrUnavailable) {
		return items, nil
	}
	if err != nil {
		return nil, err
	}
	for i, at := range missing {
		items[at] = found[i]
	}
	return items, nil
}

// show gives the items that the owners asked first have, and which may be missing
// only because those have not heard of them: of what is not a post it cannot be told
// from what is not for the viewer.
func (st *Stream) show(ctx context.Context, ch channel, ids []string) (items []json.RawMessage, missing []int, err error) {
	var absent []bool
	switch ch.kind {
	case KindNotification:
		items, err = st.s.cfg.Inbox.Notifications(ctx, st.who, ids)
	case KindMessage:
		items, err = st.s.cfg.Inbox.Messages(ctx, st.who, ch.owner, ids)
	default:
		items, absent, err = st.s.cfg.Posts.Fresh(ctx, st.who, ids, ch.filter)
	}
	for i, item := range items {
		if item == nil && (absent == nil || absent[i]) {
			missing = append(missing, i)
		}
	}
	return items, missing, err
}

const (
	// maxAuthors bounds the authors whose posts a stream merges into home.
	maxAuthors = 200
	// authorNews bounds the posts of one of them that a resumed stream looks through.
	authorNews = 20
)

// mergeAuthors follows the authors whose later posts are not written to the viewer's
// home. What they have posted since a time, if it is not zero, is given first.
func (st *Stream) mergeAuthors(ctx context.Context, since time.Time) error {
	h := st.s.hub
	if st.authors == nil {
		st.authors = map[string]*tail{}
		t, _ := h.join(listOf(schema.Merged(st.who.User, "")), st.w, uint64(st.home), nil)
		st.authors[""] = t
	}
	rows, err := st.s.cfg.Store.Scan(ctx, schema.Of(schema.FamilyMerged, st.who.User, "", false, maxAuthors))
	if err != nil {
		return err
	}
	for _, author := range schema.Others(rows) {
		if st.authors[author] != nil {
			continue
		}
		t, _ := h.join(listOf(schema.AuthorPost(author, "")), st.w, uint64(st.home), nil)
		st.authors[author] = t
		if since.IsZero() {
			continue
		}
		if _, err := h.known(ctx, t.feed); err != nil {
			return err
		}
		posts, err := st.s.cfg.Store.Scan(ctx, schema.Of(schema.FamilyAuthorPost, author, "", true, authorNews))
		if err != nil {
			return err
		}
		st.s.hub.before(t, later(posts, since.Add(-overlap)), false)
	}
	return nil
}

// later gives those of rows, newest first, whose ids are not before a time, oldest
// first.
func later(rows []store.Entry, since time.Time) []entry {
	var found []entry
	for _, e := range entriesOf(rows) {
		if !social.TimeOf(e.ID).Before(since) {
			found = append(found, e)
		}
	}
	return found
}

// merges says whether the viewer's home still wants the posts of a tail's author; it
// leaves the tail if not.
func (st *Stream) merges(ctx context.Context, t *tail) (bool, error) {
	author := t.feed.list.Owner
	rows, err := st.s.cfg.Store.GetMany(ctx, []store.Key{schema.Merged(st.who.User, author)})
	if err != nil {
		return false, err
	}
	if !rows[0].Exists() {
		st.s.hub.leave(t)
		delete(st.authors, author)
		return false, nil
	}
	return true, nil
}
