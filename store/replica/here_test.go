package replica_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
	"grapevine/store/replica"
)

// othersRead is a router that has its own node write and others read.
type othersRead struct {
	replica.Router
	self p2p.NodeID
}

func (r othersRead) Order(op replica.Op, candidates []replica.Candidate) []p2p.NodeID {
	order := slices.DeleteFunc(r.Router.Order(op, candidates), func(node p2p.NodeID) bool { return node == r.self })
	if op == replica.OpWrite {
		return append([]p2p.NodeID{r.self}, order...)
	}
	return append(order, r.self)
}

// Fan-out, streams and caches act on what was applied on their node: what another owner
// lacks they would take for gone.
func TestWhatANodeHasAppliedItReadsHoweverItFares(t *testing.T) {
	simulate(t, 3, simnet.Options{MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond}, func(c *cluster) {
		c.settle()
		c.crash(id(0))
		c.routes = func(r replica.Router) replica.Router { return othersRead{r, id(0)} }
		c.start(id(0))
		c.settle()
		time.Sleep(time.Second) // it is long over that it served nothing
		for _, other := range []p2p.NodeID{id(1), id(2)} {
			c.nodes[other].db.Slow(300 * time.Millisecond)
		}
		k := key(7, "k")
		ctx := store.WithRequest(context.Background(), &store.Request{Durability: 1})
		if receipt, err := c.on(id(0)).Write(ctx, put(k, "v")); err != nil || receipt.Copies != 1 {
			t.Fatalf("the write is not this node's alone: %+v, %v", receipt, err)
		}
		everybody := context.Background() // no session, which would see its own write
		if _, err := c.on(id(0)).Get(everybody, k); err != nil {
			t.Errorf("by key: %v", err)
		}
		list := store.Range{Slot: k.Slot, Family: k.Family, Limit: 1}
		if found, err := c.on(id(0)).Scan(everybody, list); err != nil || len(found) != 1 {
			t.Errorf("by range: %v, %v", found, err)
		}
		if n, err := c.on(id(0)).Count(everybody, list); err != nil || n != 1 {
			t.Errorf("counted: %d, %v", n, err)
		}
		if n, err := c.on(id(0)).CountMany(everybody, []store.Range{list}); err != nil || n[0] != 1 {
			t.Errorf("counted with others: %d, %v", n, err)
		}
	})
}

// Of five nodes none owns all partitions: each counts some ranges itself, and asks others.
func TestManyRangesAreCountedInTheirOrderFromAnyNode(t *testing.T) {
	simulate(t, 5, simnet.Options{MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond}, func(c *cluster) {
		c.settle()
		var ranges []store.Range
		var want []int
		for slot := range 40 {
			k := key(slot*store.Slots/40, "")
			for n := range slot % 4 {
				c.write(context.Background(), id(slot%5), put(key(int(k.Slot), string(rune('a'+n))), "v"))
			}
			ranges = append(ranges, store.Range{Slot: k.Slot, Family: k.Family, Limit: 2})
			want = append(want, min(slot%4, 2))
		}
		c.settle()
		for i := range 5 {
			if got, err := c.on(id(i)).CountMany(context.Background(), ranges); err != nil || !slices.Equal(got, want) {
				t.Errorf("node %d: %v, %v; want %v", i, got, err, want)
			}
		}
	})
}
