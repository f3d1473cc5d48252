package replica_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
	"grapevine/store/memdb"
)

// storm is a random schedule of everything that can happen to a cluster, with an
// account of what must be left of what was acknowledged.
type storm struct {
	*cluster
	rng     *rand.Rand
	next    int // nodes that there were
	facts   []*fact
	counted []*counted
}

// fact is an acknowledged write of a row that nobody else writes.
type fact struct {
	key     store.Key
	token   string // of the session that wrote it
	copies  int    // that no disk has been lost with since
	removed bool
	unsure  bool // it may have been removed
}

// counted is a counter, and the increments made to it.
type counted struct {
	key    store.Key
	copies []int // of each acknowledged increment
	by     []int64
	most   int64
}

// TestAStormLosesNothing: of what was acknowledged on k copies nothing is lost with
// k-1 disks, nothing removed returns, and counters count each increment once.
func TestAStormLosesNothing(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			runStorm(t, uint64(seed))
		})
	}
}

func runStorm(t *testing.T, seed uint64) {
	faulty := simnet.Options{
		Seed: seed, MinDelay: 100 * time.Microsecond, MaxDelay: 30 * time.Millisecond, Loss: 0.2, Duplicate: 0.2,
	}
	simulate(t, 3+int(seed%3), faulty, func(c *cluster) {
		s := &storm{cluster: c, rng: rand.New(rand.NewPCG(seed, 3)), next: len(c.nodes)}
		for i := range 3 {
			k := key(s.rng.IntN(1<<16), fmt.Sprint("counted-", i))
			c.write(context.Background(), id(0), put(k, ""))
			s.counted = append(s.counted, &counted{key: k})
		}
		c.settle()
		for step := range 200 {
			s.act(step)
		}
		s.calm()
		s.verify()
	})
}

// startDown starts all nodes that are down.
func (s *storm) startDown() {
	for _, n := range slices.Sorted(maps.Keys(s.nodes)) {
		if !s.nodes[n].up {
			s.start(n)
		}
	}
}

// safe are copies enough for whatever may come.
const safe = 1 << 20

// calm ends all faults, and waits until the cluster is as it should be.
func (s *storm) calm() {
	s.t.Helper()
	s.net.Heal()
	s.startDown()
	s.eventually("whoever leaves has left", func() error {
		for _, n := range s.running() {
			select {
			case <-n.store.Left():
				s.lost() // the owners that could be reached when it left may be few
				s.crash(n.id)
				delete(s.nodes, n.id)
			default:
				if !n.store.Active() {
					return fmt.Errorf("%s is in a ring of %v", n.id, n.store.View())
				}
			}
		}
		return nil
	})
	s.settle()
	for _, f := range s.facts {
		if f.copies > 0 {
			f.copies = safe
		}
	}
	for _, c := range s.counted {
		for i := range c.copies {
			if c.copies[i] > 0 {
				c.copies[i] = safe
			}
		}
	}
}

func (s *storm) act(step int) {
	up := s.running()
	n := up[s.rng.IntN(len(up))]
	switch roll := s.rng.IntN(200); {
	case roll < 6 && len(up) > 1:
		s.crash(n.id)
	case roll < 14:
		s.startDown()
	case roll < 26:
		s.cutSome(up)
	case roll < 36:
		s.net.Heal()
	case roll < 50:
		time.Sleep(time.Duration(s.rng.IntN(6000)) * time.Millisecond)
	case roll < 53 && len(up) > 2:
		s.loseDisk(n)
	case roll < 56 && s.next < 8:
		s.start(id(s.next))
		s.next++
	case roll < 58 && s.active() > 3:
		s.leave(n)
	case roll < 61:
		s.forgetSome(n)
	case roll < 63:
		s.calm()
	case roll < 100:
		s.increment(n)
	case roll < 130 && len(s.facts) > 0:
		s.remove(n)
	default:
		s.put(n, step)
	}
}

func (s *storm) cutSome(up []*node) {
	other := up[s.rng.IntN(len(up))]
	switch n := up[s.rng.IntN(len(up))]; s.rng.IntN(4) {
	case 0:
		s.net.Cut(n.id, other.id)
	case 1:
		s.net.CutOneWay(n.id, other.id)
	default:
		var sides [2][]p2p.NodeID
		for _, n := range slices.Sorted(maps.Keys(s.nodes)) {
			side := s.rng.IntN(2)
			sides[side] = append(sides[side], n)
		}
		s.net.Partition(sides[0], sides[1])
	}
}

// lost counts a disk as lost with whatever was on it.
func (s *storm) lost() {
	for _, f := range s.facts {
		f.copies--
	}
	for _, c := range s.counted {
		for i := range c.copies {
			c.copies[i]--
		}
	}
}

// loseDisk has a node come back with nothing, or with an older state of its disk.
func (s *storm) loseDisk(n *node) {
	s.lost()
	s.crash(n.id)
	if s.rng.IntN(2) == 0 {
		n.db = memdb.New()
	} else {
		n.db = n.db.Rollback(s.rng.Uint64N(40))
	}
	time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
	s.start(n.id)
}

// active counts the members that stay.
func (s *storm) active() (active int) {
	for _, n := range s.running() {
		if n.store.Active() {
			active++
		}
	}
	return active
}

// leave has a node leave if it can within some time.
func (s *storm) leave(n *node) {
	if n.store.Leave() != nil {
		return
	}
	select {
	case <-n.store.Left():
		s.lost() // the owners that could be reached may be few
		s.crash(n.id)
		delete(s.nodes, n.id)
	case <-time.After(time.Duration(s.rng.IntN(20000)) * time.Millisecond):
	}
}

func (s *storm) forgetSome(by *node) {
	for _, other := range slices.Sorted(maps.Keys(s.nodes)) {
		if by.store.Forget(other) == nil {
			return
		}
	}
}

func (s *storm) put(n *node, step int) {
	f := &fact{key: key(s.rng.IntN(1<<16), fmt.Sprint("fact-", step))}
	ctx, request := session(store.Default, "")
	receipt, err := n.store.Write(ctx, put(f.key, "v"))
	if err == nil {
		f.copies, f.token = receipt.Copies, request.Token()
		s.facts = append(s.facts, f)
	}
}

func (s *storm) remove(n *node) {
	f := s.facts[s.rng.IntN(len(s.facts))]
	if f.removed || f.unsure || f.copies < 1 {
		return
	}
	ctx, _ := session(store.Default, f.token)
	w := remove(f.key)
	w.Mutations[0].If = store.IfExists
	receipt, err := n.store.Write(ctx, w)
	if err != nil {
		f.unsure = true
		return
	}
	f.removed, f.copies = true, min(f.copies, receipt.Copies)
}

func (s *storm) increment(n *node) {
	c := s.counted[s.rng.IntN(len(s.counted))]
	by := s.rng.Int64N(5) + 1
	receipt, err := n.store.Write(context.Background(), add(c.key, store.CountDelta{ID: 1, N: by}))
	c.most += by
	if err == nil {
		c.copies, c.by = append(c.copies, receipt.Copies), append(c.by, by)
	}
}

func (s *storm) verify() {
	s.t.Helper()
	ctx := context.Background()
	for _, n := range s.running() {
		for _, f := range s.facts {
			got := s.value(ctx, n.id, f.key)
			if f.copies > 0 && !f.unsure && (got == "") != f.removed {
				s.t.Errorf("%s reads %v as %q; removed %v, on %d copies", n.id, f.key, got, f.removed, f.copies)
			}
		}
		for _, c := range s.counted {
			var least int64
			for i, by := range c.by {
				if c.copies[i] > 0 {
					least += by
				}
			}
			row, err := n.store.Get(ctx, c.key)
			if got := row.Counter(1); err != nil || got < least || got > c.most {
				s.t.Errorf("%s counts %d in %v, want %d to %d, %v", n.id, got, c.key, least, c.most, err)
			}
		}
	}
}
