package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
)

var lan = simnet.Options{Seed: 1, MinDelay: 200 * time.Microsecond, MaxDelay: 2 * time.Millisecond}

func session(durability int, token string) (context.Context, *store.Request) {
	r := &store.Request{Durability: durability}
	if token != "" {
		if err := r.Resume(token); err != nil {
			panic(err)
		}
	}
	return store.WithRequest(context.Background(), r), r
}

func TestAWriteStandsOnTwoDisksWhenItReturns(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx, request := session(store.Default, "")
		receipt := c.write(ctx, id(0), put(key(1, "k"), "v"))
		if copies, wrote := request.Copies(); receipt.Copies < 2 || copies != receipt.Copies || !wrote {
			t.Errorf("receipt %+v, request %d copies", receipt, copies)
		}
		ctx, _ = session(store.All, "")
		if receipt := c.write(ctx, id(1), put(key(1, "k2"), "v")); receipt.Copies != 3 {
			t.Errorf("durability all: %d copies", receipt.Copies)
		}
	})
}

func TestASessionReadsItsWritesOnAnyNodeAtOnce(t *testing.T) {
	slow := lan
	slow.Loss, slow.MaxDelay = 0.5, 100*time.Millisecond
	simulate(t, 3, slow, func(c *cluster) {
		token := ""
		for i := range 50 {
			ctx, request := session(1, token)
			c.write(ctx, id(i%3), put(key(i*997, "k"), fmt.Sprint(i)))
			token = request.Token()
			ctx, _ = session(store.Default, token)
			for n := range 3 {
				if got := c.value(ctx, id(n), key(i*997, "k")); got != fmt.Sprint(i) {
					t.Fatalf("write %d read as %q on node %d", i, got, n)
				}
			}
		}
	})
}

func TestConditionsAreCheckedByTheCoordinator(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		claim := func(n int, value string) error {
			w := put(key(5, "name"), value)
			w.Mutations[0].If, w.Serial = store.IfAbsent, true
			_, err := c.on(id(n)).Write(context.Background(), w)
			return err
		}
		results := make(chan error, 3)
		for n := range 3 {
			go func() { results <- claim(n, fmt.Sprint(n)) }()
		}
		won := 0
		for range 3 {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, store.ErrExists) {
				t.Errorf("claim: %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of three concurrent claims succeeded", won)
		}
		w := put(key(5, "none"), "x")
		w.Mutations[0].Op, w.Mutations[0].If = store.Update, store.IfExists
		if _, err := c.on(id(1)).Write(context.Background(), w); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("update of an absent row: %v", err)
		}
	})
}

func TestAWriteThatFindsItsStateStandingSaysOnHowManyCopies(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		k := key(9, "k")
		first := c.write(context.Background(), id(0), put(k, "v"))
		again := put(k, "w")
		again.Mutations[0].If = store.IfAbsent
		ctx, request := session(store.Default, "")
		receipt, err := c.on(id(1)).Write(ctx, again)
		if !errors.Is(err, store.ErrExists) || receipt.Dot != first.Dot || receipt.Copies != 2 {
			t.Errorf("repetition: %+v, %v; first was %+v", receipt, err, first)
		}
		if copies, wrote := request.Copies(); !wrote || copies != 2 || len(request.Needs(receipt.Partition)) != 1 {
			t.Errorf("the request reports %d copies and needs %v", copies, request.Needs(receipt.Partition))
		}
		c.settle()
		ctx, _ = session(store.All, "")
		if receipt := c.write(ctx, id(2), remove(key(9, "absent"))); receipt.Copies != 3 {
			t.Errorf("removal of nothing: %+v", receipt)
		}
		c.crash(id(2))
		if receipt, _ := c.on(id(1)).Write(context.Background(), again); receipt.Copies != 2 {
			t.Errorf("repetition with one owner down: %+v", receipt)
		}
	})
}

func TestAListOverAllSlotsHonoursTheSession(t *testing.T) {
	mute := lan
	mute.Loss = 1
	simulate(t, 3, mute, func(c *cluster) {
		ctx, request := session(1, "") // on one disk, so far
		c.write(ctx, id(0), put(key(4, "listed"), "v"))
		ctx, _ = session(store.Default, request.Token())
		for n := range 3 {
			entries, _, err := c.on(id(n)).ScanIndex(ctx, store.IndexRange{Family: indexed, Limit: 10})
			if err != nil || len(entries) != 1 {
				t.Errorf("node %d lists %v, %v", n, entries, err)
			}
		}
		stranger := &store.Request{}
		stranger.Record(store.Receipt{Partition: 1, Dot: causal.Dot{Replica: 77, Seq: 1}, Copies: 1})
		_, _, err := c.on(id(0)).ScanIndex(store.WithRequest(context.Background(), stranger), store.IndexRange{Family: indexed, Limit: 10})
		if !errors.Is(err, store.ErrBehind) {
			t.Errorf("a write that nobody has seen: %v", err)
		}
	})
}

func TestTwoOfThreeServeEverythingAndTheThirdCatchesUp(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx := context.Background()
		for i := range 30 {
			c.write(ctx, id(i%3), put(key(i*2111, "before"), "v"))
		}
		c.crash(id(2))
		for i := range 300 {
			if receipt := c.write(ctx, id(i%2), put(key(i*211, "during"), "v")); receipt.Copies != 2 {
				t.Fatalf("write %d: %d copies", i, receipt.Copies)
			}
			if i < 30 {
				c.write(ctx, id(i%2), remove(key(i*2111, "before")))
			}
		}
		c.start(id(2))
		c.settle()
		for i := range 30 {
			if got := c.value(ctx, id(2), key(i*2111, "before")); got != "" {
				t.Errorf("removed row %d is back as %q", i, got)
			}
		}
	})
}

func TestBothSidesOfACutTakeWritesAndAgreeAfterwards(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx := context.Background()
		shared := key(77, "shared")
		c.write(ctx, id(0), put(shared, "old"))
		c.write(ctx, id(0), put(key(78, "gone"), "x"))
		c.settle()
		c.net.Partition([]p2p.NodeID{id(0)}, []p2p.NodeID{id(1), id(2)})
		time.Sleep(2 * time.Second)
		if receipt := c.write(ctx, id(0), put(key(1, "left"), "l")); receipt.Copies != 1 {
			t.Errorf("alone: %d copies", receipt.Copies)
		}
		if receipt := c.write(ctx, id(1), put(key(1, "right"), "r")); receipt.Copies != 2 {
			t.Errorf("majority: %d copies", receipt.Copies)
		}
		c.write(ctx, id(0), remove(key(78, "gone")))
		c.write(ctx, id(0), remove(shared)) // against a concurrent put: add wins
		c.write(ctx, id(2), put(shared, "new"))
		c.net.Heal()
		c.settle()
		for n := range 3 {
			for k, want := range map[store.Key]string{key(1, "left"): "l", key(1, "right"): "r", shared: "new", key(78, "gone"): ""} {
				if got := c.value(ctx, id(n), k); got != want {
					t.Errorf("node %d reads %v as %q, want %q", n, k, got, want)
				}
			}
		}
	})
}

func TestAGrowingClusterMovesDataAndServesItAllTheWhile(t *testing.T) {
	simulate(t, 1, lan, func(c *cluster) {
		ctx := context.Background()
		for i := range 200 {
			c.write(ctx, id(0), put(key(i*327, fmt.Sprint("k-", i)), fmt.Sprint(i)))
		}
		for n := 1; n < 5; n++ {
			c.start(id(n))
			for i := range 200 {
				c.write(ctx, id(0), put(key(i*327, fmt.Sprint("during-", n, i)), "v"))
			}
			c.settle()
			for i := range 200 {
				if got := c.value(ctx, id(n), key(i*327, fmt.Sprint("k-", i))); got != fmt.Sprint(i) {
					t.Fatalf("with %d nodes row %d reads %q on the newest", n+1, i, got)
				}
			}
		}
		entries, coverage, err := c.on(id(4)).ScanIndex(ctx, store.IndexRange{Family: indexed, After: "k-9", Limit: 10})
		if err != nil || coverage.Answered != coverage.Asked || len(entries) != 10 || entries[9].Key.Sort != "k-99" {
			t.Errorf("index scan: %d entries, %+v, %v", len(entries), coverage, err)
		}
	})
}

func TestAQuorumReadSeesWhatAnyMajorityHas(t *testing.T) {
	lossy := lan
	lossy.Loss = 1 // gossip never arrives; pushes bring only what is waited for
	simulate(t, 3, lossy, func(c *cluster) {
		for i := range 20 {
			ctx, _ := session(2, "")
			k := key(i*3000, "k")
			c.write(ctx, id(0), put(k, "v"))
			quorum := store.WithRequest(context.Background(), &store.Request{Consistency: store.Quorum})
			for n := range 3 {
				if got := c.value(quorum, id(n), k); got != "v" {
					t.Fatalf("write %d: quorum read on node %d gives %q", i, n, got)
				}
			}
		}
	})
}

// TestAnyScheduleOfFaultsConverges runs random writes under random crashes, cuts,
// loss and duplication, and then asks for what every owner must agree on: the
// bytes, every acknowledged write that nothing replaced, and no removed row.
func TestAnyScheduleOfFaultsConverges(t *testing.T) {
	underFaults(t, 60, func(seed int) int { return 3 + seed%3 }, scramble)
}

func scramble(t *testing.T, c *cluster, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx := context.Background()
	mine := map[store.Key]string{} // keys that only one step ever touches
	gone := map[store.Key]bool{}
	for step := range 120 {
		up := c.running()
		n := up[rng.IntN(len(up))]
		switch roll := rng.IntN(100); {
		case roll < 3 && len(up) > 2:
			c.crash(n.id)
		case roll < 8:
			for _, n := range c.nodes {
				if !n.up {
					c.start(n.id)
					break
				}
			}
		case roll < 12:
			c.net.Cut(n.id, up[rng.IntN(len(up))].id)
		case roll < 18:
			c.net.Heal()
		case roll < 25:
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		case roll < 50:
			contested := key(rng.IntN(4)*9000, "contested")
			w := put(contested, fmt.Sprint(step))
			if rng.IntN(3) == 0 {
				w = remove(contested)
			}
			_, _ = n.store.Write(ctx, w) // may be refused; convergence alone is asked of it
		default:
			k := key(rng.IntN(1<<16), fmt.Sprint("own-", step))
			ctx, request := session(store.Default, "")
			if _, err := n.store.Write(ctx, put(k, fmt.Sprint(step))); err != nil {
				continue // it may or may not stand
			}
			mine[k] = fmt.Sprint(step)
			if rng.IntN(3) > 0 {
				continue
			}
			delete(mine, k)
			again, _ := session(store.Default, request.Token())
			if _, err := up[rng.IntN(len(up))].store.Write(again, remove(k)); err == nil {
				gone[k] = true
			}
		}
	}
	c.net.Heal()
	for _, n := range c.nodes {
		if !n.up {
			c.start(n.id)
		}
	}
	c.settle()
	for _, n := range c.running() {
		for k, want := range mine {
			if got := c.value(ctx, n.id, k); got != want {
				t.Errorf("%s lost %v: %q, want %q", n.id, k, got, want)
			}
		}
		for k := range gone {
			if got := c.value(ctx, n.id, k); got != "" {
				t.Errorf("%s brought back %v as %q", n.id, k, got)
			}
		}
	}
}
