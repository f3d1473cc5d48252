package live

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// avoidTime is how long a node that failed to host lists is asked only when no other
// is left.
const avoidTime = 5 * time.Second

// placeNew finds hosts for the feeds that have none.
func (h *hub) placeNew(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[store.Partition][]string{}
	h.unplaced = slices.DeleteFunc(h.unplaced, func(f *feed) bool {
		return h.feeds[f.list] != f || h.placeOne(ctx, f, found)
	})
}

// placeAll moves each feed from a host that is gone to another, and to this node when
// it can host it.
func (h *hub) placeAll(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unplaced = nil
	maps.DeleteFunc(h.avoid, func(node string, _ time.Time) bool { return !h.failing(node) })
	found := map[store.Partition][]string{}
	for _, f := range h.feeds {
		if f.list != public && !h.placeOne(ctx, f, found) {
			h.unplaced = append(h.unplaced, f)
		}
	}
	for node, p := range h.peers {
		if len(p.feeds) == 0 {
			p.stop()
			delete(h.peers, node)
		}
	}
}

// placeOne gives a feed a host and says whether it has one. Found are the hosts of
// partitions that were looked up.
func (h *hub) placeOne(ctx context.Context, f *feed, found map[store.Partition][]string) bool {
	p := store.Partition(f.list.Slot)
	if !f.list.isPosts() {
		p = h.cfg.Nodes.PartitionOf(f.list.Slot)
	}
	hosts, ok := found[p]
	if !ok {
		hosts = h.inOrder(h.cfg.Nodes.Hosts(p))
		found[p] = hosts
	}
	switch {
	case len(hosts) == 0:
		return f.place
	case !f.place:
		h.move(ctx, f, hosts[0])
	case f.host != hosts[0] && (hosts[0] == "" || !slices.Contains(hosts, f.host) || h.failing(f.host)):
		h.move(ctx, f, hosts[0])
	}
	return true
}

// inOrder puts nodes that failed last.
func (h *hub) inOrder(hosts []string) []string {
	hosts = slices.Clone(hosts)
	slices.SortStableFunc(hosts, func(a, b string) int {
		switch x, y := h.failing(a), h.failing(b); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return hosts
}

func (h *hub) failing(node string) bool {
	at, ok := h.avoid[node]
	return ok && h.cfg.Now().Sub(at) < avoidTime
}

// move gives a feed a host, which tells what came since it was told of last.
func (h *hub) move(ctx context.Context, f *feed, to string) {
	if p := h.peers[f.host]; f.place && p != nil {
		p.drop(f)
	}
	moved := f.place
	f.host, f.place = to, true
	switch {
	case to != "":
		h.peer(ctx, to).add(f)
	case !f.list.isPosts():
		h.soil(f, causal.Dot{})
	}
	if f.list.isPosts() && moved {
		h.takePosts(f, nil, true)
	}
}

// peer gives the peer of a node, which it makes.
func (h *hub) peer(ctx context.Context, node string) *peer {
	p := h.peers[node]
	if p == nil {
		ctx, cancel := context.WithCancel(ctx)
		p = &peer{node: node, feeds: map[uint64]*feed{}, changed: make(chan struct{}, 1), stop: cancel}
		h.peers[node] = p
		h.running.Go(func() { h.runPeer(ctx, p) })
	}
	return p
}

// peer is another node that hosts feeds of this one. The hub's mutex guards it.
type peer struct {
	node    string
	session uint64
	feeds   map[uint64]*feed
	last    uint64 // id of a feed
	pending []*feed
	dropped []uint64
	changed chan struct{}
	stop    func()
}

func (p *peer) add(f *feed) {
	p.last++
	f.id = p.last
	p.feeds[f.id] = f
	p.pending = append(p.pending, f)
	tell(p.changed)
}

func (p *peer) drop(f *feed) {
	if p.feeds[f.id] != f {
		return
	}
	delete(p.feeds, f.id)
	p.dropped = append(p.dropped, f.id)
	tell(p.changed)
}

// begin names a new session, in which all is to be joined.
func (h *hub) begin(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.session, p.pending, p.dropped = rand.Uint64(), nil, nil
	for _, f := range p.feeds {
		p.pending = append(p.pending, f)
	}
}
