package replica_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
)

// amongEarlier runs a test on four nodes, of which the three owners of a slot run an
// earlier build.
func amongEarlier(t *testing.T, test func(c *cluster, slot int, owners []p2p.NodeID, other p2p.NodeID)) {
	t.Helper()
	simulate(t, 4, simnet.Options{}, func(c *cluster) {
		const slot = 7
		ring := c.on(id(0)).Ring()
		owners := ring.Owners(ring.PartitionOf(slot))
		c.earlier = map[p2p.NodeID]bool{}
		for _, o := range owners {
			c.earlier[o] = true
			c.crash(o)
			c.start(o)
			c.settle()
		}
		for i := range 4 {
			if !slices.Contains(owners, id(i)) {
				test(c, slot, owners, id(i))
			}
		}
	})
}

// upgrade restarts a node with the later build.
func (c *cluster) upgrade(id p2p.NodeID) {
	c.crash(id)
	delete(c.earlier, id)
	c.start(id)
	c.settle()
}

func TestAWriteThatEarlierBuildsWouldMisunderstandIsTakenByOwnersThatDoNot(t *testing.T) {
	t.Parallel()
	amongEarlier(t, func(c *cluster, slot int, owners []p2p.NodeID, other p2p.NodeID) {
		ctx := context.Background()
		k := key(slot, "name")
		first := c.write(ctx, other, put(k, "first"))
		c.write(ctx, other, store.Write{Mutations: []store.Mutation{{Key: key(slot, "else"), Op: store.Put}}})
		ending := store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Remove, Ends: []causal.Dot{{Replica: 1, Seq: 1}}}}}
		fresh := put(store.Key{Slot: store.Slot(slot), Family: recent, Sort: "list"}, "of a family that they do not know")
		for name, w := range map[string]store.Write{"ends a chosen birth": ending, "is of a recent family": fresh} {
			_, err := c.on(other).Write(ctx, w)
			if !errors.Is(err, store.ErrEarlierBuild) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a write that %s: got %v, want ErrEarlierBuild", name, err)
			}
		}
		c.upgrade(owners[2])
		c.write(ctx, other, ending)
		c.write(ctx, other, fresh)
		c.settle()
		if got := c.value(ctx, other, k); got != "first" {
			t.Errorf("the row says %q: the birth %v ended, which was not named", got, first.Dot)
		}
	})
}

func TestRowsOfFamiliesThatABuildDoesNotKnowAreKeptAndPassedOn(t *testing.T) {
	t.Parallel()
	amongEarlier(t, func(c *cluster, slot int, owners []p2p.NodeID, other p2p.NodeID) {
		ctx := context.Background()
		c.upgrade(owners[0])
		k := store.Key{Slot: store.Slot(slot), Family: recent, Sort: "list"}
		c.write(ctx, other, put(k, "new"))
		c.settle() // all owners hold the same bytes
		c.crash(owners[0])
		for _, o := range owners[1:] {
			if got := c.value(ctx, o, k); got != "new" {
				t.Errorf("%s reads %q", o, got)
			}
		}
	})
}
