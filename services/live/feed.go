package live

import (
	"slices"
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// keep bounds the newest entries that a feed holds, and that one read of a list
// gives: who is further behind than that is told of a gap.
const keep = 200

// feed is a list that is followed on this node: one reader for however many follow
// it. The hub's mutex guards it.
type feed struct {
	list  list
	host  string // who is asked; "" is this node
	place bool   // host is decided
	tails []*tail
	pins  int       // followers beside tails
	since time.Time // when it began

	// ring is the newest entries in the order in which they came, and end the
	// position behind the last.
	ring []entry
	end  uint64
	// now is all that had been applied where the list was read last; what is in it is
	// never changed. Nil: the list has not been read, or has no vector.
	now *causal.Vector

	known  chan struct{}  // when not nil, closed once now is known
	queued bool           // for a worker
	wakes  uint64         // counts them
	need   *store.Request // names the writes that the next read must have seen
	id     uint64         // in the session with its host
}

// ready says whether what comes to the list can be told from what was there.
func (f *feed) ready() bool { return f.now != nil || f.list.Family == public.Family }

// append adds entries that came, oldest first. Lost says that others may have come
// that are not among them.
func (f *feed) append(news []entry, lost bool) {
	if lost {
		f.ring, f.end = nil, f.end+1 // a position that nobody can have reached
	}
	f.ring = append(f.ring, news...)
	f.end += uint64(len(news))
	if extra := len(f.ring) - keep; extra > 0 {
		f.ring = slices.Clone(f.ring[extra:])
	}
	for _, t := range f.tails {
		t.wake()
	}
}

// settle notes what has been seen by a read.
func (f *feed) settle(now *causal.Vector) {
	first := f.now == nil
	if f.now = now; !first {
		return
	}
	if f.known != nil {
		close(f.known)
	}
	for _, t := range f.tails {
		if t.seen == nil {
			t.seen, t.pos = now, f.end
		}
		t.wake()
	}
}

// has says whether an entry is among the newest.
func (f *feed) has(id string) bool {
	return slices.ContainsFunc(f.ring, func(e entry) bool { return e.ID == id })
}

// waiter is who is woken: a stream, or another node's session.
type waiter struct {
	woken chan struct{} // of one
	ready []*tail
}

func newWaiter() *waiter { return &waiter{woken: make(chan struct{}, 1)} }

// tail is how far a waiter has followed a feed. The hub's mutex guards it.
type tail struct {
	feed *feed
	w    *waiter
	// tag is the waiter's name for it.
	tag uint64
	// pos is the position in the feed before which all was taken.
	pos uint64
	// seen is all that the waiter has been given of the list, nil until the feed is
	// ready; what is in it is never changed.
	seen *causal.Vector
	// backlog is what came before the tail began, and behind what has been seen with
	// it.
	backlog []entry
	behind  *causal.Vector
	missed  bool // something is not in the backlog
	held    bool // the backlog is being read
	waiting bool // in w.ready
}

func (t *tail) wake() {
	if t.held {
		return
	}
	if !t.waiting {
		t.waiting = true
		t.w.ready = append(t.w.ready, t)
	}
	select {
	case t.w.woken <- struct{}{}:
	default:
	}
}

// cut is what a tail's waiter is given, and where it is then.
type cut struct {
	entries []entry
	gap     bool // others came before these that are not given
	more    bool
	next    tail
}

// cut gives up to limit entries that are news to the waiter. They count as given
// when the tail moves on.
func (t *tail) cut(limit int) cut {
	c := cut{next: *t, gap: t.missed}
	c.next.missed = false
	if len(t.backlog) > 0 || t.behind != nil {
		n := min(limit, len(t.backlog))
		c.entries, c.next.backlog = t.backlog[:n], t.backlog[n:]
		if c.more = true; n == len(t.backlog) {
			c.next.seen, c.next.behind, c.next.backlog = union(t.seen, t.behind), nil, nil
		}
		return c
	}
	f := t.feed
	first := f.end - uint64(len(f.ring))
	if c.next.pos < first {
		c.gap, c.next.pos = true, first
	}
	for ; c.next.pos < f.end && len(c.entries) < limit; c.next.pos++ {
		e := f.ring[c.next.pos-first]
		if e.Dot.IsZero() || t.seen == nil || !t.seen.Contains(e.Dot) {
			c.entries = append(c.entries, e)
		}
	}
	if c.more = c.next.pos < f.end; !c.more {
		c.next.seen = union(t.seen, f.now)
	}
	return c
}

// moveOn takes the place behind a cut.
func (t *tail) moveOn(c cut) {
	t.pos, t.backlog, t.behind, t.missed = c.next.pos, c.next.backlog, c.next.behind, c.next.missed
	if c.next.seen != nil { // the feed may have become ready since
		t.seen = c.next.seen
	}
	if c.more {
		t.wake()
	}
	t.feed.trim()
}

// trim drops what all have taken. Public keeps it, to know what came already.
func (f *feed) trim() {
	taken := func(t *tail) bool { return t.pos == f.end }
	if f.list != public && len(f.ring) > 0 && !slices.ContainsFunc(f.tails, func(t *tail) bool { return !taken(t) }) {
		f.ring = nil
	}
}

// union gives all that two vectors have seen, sharing one of them if it can.
func union(a, b *causal.Vector) *causal.Vector {
	switch {
	case a == nil || b != nil && b.Covers(a):
		return b
	case b == nil:
		return a
	}
	u := a.Clone()
	u.Merge(b)
	return u
}
