package fanout

import (
	"container/list"
	"slices"
	"time"

	"grapevine/services/schema"
	"grapevine/store"
)

// item is a change whose consequences are not known to be written.
type item struct {
	seq  uint64
	seen store.Seen
	keys []store.Key // those that have consequences
	read time.Time
	// replayed and takenOver say that the consequences may be there already: the
	// change was read in an earlier life, or was another node's to act on.
	replayed  bool
	takenOver bool
	// everywhere says that every owner acts on the change, whoever leads: see meets.
	everywhere bool
	done       bool
	place      *list.Element
	twin       *item // an earlier entry of the log for the same write
}

// backlog is the items in the order of the log. What is in it bounds the durable
// cursor from above.
type backlog struct {
	items    *list.List // of *item, ascending by seq
	bySeen   map[store.Seen]*item
	told     recent
	read     uint64 // the last change read
	replayed bool   // the log as it was at the start has been read
}

func newBacklog() *backlog {
	return &backlog{items: list.New(), bySeen: map[store.Seen]*item{}, told: newRecent(maxTold)}
}

func (b *backlog) begin(after uint64) { b.read = after }

func (b *backlog) len() int { return b.items.Len() }

// cursor is the last change before which nothing is undone.
func (b *backlog) cursor() uint64 {
	if first := b.items.Front(); first != nil {
		return first.Value.(*item).seq - 1
	}
	return b.read
}

// add takes up a change. It gives nil for one that has no consequences, or that has
// no dot: rows of a snapshot follow from
// writes that every owner has in its log. What meets others is looked at all the same.
func (b *backlog) add(c store.Change, now time.Time) *item {
	b.read = c.Seq
	keys := consequential(c.Keys)
	seen := store.Seen{Partition: c.Partition, Dot: c.Dot}
	everywhere := slices.ContainsFunc(keys, meets)
	if len(keys) == 0 || !everywhere && c.Dot.IsZero() {
		return nil
	}
	it := &item{seq: c.Seq, seen: seen, keys: keys, read: now, replayed: !b.replayed, everywhere: everywhere}
	// Who announced it before it came here may not have known what lies here.
	it.takenOver = !everywhere && b.told.has(seen)
	it.place = b.items.PushBack(it)
	if !everywhere {
		it.twin = b.bySeen[seen]
		b.bySeen[seen] = it
	}
	return it
}

// meets says whether something follows from a row that shows only where it has met
// others: from claims to a name, from a block and what it does not suffer, from the
// mark of a broad author and followers, and from that an account has departed and what
// it did where that was not known.
func meets(k store.Key) bool {
	switch k.Family {
	case schema.FamilyName, schema.FamilyBlock, schema.FamilyBroad, schema.FamilyDeparted:
		return true
	}
	return false
}

// finish removes an item.
func (b *backlog) finish(it *item) {
	if it.done {
		return
	}
	it.done = true
	b.items.Remove(it.place)
	if b.bySeen[it.seen] == it {
		delete(b.bySeen, it.seen)
	}
}

// hear finishes the items of a write that another node has acted on, or remembers
// it for when the log brings the write.
func (b *backlog) hear(seen store.Seen) {
	it := b.bySeen[seen]
	if it == nil {
		b.told.add(seen)
	}
	for ; it != nil; it = it.twin {
		b.finish(it)
	}
}

// consequential gives those of the keys that something follows from, in an array
// of its own.
func consequential(keys []store.Key) []store.Key {
	var found []store.Key
	for _, k := range keys {
		switch k.Family {
		case schema.FamilyFollowing, schema.FamilyFollower, schema.FamilyAuthorPost, schema.FamilyCredential,
			schema.FamilyDeparted, schema.FamilyName, schema.FamilyFormerName, schema.FamilyAgreed, schema.FamilyAsked,
			schema.FamilyEnded, schema.FamilyBlock, schema.FamilyBlockedBy, schema.FamilyMute, schema.FamilyMutedBy,
			schema.FamilyLiked, schema.FamilyReposted, schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply, schema.FamilyUncounted,
			schema.FamilyEdit, schema.FamilyBroad, schema.FamilyMerged,
			schema.FamilyMentioned, schema.FamilyNotificationRead, schema.FamilyNotifyPreference, schema.FamilyPublished, schema.FamilyChannelMessage,
			schema.FamilyList, schema.FamilyListMember, schema.FamilyListed,
			schema.FamilyWebhook, schema.FamilyWebhookChannel, schema.FamilyWebhookListener:
			found = append(found, k)
		}
	}
	return slices.Clip(found)
}

// maxTold bounds what is remembered of announcements that came before the change.
const maxTold = 16384

// recent is a set of the last so many writes added.
type recent struct {
	members map[store.Seen]struct{}
	order   []store.Seen // a ring
	next    int
}

func newRecent(size int) recent {
	return recent{members: map[store.Seen]struct{}{}, order: make([]store.Seen, 0, size)}
}

func (r *recent) has(s store.Seen) bool {
	_, ok := r.members[s]
	return ok
}

func (r *recent) add(s store.Seen) {
	if r.has(s) {
		return
	}
	r.members[s] = struct{}{}
	if len(r.order) < cap(r.order) {
		r.order = append(r.order, s)
		return
	}
	delete(r.members, r.order[r.next])
	r.order[r.next] = s
	r.next = (r.next + 1) % len(r.order)
}
