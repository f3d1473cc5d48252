package ring_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

func node(i int) p2p.NodeID { return p2p.NodeID(fmt.Sprintf("12D3KooWnode%04d", i)) }

// cluster gives a view of n active members of ordinary weight, changed by edit.
func cluster(n int, edit func(*ring.Member)) *ring.View {
	v := ring.NewView(ring.Cluster{ID: "test"})
	for i := range n {
		m := ring.Member{Node: node(i), State: ring.Active, Weight: 100, Epoch: 1}
		if edit != nil {
			edit(&m)
		}
		v.Set(m)
	}
	return v
}

// with gives a copy of v in which a member is in a state.
func with(v *ring.View, id p2p.NodeID, s ring.State) *ring.View {
	v = v.Clone()
	m, ok := v.Member(id)
	if !ok {
		m = ring.Member{Node: id, Weight: 100}
	}
	m.State = s
	m.Epoch++
	v.Set(m)
	return v
}

func partitions(r *ring.Ring) []store.Partition {
	ps := make([]store.Partition, r.Partitions())
	for i := range ps {
		ps[i] = store.Partition(i)
	}
	return ps
}

func TestEveryPartitionHasDistinctOwners(t *testing.T) {
	t.Parallel()
	for n := range 6 {
		r := ring.New(cluster(n, nil))
		for _, p := range partitions(r) {
			owners := slices.Sorted(slices.Values(r.Owners(p)))
			if want := min(n, r.Copies()); len(slices.Compact(owners)) != want {
				t.Fatalf("%d members: partition %d has owners %v, want %d", n, p, r.Owners(p), want)
			}
		}
	}
}

func TestSlotsLieInTheirPartition(t *testing.T) {
	t.Parallel()
	for bits := uint8(1); bits <= 16; bits++ {
		r := ring.New(ring.NewView(ring.Cluster{PartitionBits: bits}))
		next := 0
		for _, p := range partitions(r) {
			first, last := r.Slots(p)
			if int(first) != next || r.PartitionOf(first) != p || r.PartitionOf(last) != p {
				t.Fatalf("%d bits: partition %d has slots %d to %d", bits, p, first, last)
			}
			next = int(last) + 1
		}
		if next != store.Slots {
			t.Fatalf("%d bits: the partitions end at slot %d", bits, next)
		}
	}
}

// drawView draws a cluster of members in any state, weight and zone.
func drawView(t *rapid.T) *ring.View {
	v := ring.NewView(ring.Cluster{ID: "test", PartitionBits: 5, Copies: rapid.IntRange(1, 4).Draw(t, "copies")})
	for i := range rapid.IntRange(1, 10).Draw(t, "members") {
		v.Set(ring.Member{
			Node:   node(i),
			State:  rapid.SampledFrom([]ring.State{ring.Active, ring.Active, ring.Joining, ring.Leaving, ring.Gone}).Draw(t, "state"),
			Weight: rapid.SampledFrom([]uint32{100, 100, 50, 400, 0}).Draw(t, "weight"),
			Zone:   rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "zone"),
			Epoch:  1,
		})
	}
	return v
}

func TestANewMemberTakesFromOthersAndMovesNothingBetweenThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		bigger := v.Clone()
		zone := rapid.SampledFrom([]string{"", "a", "b", "c", "new"}).Draw(t, "zone")
		newcomer := node(99)
		bigger.Set(ring.Member{Node: newcomer, State: ring.Active, Weight: 100, Zone: zone, Epoch: 1})
		before, after := ring.New(v), ring.New(bigger)
		for _, p := range partitions(before) {
			for _, id := range after.Owners(p) {
				if id != newcomer && !before.Owns(id, p) {
					t.Fatalf("partition %d moved to %s: %v, then %v", p, id, before.Owners(p), after.Owners(p))
				}
			}
		}
	})
}

func TestOnlyActiveAndLeavingMembersOfSomeWeightOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		r := ring.New(v)
		for _, p := range partitions(r) {
			for _, id := range r.Owners(p) {
				m, _ := v.Member(id)
				if m.Weight == 0 || (m.State != ring.Active && m.State != ring.Leaving) {
					t.Fatalf("partition %d is owned by %+v", p, m)
				}
			}
		}
	})
}

// Whatever order the joins and leaves under way end in, nobody becomes an owner
// who was neither owner nor coming when they began.
func TestEveryOwnerToBeIsComing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		before := ring.New(v)
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			m := rapid.SampledFrom(v.Members()).Draw(t, "member")
			switch m.State {
			case ring.Joining:
				m.State = ring.Active
			case ring.Leaving:
				m.State = ring.Gone
			}
			v.Set(m)
		}
		after := ring.New(v)
		for _, p := range partitions(after) {
			for _, id := range after.Owners(p) {
				if !before.Owns(id, p) && !slices.Contains(before.Coming(p), id) {
					t.Fatalf("partition %d: %s owns it unprepared", p, id)
				}
			}
		}
	})
}

func TestComingMembersAreTheOnesThatWillOwn(t *testing.T) {
	t.Parallel()
	v := cluster(4, nil)
	v = with(v, node(9), ring.Joining)
	v = with(v, node(0), ring.Leaving)
	now, joined := ring.New(v), ring.New(with(v, node(9), ring.Active))
	for _, p := range partitions(now) {
		if slices.Contains(now.Coming(p), node(0)) || slices.ContainsFunc(now.Coming(p), func(id p2p.NodeID) bool { return now.Owns(id, p) }) {
			t.Fatalf("partition %d: owners %v, coming %v", p, now.Owners(p), now.Coming(p))
		}
		if joined.Owns(node(9), p) && !slices.Contains(now.Coming(p), node(9)) {
			t.Fatalf("partition %d: the joiner will own it and is not coming", p)
		}
	}
	settled := ring.New(cluster(4, nil))
	for _, p := range partitions(settled) {
		if len(settled.Coming(p)) > 0 {
			t.Fatalf("partition %d: %v are coming though nothing is under way", p, settled.Coming(p))
		}
	}
}

func TestOwnersSpreadOverZones(t *testing.T) {
	t.Parallel()
	for _, zones := range []int{2, 3, 4} {
		v := cluster(12, func(m *ring.Member) {
			m.Zone = fmt.Sprint("zone-", int(m.Node[len(m.Node)-1])%zones)
		})
		r := ring.New(v)
		for _, p := range partitions(r) {
			used := map[string]bool{}
			for _, id := range r.Owners(p) {
				m, _ := v.Member(id)
				used[m.Zone] = true
			}
			if want := min(zones, r.Copies()); len(used) != want {
				t.Fatalf("%d zones: the owners of partition %d lie in %d", zones, p, len(used))
			}
		}
	}
}

// fine gives a view with so many partitions that shares are near their
// expectation.
func fine(v *ring.View, copies int) *ring.Ring {
	f := ring.NewView(ring.Cluster{PartitionBits: 13, Copies: copies})
	for _, m := range v.Members() {
		f.Set(m)
	}
	return ring.New(f)
}

func TestANewMemberTakesItsShare(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 5, 10} {
		before, after := fine(cluster(n, nil), 3), fine(cluster(n+1, nil), 3)
		moved := 0
		for _, p := range partitions(after) {
			for _, id := range after.Owners(p) {
				if !before.Owns(id, p) {
					moved++
				}
			}
		}
		got, want := float64(moved)/float64(3*after.Partitions()), 1/float64(n+1)
		if math.Abs(got-want) > 0.1*want {
			t.Errorf("from %d members to %d: %.3f of the data moves, want %.3f", n, n+1, got, want)
		}
	}
}

func TestSharesAreProportionalToWeights(t *testing.T) {
	t.Parallel()
	weights := []uint32{50, 100, 100, 200, 400}
	v := cluster(len(weights), nil)
	var total float64
	for i, w := range weights {
		v.Set(ring.Member{Node: node(i), State: ring.Active, Weight: w, Epoch: 2})
		total += float64(w)
	}
	r := fine(v, 1)
	owned := map[p2p.NodeID]int{}
	for _, p := range partitions(r) {
		owned[r.Owners(p)[0]]++
	}
	for i, w := range weights {
		got, want := float64(owned[node(i)])/float64(r.Partitions()), float64(w)/total
		if math.Abs(got-want) > 0.1*want {
			t.Errorf("weight %d: owns %.3f, want %.3f", w, got, want)
		}
	}
}

// A golden placement: nodes of different builds and machines must agree on it.
func TestPlacementIsTheSameOnEveryMachine(t *testing.T) {
	t.Parallel()
	r := ring.New(cluster(5, func(m *ring.Member) { m.Weight += uint32(m.Node[len(m.Node)-1]) }))
	got := ""
	for _, p := range []store.Partition{0, 1, 127, 255} {
		for _, id := range r.Owners(p) {
			got += string(id[len(id)-1:])
		}
		got += " "
	}
	if want := "024 013 123 210 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func BenchmarkNew(b *testing.B) {
	for _, n := range []int{3, 20, 100} {
		b.Run(fmt.Sprintf("256 partitions, %d members", n), func(b *testing.B) {
			v := cluster(n, nil)
			b.ReportAllocs()
			for b.Loop() {
				ring.New(v)
			}
		})
	}
}
