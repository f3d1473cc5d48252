package ring_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

func one(store.Partition) int64 { return 1 }

// change gives a copy of v with an entry for id, newer than any before it.
func change(v *ring.View, id p2p.NodeID, edit func(*ring.Member)) *ring.View {
	v = v.Clone()
	m, ok := v.Member(id)
	if !ok {
		m = ring.Member{Node: id, State: ring.Active, Weight: 100}
	}
	m.Epoch++
	edit(&m)
	v.Set(m)
	return v
}

func TestNothingMovesBetweenEqualViews(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		if moves := ring.Plan(v, v.Clone()); len(moves) > 0 {
			t.Fatalf("%v", moves)
		}
	})
}

// Applying a plan to the owners before gives the owners after, whatever changes.
func TestAPlanLeadsFromTheOwnersBeforeToTheOwnersAfter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := drawView(t)
		to := from.Clone()
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			to = change(to, node(rapid.IntRange(0, 12).Draw(t, "node")), func(m *ring.Member) {
				m.State = ring.State(rapid.IntRange(0, 3).Draw(t, "state"))
				m.Weight = rapid.SampledFrom([]uint32{0, 50, 100, 300}).Draw(t, "weight")
				m.Zone = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "zone")
			})
		}
		before, after := ring.New(from), ring.New(to)
		owners := map[store.Partition][]p2p.NodeID{}
		for _, p := range partitions(before) {
			owners[p] = slices.Clone(before.Owners(p))
		}
		for _, m := range ring.Plan(from, to) {
			if m.From != "" {
				i := slices.Index(owners[m.Partition], m.From)
				if i < 0 {
					t.Fatalf("%+v is given up by no owner", m)
				}
				owners[m.Partition] = slices.Delete(owners[m.Partition], i, i+1)
			}
			if m.To != "" {
				owners[m.Partition] = append(owners[m.Partition], m.To)
			}
		}
		for _, p := range partitions(after) {
			if got, want := sorted(owners[p]), sorted(after.Owners(p)); !slices.Equal(got, want) {
				t.Fatalf("partition %d: the plan leads to %v, the view to %v", p, got, want)
			}
		}
	})
}

func sorted(ids []p2p.NodeID) []p2p.NodeID {
	return slices.Sorted(slices.Values(ids))
}

func TestOnlyANodeThatIsAddedTakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		added := change(v, node(99), func(m *ring.Member) {
			m.Weight = rapid.SampledFrom([]uint32{50, 100, 300}).Draw(t, "weight")
			m.Zone = rapid.SampledFrom([]string{"", "a", "b", "new"}).Draw(t, "zone")
		})
		for _, m := range ring.Plan(v, added) {
			if m.To != node(99) {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func TestOnlyANodeThatIsRemovedGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		gone := rapid.SampledFrom(v.Members()).Draw(t, "member").Node
		removed := change(v, gone, func(m *ring.Member) { m.State = ring.Gone })
		for _, m := range ring.Plan(v, removed) {
			if m.From != gone {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func TestANodeOfMoreWeightTakesAndOneOfLessGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := cluster(rapid.IntRange(4, 8).Draw(t, "members"), nil)
		more := change(v, node(0), func(m *ring.Member) { m.Weight = 300 })
		for _, m := range ring.Plan(v, more) {
			if m.To != node(0) {
				t.Fatalf("weight raised: %+v", m)
			}
		}
		for _, m := range ring.Plan(more, v) {
			if m.From != node(0) {
				t.Fatalf("weight lowered: %+v", m)
			}
		}
	})
}

func TestAPlanMovesTheShareOfTheNodeThatIsAdded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 5, 10} {
		v := ring.NewView(ring.Cluster{PartitionBits: 13, Copies: 3})
		for i := range n {
			v.Set(ring.Member{Node: node(i), State: ring.Active, Weight: 100, Epoch: 1})
		}
		moves := ring.Plan(v, change(v, node(n), func(*ring.Member) {}))
		got, want := float64(len(moves))/float64(3<<13), 1/float64(n+1)
		if math.Abs(got-want) > 0.1*want {
			t.Errorf("from %d members to %d: %.3f of the data moves, want %.3f", n, n+1, got, want)
		}
	}
}

func TestTheFirstCopiesComeFromNobodyAndTheLastGoToNobody(t *testing.T) {
	t.Parallel()
	two, three := cluster(2, nil), cluster(3, nil)
	grow, shrink := ring.Plan(two, three), ring.Plan(three, two)
	if len(grow) != 256 || len(shrink) != 256 {
		t.Fatalf("%d moves to grow, %d to shrink", len(grow), len(shrink))
	}
	for i := range grow {
		if grow[i] != (ring.Move{Partition: store.Partition(i), To: node(2)}) {
			t.Fatalf("growing: %+v", grow[i])
		}
		if shrink[i] != (ring.Move{Partition: store.Partition(i), From: node(2)}) {
			t.Fatalf("shrinking: %+v", shrink[i])
		}
	}
}

func TestLoadsSumUpWhatEachNodeTakesAndGives(t *testing.T) {
	t.Parallel()
	moves := []ring.Move{
		{Partition: 1, From: "a", To: "b"},
		{Partition: 2, From: "a", To: "b"},
		{Partition: 3, To: "c"},
		{Partition: 4, From: "b"},
	}
	got := ring.Loads(moves, func(p store.Partition) int64 { return int64(p) * 10 })
	want := []ring.Load{
		{Node: "a", Gives: 2, GivesBytes: 30},
		{Node: "b", Takes: 2, TakesBytes: 30, Gives: 1, GivesBytes: 40},
		{Node: "c", Takes: 1, TakesBytes: 30},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if len(ring.Loads(nil, one)) > 0 {
		t.Error("no moves, yet loads")
	}
}

func TestASettledViewHasNobodyUnderWay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		settled := v.Settled()
		if !equal(settled, settled.Settled()) {
			t.Fatal("settling twice is not settling once")
		}
		for _, m := range settled.Members() {
			if m.State != ring.Active && m.State != ring.Gone {
				t.Fatalf("%+v", m)
			}
		}
		r := ring.New(settled)
		for _, p := range partitions(r) {
			if len(r.Coming(p)) > 0 {
				t.Fatalf("%v are coming to partition %d", r.Coming(p), p)
			}
		}
	})
}
