package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
)

// TestAWriteOnANodeThatLosesItsPlaceMeanwhileIsHandedOver cuts an owner off, lets
// a newcomer take its place in some partitions, and asks for what the owner had
// acknowledged alone.
func TestAWriteOnANodeThatLosesItsPlaceMeanwhileIsHandedOver(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx := context.Background()
		c.net.Partition([]p2p.NodeID{id(0)}, []p2p.NodeID{id(1), id(2), id(3)})
		time.Sleep(2 * time.Second)
		c.start(id(3))
		c.eventually("the newcomer is active", func() error {
			if !c.on(id(3)).Active() {
				return errors.New("it is not")
			}
			return nil
		})
		for slot := 0; slot < 1<<16; slot += 1 << 13 {
			c.write(ctx, id(0), put(key(slot, "alone"), "kept"))
		}
		c.crash(id(0))
		c.net.Heal()
		c.start(id(0))
		c.settle()
		c.eventually("every owner has what was written alone", func() error {
			for n := range 4 {
				for slot := 0; slot < 1<<16; slot += 1 << 13 {
					if got := c.value(ctx, id(n), key(slot, "alone")); got != "kept" {
						return fmt.Errorf("node %d reads slot %d as %q", n, slot, got)
					}
				}
			}
			return nil
		})
	})
}

// TestManyWritesToOneRowFitIntoThePagesOfCatchUp is about dots that are small in
// a message and large in an engine.
func TestManyWritesToOneRowFitIntoThePagesOfCatchUp(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx, _ := session(1, "")
		c.crash(id(2))
		for range 40 {
			done := make(chan error)
			for i := range 400 {
				go func() {
					_, err := c.on(id(0)).Write(ctx, put(key(7, ""), fmt.Sprint(i)))
					done <- err
				}()
			}
			for range 400 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(15 * time.Second) // beyond what is pushed
		c.start(id(2))
		c.settle()
	})
}

func TestTooFewReachableOwnersAreSaidAtOnce(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		c.crash(id(2))
		time.Sleep(3 * time.Second)
		ctx, _ := session(store.All, "")
		began := time.Now()
		receipt, err := c.on(id(0)).Write(ctx, put(key(1, "k"), "v"))
		if took := time.Since(began); !errors.Is(err, store.ErrDurability) || receipt.Copies != 2 || took > 100*time.Millisecond {
			t.Errorf("%+v, %v after %v", receipt, err, took)
		}
	})
}

func TestAClosedStoreRefusesWrites(t *testing.T) {
	simulate(t, 1, lan, func(c *cluster) {
		s := c.on(id(0))
		c.crash(id(0))
		for i := range 50 {
			if _, err := s.Write(context.Background(), put(key(i, "k"), "v")); err == nil {
				t.Fatal("a write was acknowledged")
			}
		}
	})
}

// hang makes a node receive everything and answer nothing, believed alive.
func (c *cluster) hang(id p2p.NodeID) {
	for _, n := range c.nodes {
		c.net.CutOneWay(id, n.id)
	}
}

var trusting = simnet.Options{
	Seed: 3, MinDelay: 200 * time.Microsecond, MaxDelay: 2 * time.Millisecond,
	DetectAfter: time.Hour, // the dead pass for living
}

func TestAnOwnerThatNeverAnswersHoldsNobodyUp(t *testing.T) {
	simulate(t, 3, trusting, func(c *cluster) {
		ctx := context.Background()
		c.write(ctx, id(0), put(key(1, "before"), "v"))
		c.hang(id(2))
		for i := range 40 {
			began := time.Now()
			receipt := c.write(ctx, id(i%2), put(key(i*1500, "during"), "v"))
			if took := time.Since(began); receipt.Copies != 2 || took > 300*time.Millisecond {
				t.Errorf("write %d: %d copies after %v", i, receipt.Copies, took)
			}
			began = time.Now()
			quorum := store.WithRequest(ctx, &store.Request{Consistency: store.Quorum})
			if got := c.value(quorum, id(i%2), key(i*1500, "during")); got != "v" || time.Since(began) > 300*time.Millisecond {
				t.Errorf("quorum read %d: %q after %v", i, got, time.Since(began))
			}
		}
		c.crash(id(1))
		c.start(id(1))
		c.hang(id(2))
		c.eventually("a restarted node serves", func() error {
			if !c.on(id(1)).Active() {
				return errors.New("it is not active")
			}
			return nil
		})
	})
}

// TestJoinsUnderAnyScheduleOfFaultsLoseNothing grows a cluster while nodes crash,
// lose power together, and are cut off.
func TestJoinsUnderAnyScheduleOfFaultsLoseNothing(t *testing.T) {
	underFaults(t, 40, func(seed int) int { return 1 + seed%4 }, grow)
}

func grow(t *testing.T, c *cluster, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	written := map[store.Key]string{}
	for step := range 150 {
		up := c.running()
		switch roll := rng.IntN(100); {
		case roll < 4 && len(c.nodes) < 6:
			c.start(id(len(c.nodes)))
		case roll < 7 && len(up) > 1:
			c.crash(up[rng.IntN(len(up))].id)
		case roll < 8:
			for _, n := range up {
				c.crash(n.id)
			}
			c.startAll()
		case roll < 12:
			c.startAll()
		case roll < 15:
			c.net.CutOneWay(up[0].id, up[rng.IntN(len(up))].id)
		case roll < 18:
			c.net.Cut(up[rng.IntN(len(up))].id, up[rng.IntN(len(up))].id)
		case roll < 22:
			c.net.Heal()
		case roll < 30:
			time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
		default:
			k := key(rng.IntN(1<<16), fmt.Sprint("k-", step))
			ctx, _ := session(store.Default, "")
			if _, err := up[rng.IntN(len(up))].store.Write(ctx, put(k, fmt.Sprint(step))); err == nil {
				written[k] = fmt.Sprint(step)
			}
		}
	}
	c.net.Heal()
	c.startAll()
	c.settle()
	c.eventually("every acknowledged write is read everywhere", func() error {
		for _, n := range c.running() {
			for k, want := range written {
				if got := c.value(context.Background(), n.id, k); got != want {
					return fmt.Errorf("%s reads %v as %q, want %q", n.id, k, got, want)
				}
			}
		}
		return nil
	})
}

func (c *cluster) startAll() {
	for i := range len(c.nodes) {
		if !c.nodes[id(i)].up {
			c.start(id(i))
		}
	}
}

// TestAWriteOnKCopiesOutlivesKMinusOneDisks takes disks away for good the moment
// after the last acknowledgement.
func TestAWriteOnKCopiesOutlivesKMinusOneDisks(t *testing.T) {
	for seed := range 20 {
		for lost := 1; lost <= 2; lost++ {
			lossy := lan
			lossy.Seed, lossy.Loss = uint64(seed), 0.3
			simulate(t, 3, lossy, func(c *cluster) {
				rng := rand.New(rand.NewPCG(uint64(seed), 2))
				written := map[store.Key]string{}
				ctx, _ := session(lost+1, "")
				for i := range 30 {
					k := key(rng.IntN(1<<16), fmt.Sprint(i))
					c.write(ctx, id(rng.IntN(3)), put(k, fmt.Sprint(i)))
					written[k] = fmt.Sprint(i)
				}
				for range lost {
					up := c.running()
					c.crash(up[rng.IntN(len(up))].id)
				}
				time.Sleep(5 * time.Second)
				for _, n := range c.running() {
					for k, want := range written {
						if got := c.value(context.Background(), n.id, k); got != want {
							t.Errorf("seed %d, %d disks lost: %s reads %v as %q, want %q", seed, lost, n.id, k, got, want)
						}
					}
				}
			})
		}
	}
}

// TestRoundsGoOnHoweverOftenPeersAskForSomethingElse: what no push brought comes
// with a round, under any load.
func TestRoundsGoOnHoweverOftenPeersAskForSomethingElse(t *testing.T) {
	simulate(t, 3, trusting, func(c *cluster) {
		c.net.CutOneWay(id(0), id(2))
		c.net.CutOneWay(id(1), id(2))
		ctx, _ := session(1, "")
		c.write(ctx, id(0), put(key(0, "missed"), "v"))
		time.Sleep(15 * time.Second) // beyond what is pushed
		c.net.Heal()
		quorum := store.WithRequest(context.Background(), &store.Request{Consistency: store.Quorum})
		for i := range 200 {
			for n := range 3 {
				k := key((n+1)<<13, fmt.Sprint("busy-", i))
				c.write(ctx, id(n), put(k, "v"))
				_ = c.value(quorum, id(n), k)
			}
			if c.on(id(2)).Status()[0].Writes > 0 {
				return
			}
			time.Sleep(150 * time.Millisecond)
		}
		t.Error("30 s of load kept a node from noticing what it lacks")
	})
}

// TestAMemberThatNeverAnswersDoesNotKeepRestartedOnesFromWriting though it might
// know of writes that they have lost.
func TestAMemberThatNeverAnswersDoesNotKeepRestartedOnesFromWriting(t *testing.T) {
	simulate(t, 3, trusting, func(c *cluster) {
		c.fill(20, "v")
		c.crash(id(0))
		c.crash(id(1))
		c.startAll()
		c.hang(id(2))
		c.eventually("a write is taken", func() error {
			_, err := c.on(id(0)).Write(context.Background(), put(key(1, "k"), "v"))
			return err
		})
		c.net.Heal()
		c.settle()
	})
}
