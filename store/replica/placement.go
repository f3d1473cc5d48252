package replica

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

// placement is what one ring view means for this node. It is immutable.
type placement struct {
	ring *ring.Ring
	self p2p.NodeID
	sets []*ownerSet // by partition
	own  []bool      // by partition: this node is an owner
	hold []bool      // by partition: this node is an owner, or coming to be one
	// lives are the incarnations of members that have not gone.
	lives map[causal.Replica]bool
}

// ownerSet is a set of nodes that some partitions have in common.
type ownerSet struct {
	owners []p2p.NodeID // the owners but this node
	peers  []p2p.NodeID // and those that are coming to own the data
	topic  string
}

func newPlacement(r *ring.Ring, self p2p.NodeID) *placement {
	n := r.Partitions()
	pl := &placement{
		ring: r, self: self, sets: make([]*ownerSet, n), own: make([]bool, n), hold: make([]bool, n),
		lives: map[causal.Replica]bool{},
	}
	for _, m := range r.View().Members() {
		if m.State != ring.Gone {
			pl.lives[m.Replica] = true
		}
	}
	sets := map[string]*ownerSet{}
	for i := range n {
		p := store.Partition(i)
		owners, coming := r.Owners(p), r.Coming(p)
		pl.own[i] = slices.Contains(owners, self)
		pl.hold[i] = pl.own[i] || slices.Contains(coming, self)
		key := joinIDs(owners) + "|" + joinIDs(coming)
		if sets[key] == nil {
			sets[key] = newOwnerSet(owners, coming, self)
		}
		pl.sets[i] = sets[key]
	}
	return pl
}

func newOwnerSet(owners, coming []p2p.NodeID, self p2p.NodeID) *ownerSet {
	all := slices.Concat(owners, coming)
	isSelf := func(id p2p.NodeID) bool { return id == self }
	sum := xxh3.HashString128(joinIDs(all)).Bytes()
	return &ownerSet{
		owners: slices.DeleteFunc(slices.Clone(owners), isSelf),
		peers:  slices.DeleteFunc(slices.Clone(all), isSelf),
		topic:  "owners/" + hex.EncodeToString(sum[:]),
	}
}

// joinIDs gives the same text for the same nodes in any order.
func joinIDs(ids []p2p.NodeID) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = string(id)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// shared gives the partitions that this node and a peer both store, ascending.
func (pl *placement) shared(peer p2p.NodeID) []store.Partition {
	var out []store.Partition
	for i, set := range pl.sets {
		if pl.hold[i] && slices.Contains(set.peers, peer) {
			out = append(out, store.Partition(i))
		}
	}
	return out
}

// topics are the joined topics of the owner sets that this node belongs to.
type topics struct {
	broadcaster p2p.Broadcaster
	receive     func(p2p.NodeID, []byte)

	mu     sync.Mutex
	joined map[string]p2p.Topic
}

// follow joins and leaves topics so that they are those of the placement.
func (t *topics) follow(pl *placement) error {
	wanted := map[string]bool{}
	for i, set := range pl.sets {
		if pl.hold[i] && len(set.peers) > 0 {
			wanted[set.topic] = true
		}
	}
	if err := t.join(wanted); err != nil {
		return err
	}
	var errs []error
	for _, topic := range t.leave(wanted) {
		errs = append(errs, topic.Close())
	}
	return errors.Join(errs...)
}

func (t *topics) join(wanted map[string]bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range wanted {
		if t.joined[name] != nil {
			continue
		}
		topic, err := t.broadcaster.Join(name, t.receive)
		if err != nil {
			return err
		}
		t.joined[name] = topic
	}
	return nil
}

// leave takes out the topics that are not wanted, for the caller to close without
// the lock: closing waits for receive, that for the applier, and that, perhaps,
// for a publisher who needs the lock.
func (t *topics) leave(wanted map[string]bool) []p2p.Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []p2p.Topic
	for name, topic := range t.joined {
		if !wanted[name] {
			delete(t.joined, name)
			out = append(out, topic)
		}
	}
	return out
}

func (t *topics) publish(ctx context.Context, set *ownerSet, message []byte) error {
	t.mu.Lock()
	topic := t.joined[set.topic]
	t.mu.Unlock()
	if topic == nil {
		return p2p.ErrClosed // the ring has moved on; the batch will be pushed
	}
	return topic.Publish(ctx, message)
}

func (t *topics) close() {
	for _, topic := range t.leave(nil) {
		_ = topic.Close() // leaving; nothing is lost by it
	}
}
