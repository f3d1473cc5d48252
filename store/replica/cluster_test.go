package replica_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/node/routing"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
	"grapevine/store/memdb"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// cluster is a number of replicated stores on one simulated network, in the
// virtual time of a synctest bubble.
type cluster struct {
	t     *testing.T
	net   *simnet.Network
	nodes map[p2p.NodeID]*node
	bits  uint8 // there are 2^bits partitions
	// routes, when set, changes the router of nodes that start.
	routes func(replica.Router) replica.Router
	// earlier nodes start as a build that serves no protocol of a later version.
	earlier map[p2p.NodeID]bool
	// indexes, when set, are the families that nodes which start index.
	indexes func(store.Family) bool
}

type node struct {
	id    p2p.NodeID
	db    *memdb.DB
	store *replica.Store
	up    bool
}

const (
	indexed store.Family = 9
	recent  store.Family = 60
)

// simulate runs a test on n nodes that have formed a cluster of few partitions.
func simulate(t *testing.T, n int, options simnet.Options, test func(*cluster)) {
	t.Helper()
	simulateBits(t, 3, n, options, test)
}

// simulateBits does so with 2^bits partitions.
func simulateBits(t *testing.T, bits uint8, n int, options simnet.Options, test func(*cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, net: simnet.New(options), nodes: map[p2p.NodeID]*node{}, bits: bits}
		defer c.close()
		for i := range n {
			c.start(id(i))
		}
		c.settle()
		test(c)
	})
}

// underFaults runs a test once for each seed, on a network that delays, loses and
// repeats as the seed has it.
func underFaults(t *testing.T, seeds int, nodes func(seed int) int, test func(*testing.T, *cluster, uint64)) {
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			faulty := simnet.Options{
				Seed: uint64(seed), MinDelay: 100 * time.Microsecond, MaxDelay: 30 * time.Millisecond,
				Loss: 0.2, Duplicate: 0.2,
			}
			simulate(t, nodes(seed), faulty, func(c *cluster) { test(t, c, uint64(seed)) })
		})
	}
}

func id(i int) p2p.NodeID { return p2p.NodeID(fmt.Sprintf("node-%c", 'a'+i)) }

// start brings a node up, on its old disk if it had one. The first of a cluster
// founds it.
func (c *cluster) start(id p2p.NodeID) *node {
	c.t.Helper()
	n := c.nodes[id]
	if n == nil {
		n = &node{id: id, db: memdb.New()}
	} else {
		n.db = n.db.Reopen()
	}
	var found *ring.Cluster
	if len(c.nodes) == 0 {
		found = &ring.Cluster{ID: "test", PartitionBits: c.bits, Copies: 3}
	}
	net := c.net.Join(id, p2p.Addrs{})
	var err error
	n.store, err = replica.Open(replica.Config{
		Self: id, Engine: n.db, Found: found, Weight: 100,
		Transport: c.transport(net.Transport()), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Router:     c.router(routing.New(routing.Config{Self: id, Alive: net.Members().Alive})),
		Indexed:    c.indexed,
		Recent:     func(f store.Family) bool { return f == recent },
		Invalidate: func([]store.Key) {},
		Log:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		c.t.Fatalf("open %s: %v", id, err)
	}
	n.up = true
	c.nodes[id] = n
	return n
}

func (c *cluster) indexed(f store.Family) bool {
	if c.indexes != nil {
		return c.indexes(f)
	}
	return f == indexed
}

// transport is the one of a node, as its build speaks over it.
func (c *cluster) transport(t p2p.Transport) p2p.Transport {
	if c.earlier[t.Self()] {
		return earlierTransport{t}
	}
	return t
}

type earlierTransport struct{ p2p.Transport }

func (t earlierTransport) Handle(protocol string, h p2p.Handler) {
	if !strings.HasSuffix(protocol, "/2") {
		t.Transport.Handle(protocol, h)
	}
}

func (c *cluster) router(r replica.Router) replica.Router {
	if c.routes != nil {
		return c.routes(r)
	}
	return r
}

// crash takes a node off the network first, so that nothing it does while it
// ends is seen.
func (c *cluster) crash(id p2p.NodeID) {
	c.net.Crash(id)
	n := c.nodes[id]
	n.up = false
	_ = n.store.Close() // its topics are closed already
}

func (c *cluster) close() {
	for _, n := range c.nodes {
		if n.up {
			if err := n.store.Close(); err != nil {
				c.t.Errorf("close %s: %v", n.id, err)
			}
		}
	}
	c.net.Close()
}

func (c *cluster) running() []*node {
	var out []*node
	for _, n := range c.nodes {
		if n.up {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *node) int { return len(a.id) - len(b.id) + int(a.id[len(a.id)-1]) - int(b.id[len(b.id)-1]) })
	return out
}

// settle waits until all running nodes are active, keep nothing for others, and all
// owners are equal.
func (c *cluster) settle() {
	c.t.Helper()
	c.eventually("the cluster is at rest", c.atRest)
}

// atRest says what keeps the cluster from being settled. All is judged in one look,
// rings first: a node that has not yet heard that it was given up is active in its own
// view, and the rest then holds without it and without what it alone has.
func (c *cluster) atRest() error {
	if err := c.sameRing(); err != nil {
		return err
	}
	for _, n := range c.running() {
		if !n.store.Active() {
			return fmt.Errorf("%s is not active", n.id)
		}
		if t := n.store.Totals(); t.Hints+t.Moved > 0 {
			return fmt.Errorf("%s keeps %+v for others", n.id, t)
		}
	}
	return c.equal()
}

// sameRing says which running node sees another ring than the first.
func (c *cluster) sameRing() error {
	var first *ring.Ring
	for _, n := range c.running() {
		mine := n.store.Ring()
		if first == nil {
			first = mine
		}
		if mine == nil || mine.Digest() != first.Digest() {
			return fmt.Errorf("%s sees another ring, or none", n.id)
		}
	}
	return nil
}

// equal says where owners of a partition differ, in vectors or bytes.
func (c *cluster) equal() error {
	type state struct {
		writes uint64
		vector uint64
		digest uint64
	}
	seen := map[store.Partition]state{}
	if err := c.sameRing(); err != nil {
		return err
	}
	for _, n := range c.running() {
		for _, p := range n.store.Status() {
			if !slices.Contains(p.Owners, n.id) {
				continue
			}
			digest, _, err := n.store.Digest(p.ID)
			if err != nil {
				return err
			}
			mine := state{p.Writes, p.VectorSum, digest}
			if other, ok := seen[p.ID]; ok && other != mine {
				return fmt.Errorf("partition %d: %s has %v, another %v", p.ID, n.id, mine, other)
			}
			seen[p.ID] = mine
		}
	}
	return nil
}

// eventually polls a condition in virtual time.
func (c *cluster) eventually(what string, check func() error) {
	c.t.Helper()
	var err error
	for range 600 {
		if err = check(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("never came about: %s: %v", what, err)
}

func (c *cluster) on(id p2p.NodeID) *replica.Store { return c.nodes[id].store }

func key(slot int, sort string) store.Key {
	return store.Key{Slot: store.Slot(slot), Family: indexed, Sort: sort}
}

func put(k store.Key, value string) store.Write {
	return store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put, Value: []byte(value)}}}
}

func remove(k store.Key) store.Write {
	return store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Remove}}}
}

// write writes and fails the test on an error.
func (c *cluster) write(ctx context.Context, id p2p.NodeID, w store.Write) store.Receipt {
	c.t.Helper()
	receipt, err := c.on(id).Write(ctx, w)
	if err != nil {
		c.t.Fatalf("write on %s: %v", id, err)
	}
	return receipt
}

// value reads a key's latest value, "" when there is none.
func (c *cluster) value(ctx context.Context, id p2p.NodeID, k store.Key) string {
	c.t.Helper()
	rows, err := c.on(id).GetMany(ctx, []store.Key{k})
	if err != nil {
		c.t.Fatalf("read on %s: %v", id, err)
	}
	birth, _ := rows[0].Last()
	return string(birth.Value)
}
