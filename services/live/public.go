package live

import (
	"context"
	"time"

	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// overlap is how much older than the last post that a stream gave others may be
// that it is given when it comes back.
const overlap = time.Minute

// hearOfPosts takes those of the posts into the feeds of their partitions that came to
// be by the writes: others were changed by them, or are gone.
func (h *hub) hearOfPosts(ctx context.Context, keys []store.Key, dots []causal.Dot) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, err := h.cfg.Store.GetMany(ctx, keys)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		for _, k := range keys {
			h.losePosts(h.feeds[postsOf(h.cfg.Nodes.PartitionOf(k.Slot))])
		}
		return
	}
	for i, row := range rows {
		born := false
		for _, b := range row.Births {
			born = born || b.Dot == dots[i]
		}
		_, imported := row.Field(schema.FieldImported)
		f := h.feeds[postsOf(h.cfg.Nodes.PartitionOf(keys[i].Slot))]
		if f != nil && f.host == "" && born && !imported {
			h.takePosts(f, []entry{{ID: keys[i].Sort}}, false)
		}
	}
}

// takePosts adds posts to the feed of their partition, and to public. The caller
// holds h.mu.
func (h *hub) takePosts(f *feed, posts []entry, lost bool) {
	f.append(posts, lost)
	f.trim()
	if lost && h.feeds[public] != nil {
		h.rescan = true
		tell(h.work)
	}
	h.publish(posts, false)
}

// losePosts has the followers of a feed of posts, on this node and on others, look for
// what the feed missed. The caller holds h.mu.
func (h *hub) losePosts(f *feed) {
	if f != nil && f.host == "" {
		h.takePosts(f, nil, true)
	}
}

// publish adds posts to public that are not there. The caller holds h.mu.
func (h *hub) publish(posts []entry, lost bool) {
	f := h.feeds[public]
	if f == nil {
		return
	}
	var news []entry
	for _, e := range posts {
		if !f.has(e.ID) {
			news = append(news, e)
		}
	}
	if len(news) > 0 {
		f.append(news, lost)
	}
}

// scanPublic looks for posts that nobody told of, as when a host was lost.
func (h *hub) scanPublic(ctx context.Context) {
	h.mu.Lock()
	f := h.feeds[public]
	var since time.Time
	if f != nil {
		since = f.since
	}
	h.mu.Unlock()
	if f == nil {
		return
	}
	found, full, err := h.newestPosts(ctx, since.Add(-overlap))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.later = true
		return
	}
	fresh := 0
	for _, e := range found {
		if !f.has(e.ID) {
			fresh++
		}
	}
	h.publish(found, full && fresh == len(found))
}

// newestPosts gives the newest posts of all that are not older than a time, oldest
// first. Full says that there may be others.
func (h *hub) newestPosts(ctx context.Context, since time.Time) (found []entry, full bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, _, err := h.cfg.Store.ScanIndex(ctx, store.IndexRange{Family: schema.FamilyPost, Reverse: true, Limit: keep})
	if err != nil {
		return nil, false, err
	}
	for i := len(rows) - 1; i >= 0; i-- {
		if !social.TimeOf(rows[i].Key.Sort).Before(since) {
			found = append(found, entry{ID: rows[i].Key.Sort})
		}
	}
	return found, len(found) == keep, nil
}
