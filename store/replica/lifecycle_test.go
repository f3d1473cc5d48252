package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/memdb"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// fill writes rows all over the ring through random nodes.
func (c *cluster) fill(rows int, value string) map[store.Key]string {
	c.t.Helper()
	written := map[store.Key]string{}
	up := c.running()
	for i := range rows {
		k := key(i*(1<<16)/rows, fmt.Sprint("row-", i))
		c.write(context.Background(), up[i%len(up)].id, put(k, value))
		written[k] = value
	}
	return written
}

// serves checks rows through every running node.
func (c *cluster) serves(written map[store.Key]string) {
	c.t.Helper()
	c.eventually("every node serves every row", func() error {
		for _, n := range c.running() {
			for k, want := range written {
				rows, err := n.store.GetMany(context.Background(), []store.Key{k})
				if err != nil {
					return fmt.Errorf("%s: %w", n.id, err)
				}
				if birth, _ := rows[0].Last(); string(birth.Value) != want {
					return fmt.Errorf("%s reads %v as %q, want %q", n.id, k, birth.Value, want)
				}
			}
		}
		return nil
	})
}

// quiet waits until no log, mark, hint or moved copy is left anywhere.
func (c *cluster) quiet() {
	c.t.Helper()
	c.eventually("all bookkeeping ends", func() error {
		for _, n := range c.running() {
			if t := n.store.Totals(); t != (replica.Totals{}) {
				return fmt.Errorf("%s keeps %+v", n.id, t)
			}
		}
		return nil
	})
}

// away gives a key that the first node does not own, its owners, and all others.
func (c *cluster) away() (k store.Key, owners, others []p2p.NodeID) {
	c.t.Helper()
	for _, p := range c.on(id(0)).Status() {
		if slices.Contains(p.Owners, id(0)) {
			continue
		}
		for n := range len(c.nodes) {
			if !slices.Contains(p.Owners, id(n)) {
				others = append(others, id(n))
			}
		}
		return key(int(p.First), "away"), p.Owners, others
	}
	c.t.Fatal("the first node owns everything")
	return
}

func TestWhenEveryOwnerHasAllNothingIsLoggedAnyMore(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		written := c.fill(300, "v")
		for k := range written {
			if k.Slot%2 == 0 {
				c.write(context.Background(), id(int(k.Slot)%3), remove(k))
				delete(written, k)
			}
		}
		c.quiet()
		c.serves(written)
		for _, p := range c.on(id(0)).Status() {
			if p.Rows > 300/8+1 {
				t.Errorf("partition %d still has %d rows", p.ID, p.Rows)
			}
		}
	})
}

func TestADeadMemberHoldsTheLogBackAndIsNamed(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		c.quiet()
		c.crash(id(2))
		time.Sleep(2 * time.Second)
		c.fill(40, "v")
		time.Sleep(20 * time.Second)
		if got := c.on(id(0)).Totals().LogEntries; got != 40 {
			t.Errorf("%d writes are logged, want all that the dead one lacks", got)
		}
		for _, p := range c.on(id(0)).Status() {
			if p.Log > 0 && !slices.Equal(p.HeldBack, []p2p.NodeID{id(2)}) {
				t.Errorf("partition %d is held back by %v", p.ID, p.HeldBack)
			}
		}
		if err := c.on(id(0)).Forget(id(2)); err != nil {
			t.Fatal(err)
		}
		c.quiet()
	})
}

// TestAnEmptyNodeTakesSnapshots: what it lacks is no longer logged anywhere.
func TestAnEmptyNodeTakesSnapshots(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		written := c.fill(500, "v")
		c.quiet()
		c.start(id(3))
		c.start(id(4))
		c.settle()
		c.serves(written)
		c.quiet()
	})
}

// TestALongAbsentNodeLearnsOfRemovalsItCanFindInNoLog is about a node that was
// given up: nobody kept for it what it missed.
func TestALongAbsentNodeLearnsOfRemovalsItCanFindInNoLog(t *testing.T) {
	simulate(t, 4, lan, func(c *cluster) {
		ctx := context.Background()
		removed := c.fill(200, "old")
		c.quiet()
		c.crash(id(3))
		time.Sleep(2 * time.Second)
		if err := c.on(id(0)).Forget(id(3)); err != nil {
			t.Fatal(err)
		}
		for k := range removed {
			c.write(ctx, id(0), remove(k))
		}
		c.settle()
		c.quiet()
		c.start(id(3))
		c.settle()
		c.quiet()
		for _, n := range c.running() {
			for k := range removed {
				if got := c.value(ctx, n.id, k); got != "" {
					t.Errorf("%s brings back %v as %q", n.id, k, got)
				}
			}
			for _, p := range n.store.Status() {
				if p.Rows > 0 {
					t.Errorf("%s stores %d rows of partition %d", n.id, p.Rows, p.ID)
				}
			}
		}
	})
}

// TestWhatAForgottenNodeAloneHadIsTakenUpWhenItReturns keeps a write that was
// acknowledged with one copy, on a node that the others then gave up.
func TestWhatAForgottenNodeAloneHadIsTakenUpWhenItReturns(t *testing.T) {
	simulate(t, 4, lan, func(c *cluster) {
		ctx := context.Background()
		c.net.Partition([]p2p.NodeID{id(3)}, []p2p.NodeID{id(0), id(1), id(2)})
		time.Sleep(2 * time.Second)
		alone := map[store.Key]string{}
		for slot := 0; slot < 1<<16; slot += 1 << 13 {
			k := key(slot, "alone")
			c.write(ctx, id(3), put(k, "kept"))
			alone[k] = "kept"
		}
		if err := c.on(id(0)).Forget(id(3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		c.net.Heal()
		c.settle()
		c.serves(alone)
	})
}

func TestAnyNodeTakesAWriteWhoseOwnersAreAllAway(t *testing.T) {
	simulate(t, 5, lan, func(c *cluster) {
		ctx, request := session(store.Default, "")
		k, owners, others := c.away()
		c.net.Partition(others, owners)
		time.Sleep(2 * time.Second)
		receipt := c.write(ctx, id(0), put(k, "hint"))
		if receipt.Copies != 2 {
			t.Errorf("%d copies, want one with each of the nodes on this side", receipt.Copies)
		}
		if got := c.on(id(0)).Totals(); got.Hints != 1 || got.HintBytes == 0 {
			t.Errorf("the stand-in counts %+v", got)
		}
		if _, err := c.on(id(0)).Write(ctx, remove(key(int(k.Slot), "unseen"))); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("removing what nobody here can see: %v", err)
		}
		c.crash(id(0))
		c.start(id(0))
		time.Sleep(5 * time.Second)
		c.net.Heal()
		c.settle()
		c.quiet()
		for n := range 5 {
			ctx, _ := session(store.Default, request.Token())
			if got := c.value(ctx, id(n), k); got != "hint" {
				t.Errorf("node %d reads %q", n, got)
			}
		}
	})
}

// TestAStandInMakesUpForOwnersThatAreAway: two copies are two copies, though one
// owner alone is left.
func TestAStandInMakesUpForOwnersThatAreAway(t *testing.T) {
	simulate(t, 5, lan, func(c *cluster) {
		k, owners, _ := c.away()
		c.crash(owners[1])
		c.crash(owners[2])
		time.Sleep(2 * time.Second)
		ctx, _ := session(2, "")
		c.write(ctx, id(0), put(k, "v"))
		c.crash(owners[0]) // the only owner that has it loses its disk
		c.nodes[owners[0]].db = memdb.New()
		c.startAll()
		c.settle()
		c.serves(map[store.Key]string{k: "v"})
	})
}

func TestANodeLeavesWithoutLoss(t *testing.T) {
	simulate(t, 5, lan, func(c *cluster) {
		written := c.fill(300, "v")
		leaver := c.on(id(1))
		if err := leaver.Leave(); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			k := key(i*997%(1<<16), fmt.Sprint("meanwhile-", i))
			c.write(context.Background(), id(i%5), put(k, "v"))
			written[k] = "v"
			select {
			case <-leaver.Left():
			case <-time.After(10 * time.Millisecond):
				continue
			}
			break
		}
		c.crash(id(1))
		delete(c.nodes, id(1))
		c.settle()
		c.serves(written)
		for _, p := range c.on(id(0)).Status() {
			if len(p.Owners) != 3 {
				t.Errorf("partition %d has owners %v", p.ID, p.Owners)
			}
		}
		c.quiet()
	})
}

func TestTheOnlyMemberCannotLeave(t *testing.T) {
	simulate(t, 1, lan, func(c *cluster) {
		if err := c.on(id(0)).Leave(); !errors.Is(err, replica.ErrLastMember) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOnlyADeadMemberIsForgotten(t *testing.T) {
	simulate(t, 2, lan, func(c *cluster) {
		if err := c.on(id(0)).Forget(id(1)); !errors.Is(err, replica.ErrAlive) {
			t.Errorf("a living one: %v", err)
		}
		if err := c.on(id(0)).Forget("nobody"); !errors.Is(err, replica.ErrUnknownMember) {
			t.Errorf("an unknown one: %v", err)
		}
	})
}

// TestCopiesAreRestoredWhenAMemberIsForgotten: three copies again, by themselves.
func TestCopiesAreRestoredWhenAMemberIsForgotten(t *testing.T) {
	simulate(t, 4, lan, func(c *cluster) {
		written := c.fill(200, "v")
		c.crash(id(2))
		time.Sleep(2 * time.Second)
		if err := c.on(id(3)).Forget(id(2)); err != nil {
			t.Fatal(err)
		}
		delete(c.nodes, id(2))
		c.settle()
		c.serves(written)
		for _, n := range c.running() {
			for _, p := range n.store.Status() {
				if len(p.Owners) != 3 || slices.Contains(p.Owners, n.id) && !p.CaughtUp {
					t.Errorf("%s: partition %d: %+v", n.id, p.ID, p)
				}
			}
		}
	})
}

// TestARestoredDiskUsesNoDotTwice puts an older state of its disk under a node. It
// must write as another incarnation, whether or not others can tell it at once.
func TestARestoredDiskUsesNoDotTwice(t *testing.T) {
	for _, cut := range []bool{false, true} {
		t.Run(fmt.Sprint("cut off ", cut), func(t *testing.T) {
			simulate(t, 3, lan, func(c *cluster) {
				ctx := context.Background()
				old := c.nodes[id(0)].db.Clone()
				written := map[store.Key]string{}
				for i := range 30 {
					k := key(i*2000, fmt.Sprint("before-", i))
					c.write(ctx, id(0), put(k, "v"))
					written[k] = "v"
				}
				before := c.on(id(0)).Replica()
				c.crash(id(0))
				c.nodes[id(0)].db = old
				if cut {
					c.net.Partition([]p2p.NodeID{id(0)}, []p2p.NodeID{id(1), id(2)})
				}
				c.start(id(0))
				c.eventually("it serves", func() error {
					if !c.on(id(0)).Active() {
						return errors.New("it is not active")
					}
					return nil
				})
				for i := range 30 {
					k := key(i*2000, fmt.Sprint("after-", i))
					c.write(ctx, id(0), put(k, "w"))
					written[k] = "w"
				}
				if c.on(id(0)).Replica() == before {
					t.Error("it goes on as the incarnation whose writes it has lost")
				}
				c.net.Heal()
				c.settle()
				c.serves(written)
			})
		})
	}
}

func TestARestartAmongReachablePeersKeepsTheIncarnation(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		c.fill(30, "v")
		before := c.on(id(0)).Replica()
		c.crash(id(0))
		c.start(id(0))
		c.settle()
		c.fill(30, "w")
		if c.on(id(0)).Replica() != before {
			t.Error("the incarnation changed")
		}
	})
}

// TestAnEmptyDiskDoesNotAnswerForAFullOne: alone, it must not say that nothing is
// there.
func TestAnEmptyDiskDoesNotAnswerForAFullOne(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		written := c.fill(50, "v")
		c.crash(id(0))
		c.nodes[id(0)].db = memdb.New()
		c.start(id(0))
		c.eventually("it has learnt the ring", func() error {
			if c.on(id(0)).View() == nil {
				return errors.New("not yet")
			}
			return nil
		})
		c.net.Partition([]p2p.NodeID{id(0)}, []p2p.NodeID{id(1), id(2)})
		time.Sleep(10 * time.Second)
		for k := range written {
			rows, err := c.on(id(0)).GetMany(context.Background(), []store.Key{k})
			if err == nil && !rows[0].Exists() {
				t.Fatalf("%v is said not to exist", k)
			}
		}
		c.net.Heal()
		c.settle()
		c.serves(written)
	})
}

func TestAPeerThatSendsGarbageGoesUnread(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		for range 100 {
			for _, protocol := range []string{"push", "hold", "ack", "ring", "seen", "sync", "vecs", "fetch", "snapshot", "read", "write"} {
				c.net.Inject(id(2), id(0), "replica/"+protocol, []byte("garbage"))
			}
		}
		time.Sleep(time.Second)
		written := c.fill(20, "v")
		time.Sleep(time.Minute) // the penalty ends
		c.settle()
		c.serves(written)
	})
}

// TestASessionSeesItsEarlierWritesToo: after a cut an owner gets the newest batch
// at once, and what it missed with anti-entropy only.
func TestASessionSeesItsEarlierWritesToo(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx, request := session(store.Default, "")
		c.net.Partition([]p2p.NodeID{id(2)}, []p2p.NodeID{id(0), id(1)})
		time.Sleep(2 * time.Second)
		c.write(ctx, id(0), put(key(1, "first"), "v"))
		time.Sleep(15 * time.Second) // beyond what is pushed
		c.net.Heal()
		ctx, request = session(1, request.Token())
		c.write(ctx, id(0), put(key(1, "second"), "v"))
		time.Sleep(5 * time.Millisecond)
		ctx, _ = session(store.Default, request.Token())
		if got := c.value(ctx, id(2), key(1, "first")); got != "v" {
			t.Errorf("read as %q", got)
		}
	})
}

func TestRowsAreCountedWhereTheyLie(t *testing.T) {
	simulate(t, 5, lan, func(c *cluster) {
		for i := range 30 {
			c.write(context.Background(), id(i%5), put(key(4711, fmt.Sprintf("of-%02d", i)), "v"))
		}
		c.write(context.Background(), id(1), remove(key(4711, "of-07")))
		c.settle()
		for n := range 5 {
			for limit, want := range map[int]int{1000: 29, 10: 10} {
				got, err := c.on(id(n)).Count(context.Background(), store.Range{Slot: 4711, Family: indexed, Prefix: "of-", Limit: limit})
				if err != nil || got != want {
					t.Errorf("node %d counts %d of at most %d, %v", n, got, limit, err)
				}
			}
		}
	})
}

// TestAStandInDoesNotRemoveForASessionWhatItSeesAnOldStateOf: the session's own
// newer write would stay.
func TestAStandInDoesNotRemoveForASessionWhatItSeesAnOldStateOf(t *testing.T) {
	simulate(t, 5, lan, func(c *cluster) {
		k, owners, others := c.away()
		c.net.Partition(others, owners)
		time.Sleep(2 * time.Second)
		c.write(context.Background(), id(0), put(k, "old"))
		c.crash(owners[2]) // so that the hint is kept
		c.net.Heal()
		time.Sleep(10 * time.Second)
		ctx, request := session(store.Default, "")
		c.write(ctx, id(0), put(k, "new"))
		c.net.Partition(others, owners)
		time.Sleep(2 * time.Second)
		ctx, _ = session(store.Default, request.Token())
		if _, err := c.on(id(0)).Write(ctx, remove(k)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the removal of what it cannot see: %v", err)
		}
		c.write(ctx, id(0), put(key(int(k.Slot), "other"), "taken"))
		c.net.Heal()
		c.startAll()
		c.settle()
		c.serves(map[store.Key]string{k: "new", key(int(k.Slot), "other"): "taken"})
	})
}

// TestASessionSeesItsEarlierWritesOfAnIncarnationThatIsNewsToTheReader: the
// coordinator became another while the reader was cut off.
func TestASessionSeesItsEarlierWritesOfAnIncarnationThatIsNewsToTheReader(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		c.fill(8, "v")
		c.net.Partition([]p2p.NodeID{id(2)}, []p2p.NodeID{id(0), id(1)})
		time.Sleep(2 * time.Second)
		c.crash(id(0))
		c.start(id(0))
		time.Sleep(5 * time.Second)
		ctx, request := session(store.Default, "")
		c.write(ctx, id(0), put(key(1, "first"), "v"))
		time.Sleep(15 * time.Second) // beyond what is pushed
		c.net.Heal()
		ctx, request = session(1, request.Token())
		c.write(ctx, id(0), put(key(1, "second"), "v"))
		for range 40 {
			time.Sleep(250 * time.Microsecond)
			ctx, _ = session(store.Default, request.Token())
			rows, err := c.on(id(2)).GetMany(ctx, []store.Key{key(1, "second"), key(1, "first")})
			if err != nil || !rows[0].Exists() || !rows[1].Exists() {
				t.Fatalf("read as %v, %v", rows, err)
			}
		}
	})
}

// TestAFullDiskDoesNotAnswerWithWhatItHasMissed: others do, until it has space
// again and has caught up.
func TestAFullDiskDoesNotAnswerWithWhatItHasMissed(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx := context.Background()
		full := c.nodes[id(2)].db
		full.Fill(true)
		written := map[store.Key]string{}
		for i := range 40 {
			k := key(i*1600, "missed")
			c.write(ctx, id(0), put(k, "v"))
			written[k] = "v"
			time.Sleep(10 * time.Millisecond)
			if got := c.value(ctx, id(2), k); got != "v" {
				t.Errorf("the full node reads write %d as %q", i, got)
			}
		}
		time.Sleep(time.Minute)
		c.serves(written)
		full.Fill(false)
		c.settle()
		c.serves(written)
	})
}

// TestWhoHasLeftIsKnownToHave though no gossip told of it and it has ended.
func TestWhoHasLeftIsKnownToHave(t *testing.T) {
	deaf := lan
	deaf.Loss = 1
	simulate(t, 4, deaf, func(c *cluster) {
		leaver := c.on(id(1))
		if err := leaver.Leave(); err != nil {
			t.Fatal(err)
		}
		<-leaver.Left()
		c.crash(id(1))
		delete(c.nodes, id(1))
		c.settle()
		if m, _ := c.on(id(0)).View().Member(id(1)); m.State != ring.Gone {
			t.Errorf("it is %v", m.State)
		}
	})
}
