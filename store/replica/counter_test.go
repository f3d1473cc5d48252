package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"grapevine/store"
)

func add(k store.Key, counts ...store.CountDelta) store.Write {
	return store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Add, If: store.IfExists, Counts: counts}}}
}

// TestACounterReadsTheSumOfAcknowledgedIncrements under any schedule of crashes,
// cuts, loss and repetition: an increment that was not acknowledged may have been
// made, once.
func TestACounterReadsTheSumOfAcknowledgedIncrements(t *testing.T) {
	underFaults(t, 30, func(seed int) int { return 3 + seed%3 }, count)
}

func count(t *testing.T, c *cluster, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	ctx := context.Background()
	k := key(rng.IntN(1<<16), "counted")
	c.write(ctx, id(0), put(k, ""))
	c.settle()
	var made, perhaps int64
	for range 150 {
		up := c.running()
		n := up[rng.IntN(len(up))]
		switch roll := rng.IntN(100); {
		case roll < 4 && len(up) > 2:
			c.crash(n.id)
		case roll < 10:
			c.startAll()
		case roll < 16:
			c.net.Cut(n.id, up[rng.IntN(len(up))].id)
		case roll < 22:
			c.net.Heal()
		case roll < 28:
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		default:
			by := rng.Int64N(5) + 1
			_, err := n.store.Write(ctx, add(k, store.CountDelta{ID: 2, N: -by}, store.CountDelta{ID: 1, N: by}))
			if err == nil {
				made += by
			} else {
				perhaps += by
			}
		}
	}
	c.net.Heal()
	c.startAll()
	c.settle()
	for _, n := range c.running() {
		row, err := n.store.Get(ctx, k)
		got := row.Counter(1)
		if err != nil || got < made || got > made+perhaps || row.Counter(2) != -got {
			t.Errorf("%s reads %d and %d of %d acknowledged and %d uncertain, %v", n.id, got, row.Counter(2), made, perhaps, err)
		}
	}
}

// TestAStandInThatGaveItsShareAwayBeginsANewOne: what it added is with the owners
// when an old message brings it the row anew.
func TestAStandInThatGaveItsShareAwayBeginsANewOne(t *testing.T) {
	replaying := lan
	replaying.ReplayCalls, replaying.ReplayWithin = []string{"replica/hold"}, 100*time.Second
	simulate(t, 5, replaying, func(c *cluster) {
		ctx := context.Background()
		k, owners, others := c.away()
		again := replaying.Conditions()
		again.Replay = 1
		c.net.SetLink(others[1], id(0), again)
		c.net.Partition(others, owners)
		time.Sleep(2 * time.Second)
		var rows []store.Key
		for i := range 20 {
			k := key(int(k.Slot), fmt.Sprint("counted-", i))
			c.write(ctx, others[1], put(k, ""))
			c.write(ctx, id(0), add(k, store.CountDelta{ID: 1, N: 5}))
			rows = append(rows, k)
		}
		c.net.SetLink(others[1], id(0), replaying.Conditions())
		c.net.Heal()
		c.settle()
		c.net.Partition(others, owners)
		time.Sleep(2 * time.Second)
		var back store.Key
		c.eventually("a row has come again", func() (err error) {
			for _, back = range rows {
				if _, err = c.on(id(0)).Write(ctx, add(back, store.CountDelta{ID: 1, N: 3})); err == nil {
					break
				}
			}
			return err
		})
		c.net.Heal()
		c.settle()
		row, err := c.on(id(0)).Get(ctx, back)
		if got := row.Counter(1); got != 8 || err != nil {
			t.Errorf("the counter reads %d, %v", got, err)
		}
	})
}
