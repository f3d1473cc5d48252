package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/store"
)

// bytesTo sums what went to a node, and what came from it, of some protocols.
func (c *cluster) bytesTo(to p2p.NodeID, protocols ...string) (bytes uint64) {
	for flow, volume := range c.net.Traffic() {
		for _, p := range protocols {
			if flow.To == to && flow.Protocol == p {
				bytes += uint64(volume.Bytes)
			}
		}
	}
	return bytes
}

// TestCatchUpCostsWhatWasMissed compares the bytes that a node fetches with those
// of the batches that it missed.
func TestCatchUpCostsWhatWasMissed(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		c.fill(2000, strings.Repeat("old", 50))
		c.settle()
		c.crash(id(2))
		time.Sleep(2 * time.Second)
		c.net.ResetTraffic()
		for batch := range 20 {
			c.concurrently(100, func(i int) store.Write {
				return put(key(i*655, fmt.Sprint("new-", batch)), strings.Repeat("new", 50))
			})
		}
		var missed uint64
		for flow, volume := range c.net.Traffic() {
			if flow.From == id(0) && flow.To == id(1) && strings.HasPrefix(flow.Protocol, "owners/") {
				missed += uint64(volume.Bytes)
			}
		}
		time.Sleep(15 * time.Second) // beyond what is pushed
		c.net.ResetTraffic()
		c.start(id(2))
		c.settle()
		fetched := c.bytesTo(id(2), "replica/fetch", "replica/snapshot")
		t.Logf("%d bytes missed, %d fetched", missed, fetched)
		if missed == 0 || float64(fetched) > 1.2*float64(missed) {
			t.Errorf("%d bytes fetched for %d missed", fetched, missed)
		}
	})
}

// concurrently makes writes through the first node, all at once.
func (c *cluster) concurrently(n int, write func(i int) store.Write) {
	c.t.Helper()
	var all sync.WaitGroup
	for i := range n {
		w := write(i)
		all.Go(func() {
			if _, err := c.on(id(0)).Write(context.Background(), w); err != nil {
				c.t.Errorf("write %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// TestAnIdlePairExchangesLittle is about 256 partitions in which nothing happens.
func TestAnIdlePairExchangesLittle(t *testing.T) {
	simulateBits(t, 8, 3, lan, func(c *cluster) {
		c.fill(500, "v")
		c.settle()
		c.quiet()
		c.net.ResetTraffic()
		time.Sleep(10 * time.Minute)
		pairs := map[[2]p2p.NodeID]uint64{}
		for flow, volume := range c.net.Traffic() {
			pairs[[2]p2p.NodeID{min(flow.From, flow.To), max(flow.From, flow.To)}] += uint64(volume.Bytes)
		}
		for pair, bytes := range pairs {
			t.Logf("%v: %d bytes a minute", pair, bytes/10)
			if bytes/10 > 10_000 {
				t.Errorf("%v: %d bytes a minute", pair, bytes/10)
			}
		}
	})
}

// stored gives what is in a node's engine when all bookkeeping has ended and
// everything that follows from its changes has been derived.
func (c *cluster) stored(id p2p.NodeID) uint64 {
	c.t.Helper()
	c.settle()
	c.quiet()
	last, err := c.on(id).Changes(context.Background(), 0, 1<<30)
	if err == nil && len(last) > 0 {
		err = c.on(id).SaveCursor(context.Background(), "test", last[len(last)-1].Seq)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.nodes[id].db.Stats().DiskBytes
}

// TestChurnLeavesNothingBehind updates and deletes few rows many times. What is
// stored then must be about what a fresh cluster stores that was given the rows
// that are left.
func TestChurnLeavesNothingBehind(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	const rows = 200
	left := map[store.Key]string{}
	var churned, fresh uint64
	simulate(t, 3, lan, func(c *cluster) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range rounds {
			c.concurrently(rows, func(i int) store.Write {
				k, value := key(i*300, "churn"), fmt.Sprint(rng.Uint64())
				if rng.IntN(3) == 0 {
					delete(left, k)
					return remove(k)
				}
				left[k] = value
				return put(k, value)
			})
		}
		churned = c.stored(id(1))
	})
	simulate(t, 3, lan, func(c *cluster) {
		for k, value := range left {
			c.write(context.Background(), id(0), put(k, value))
		}
		fresh = c.stored(id(1))
	})
	t.Logf("%d writes: %d bytes, fresh %d", rounds*rows, churned, fresh)
	if churned > 2*fresh {
		t.Errorf("%d bytes after %d writes, %d in a fresh cluster", churned, rounds*rows, fresh)
	}
}
