package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/store"
)

const (
	workers = 4           // that read lists
	beat    = time.Second // between looks at who hosts what, and at what failed
)

// hub is the feeds of a node, and what wakes them.
type hub struct {
	cfg     Config
	metrics *metrics

	mu       sync.Mutex
	feeds    map[list]*feed
	dirty    []*feed // to be read here
	failed   []*feed // to be read again at the next beat
	unplaced []*feed // without a host
	rescan   bool    // public may lack something
	later    bool    // the same, to be seen to at the next beat
	peers    map[string]*peer
	avoid    map[string]time.Time // when nodes failed to host; for avoidTime
	sessions map[string]*session  // by the node that follows lists here
	streams  int
	accounts map[string]int // streams by user
	draining bool

	work    chan struct{} // tells a worker of dirty feeds
	placing chan struct{} // tells of feeds without a host
	drained chan struct{} // closed when the service drains
	running sync.WaitGroup
}

func newHub(cfg Config, m *metrics) *hub {
	return &hub{
		cfg: cfg, metrics: m,
		feeds: map[list]*feed{}, peers: map[string]*peer{}, avoid: map[string]time.Time{}, sessions: map[string]*session{}, accounts: map[string]int{},
		work: make(chan struct{}, workers), placing: make(chan struct{}, 1), drained: make(chan struct{}),
	}
}

func (h *hub) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.draining {
		h.draining = true
		close(h.drained)
	}
}

// run works until ctx ends.
func (h *hub) run(ctx context.Context) {
	for range workers {
		h.running.Go(func() { h.readLists(ctx) })
	}
	h.running.Go(func() { h.followLog(ctx) })
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-h.placing:
			h.placeNew(ctx)
		case <-tick.C:
			h.placeAll(ctx)
			h.again()
			h.expire()
		}
	}
	h.drain()
	h.running.Wait()
}

// tell sends on a channel that coalesces.
func tell(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// join makes a tail of a list: from now on, or from what the waiter has seen. What came
// since then is read by resume: what a client says that it has seen is for its tail alone.
func (h *hub) join(l list, w *waiter, tag uint64, seen *causal.Vector) (t *tail, resume bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.joinLocked(l, w, tag, seen)
}

// joinFrom is join for another node, by whose word a list that nobody follows yet can
// begin: it is read once for both.
func (h *hub) joinFrom(l list, w *waiter, tag uint64, seen *causal.Vector) (t *tail, resume bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.feed(l); len(f.tails) == 0 && f.now == nil {
		f.now = seen
	}
	return h.joinLocked(l, w, tag, seen)
}

func (h *hub) joinLocked(l list, w *waiter, tag uint64, seen *causal.Vector) (t *tail, resume bool) {
	f := h.feed(l)
	t = &tail{feed: f, w: w, tag: tag, pos: f.end, seen: f.now}
	f.tails = append(f.tails, t)
	if resume = seen != nil && f.now != seen; resume {
		t.seen, t.held = seen, true
	} else if f.ready() {
		t.wake()
	}
	return t, resume
}

// feed gives the feed of a list, which it makes. The caller holds h.mu and adds who
// follows it.
func (h *hub) feed(l list) *feed {
	f := h.feeds[l]
	if f != nil {
		return f
	}
	f = &feed{list: l, since: h.cfg.Now()}
	h.feeds[l] = f
	if l != public {
		h.unplaced = append(h.unplaced, f)
		tell(h.placing)
		return f
	}
	for p := range h.cfg.Nodes.Partitions() {
		h.feed(postsOf(store.Partition(p))).pins++
	}
	return f
}

// leave ends a tail, and the feed that nobody follows.
func (h *hub) leave(t *tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaveLocked(t)
}

func (h *hub) leaveLocked(t *tail) {
	f := t.feed
	if i := slices.Index(f.tails, t); i >= 0 {
		f.tails = slices.Delete(f.tails, i, i+1)
	}
	t.w.ready = slices.DeleteFunc(t.w.ready, func(r *tail) bool { return r == t })
	h.release(f)
}

func (h *hub) release(f *feed) {
	if len(f.tails) > 0 || f.pins > 0 || h.feeds[f.list] != f {
		return
	}
	delete(h.feeds, f.list)
	if p := h.peers[f.host]; p != nil {
		p.drop(f)
	}
	if f.list != public {
		return
	}
	for l, part := range h.feeds {
		if l.isPosts() && part.pins > 0 {
			part.pins--
			h.release(part)
		}
	}
}

// next gives the next tail of a waiter that was woken, with what it is to be given.
func (h *hub) next(w *waiter, limit int) (*tail, cut) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(w.ready) == 0 {
		return nil, cut{}
	}
	t := w.ready[0]
	w.ready = slices.Delete(w.ready, 0, 1)
	t.waiting = false
	return t, t.cut(limit)
}

func (h *hub) moveOn(t *tail, c cut) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.moveOn(c)
}

// wakeAgain puts off what a tail is to be given.
func (h *hub) wakeAgain(t *tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.wake()
}

// soil marks a feed of this node to be read. The caller holds h.mu.
func (h *hub) soil(f *feed, dot causal.Dot) {
	if f.wakes++; !dot.IsZero() {
		if f.need == nil {
			f.need = &store.Request{}
		}
		f.need.Record(store.Receipt{Partition: h.cfg.Nodes.PartitionOf(f.list.Slot), Dot: dot})
	}
	if !f.queued {
		f.queued = true
		h.dirty = append(h.dirty, f)
		h.metrics.wakes.Inc()
	}
	tell(h.work)
}

// again lets what failed be tried again.
func (h *hub) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dirty = append(h.dirty, h.failed...)
	h.failed = nil
	h.rescan, h.later = h.rescan || h.later, false
	if len(h.dirty) > 0 || h.rescan {
		tell(h.work)
	}
}

// readLists is a worker.
func (h *hub) readLists(ctx context.Context) {
	for ctx.Err() == nil {
		h.mu.Lock()
		var f *feed
		if len(h.dirty) > 0 {
			f, h.dirty = h.dirty[0], h.dirty[1:]
			f.queued = false
		}
		scan := f == nil && h.rescan
		h.rescan = h.rescan && !scan
		if more := len(h.dirty) > 0; more {
			tell(h.work)
		}
		h.mu.Unlock()
		switch {
		case f != nil:
			h.read(ctx, f)
		case scan:
			h.scanPublic(ctx)
		default:
			select {
			case <-ctx.Done():
			case <-h.work:
			}
		}
	}
}

// readTime bounds one read of a list.
const readTime = 5 * time.Second

// read takes into a feed what came to its list.
func (h *hub) read(ctx context.Context, f *feed) {
	h.mu.Lock()
	seen, limit, wakes, need := f.now, keep, f.wakes, f.need
	current := h.feeds[f.list] == f && f.host == ""
	h.mu.Unlock()
	if !current {
		return
	}
	if seen == nil {
		seen, limit = causal.NewVector(), 1
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	if need != nil {
		ctx = store.WithRequest(ctx, need)
	}
	rows, now, err := h.cfg.Store.News(ctx, f.list.newest(limit), seen)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.cfg.Logger.Debug("a list cannot be read for its streams; it will be tried again", "list", f.list, "error", err)
		if !f.queued {
			f.queued = true
			h.failed = append(h.failed, f)
		}
		return
	}
	if f.wakes == wakes {
		f.need = nil
	}
	if limit == keep && len(rows) > 0 {
		f.append(entriesOf(rows), len(rows) == keep)
	}
	f.settle(now)
}

// followLog wakes the feeds of this node by its change log.
func (h *hub) followLog(ctx context.Context) {
	appended, stop := h.cfg.Store.Appended()
	defer stop()
	for after := uint64(0); ctx.Err() == nil; {
		changes, err := h.cfg.Store.Changes(ctx, after, logChunk)
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			h.cfg.Logger.Warn("streams cannot read the change log", "after", after, "error", err)
			again = time.After(logRetry)
		}
		if len(changes) == 0 {
			select {
			case <-ctx.Done():
			case <-appended:
			case <-again:
			}
			continue
		}
		if after > 0 && changes[0].Seq > after+1 {
			h.wakeAll() // what lies between was dropped
		}
		after = changes[len(changes)-1].Seq
		h.hear(ctx, changes)
	}
}

const (
	logChunk = 512         // changes read at once, at most
	logRetry = time.Second // after a failure
)

// hear wakes whom changes concern.
func (h *hub) hear(ctx context.Context, changes []store.Change) {
	var posts []store.Key
	var dots []causal.Dot
	h.mu.Lock()
	for _, c := range changes {
		for _, k := range c.Keys {
			switch {
			case len(h.feeds) == 0:
			case k.Family == schema.FamilyPost && h.feeds[postsOf(c.Partition)] != nil:
				posts, dots = append(posts, k), append(dots, c.Dot)
			case followed(k.Family):
				if f := h.feeds[listOf(k)]; f != nil && f.host == "" {
					h.soil(f, c.Dot)
				}
			}
		}
	}
	h.mu.Unlock()
	if len(posts) > 0 {
		h.hearOfPosts(ctx, posts, dots)
	}
}

// wakeAll makes up for wakes that were lost.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rescan = true
	for _, f := range h.feeds {
		switch {
		case f.list.isPosts():
			h.losePosts(f)
		case f.list != public && f.host == "":
			h.soil(f, causal.Dot{})
		}
	}
}
