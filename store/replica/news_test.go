package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// TestNewsGivesEveryRowToAReaderThatWandersFromNodeToNode though writes reach the
// nodes late, in any order, and keys are not in the order of their writes.
func TestNewsGivesEveryRowToAReaderThatWandersFromNodeToNode(t *testing.T) {
	underFaults(t, 20, func(seed int) int { return 2 + seed%4 }, func(t *testing.T, c *cluster, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ctx := context.Background()
		slot := rng.IntN(1 << 16)
		list := store.Range{Slot: key(slot, "").Slot, Family: key(slot, "").Family, Reverse: true, Limit: 1000}
		made, heard := map[string]bool{}, map[string]int{}
		seen := causal.NewVector()
		listen := func() {
			up := c.running()
			news, now, err := up[rng.IntN(len(up))].store.News(ctx, list, seen)
			if err != nil {
				return
			}
			for _, e := range news {
				heard[e.Key.Sort]++
			}
			seen = now
		}
		c.settle()
		for i := range 120 {
			up := c.running()
			n := up[rng.IntN(len(up))]
			switch roll := rng.IntN(100); {
			case roll < 12 && len(up) > 1:
				c.net.Cut(n.id, up[rng.IntN(len(up))].id)
			case roll < 20:
				c.net.Heal()
			case roll < 30:
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
			case roll < 50:
				listen()
			default:
				k := key(slot, fmt.Sprintf("%08d-%d", rng.IntN(1e8), i))
				if _, err := n.store.Write(ctx, put(k, "")); err == nil {
					made[k.Sort] = true
				}
			}
		}
		c.net.Heal()
		c.settle()
		listen()
		repeated := 0
		for sort := range made {
			if heard[sort] == 0 {
				t.Errorf("%s was never heard of", sort)
			}
			repeated += heard[sort] - 1
		}
		if repeated != 0 {
			t.Errorf("%d rows were given again", repeated)
		}
		before := len(heard)
		if listen(); len(heard) != before {
			t.Error("there was news after the last")
		}
	})
}
