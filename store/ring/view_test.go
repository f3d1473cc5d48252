package ring_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store/ring"
)

// drawMembers draws entries that collide in node, epoch and state.
func drawMembers(t *rapid.T) []ring.Member {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ring.Member {
		return ring.Member{
			Node:    node(rapid.IntRange(0, 2).Draw(t, "node")),
			Replica: causal.Replica(rapid.Uint64Range(1, 2).Draw(t, "replica")),
			State:   ring.State(rapid.IntRange(0, 3).Draw(t, "state")),
			Weight:  rapid.Uint32Range(0, 2).Draw(t, "weight"),
			Zone:    rapid.SampledFrom([]string{"", "a"}).Draw(t, "zone"),
			Epoch:   rapid.Uint64Range(0, 2).Draw(t, "epoch"),
		}
	}), 0, 6).Draw(t, "entries")
}

func viewOf(ms []ring.Member) *ring.View {
	v := ring.NewView(ring.Cluster{ID: "test"})
	for _, m := range ms {
		v.Set(m)
	}
	return v
}

func merged(t *rapid.T, a, b *ring.View) *ring.View {
	out := a.Clone()
	changed, err := out.Merge(b)
	if err != nil || changed == equal(a, out) {
		t.Fatalf("changed %v, error %v", changed, err)
	}
	return out
}

func equal(a, b *ring.View) bool {
	return bytes.Equal(a.Append(nil), b.Append(nil)) && a.Digest() == b.Digest()
}

func TestMergingViewsIsCommutativeAssociativeAndIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := viewOf(drawMembers(t)), viewOf(drawMembers(t)), viewOf(drawMembers(t))
		if !equal(merged(t, a, b), merged(t, b, a)) {
			t.Fatal("not commutative")
		}
		if !equal(merged(t, merged(t, a, b), c), merged(t, a, merged(t, b, c))) {
			t.Fatal("not associative")
		}
		if !equal(merged(t, a, a), a) {
			t.Fatal("not idempotent")
		}
	})
}

func TestAMemberMovesForwardOnly(t *testing.T) {
	t.Parallel()
	v := ring.NewView(ring.Cluster{})
	active := ring.Member{Node: "n", State: ring.Active, Weight: 100, Epoch: 1}
	steps := []struct {
		why     string
		epoch   uint64
		state   ring.State
		changes bool
	}{
		{"the first entry", 1, ring.Active, true},
		{"the same again", 1, ring.Active, false},
		{"back to joining", 1, ring.Joining, false},
		{"on to gone", 1, ring.Gone, true},
		{"back from gone", 1, ring.Active, false},
		{"anew in a later epoch", 2, ring.Joining, true},
		{"gone in an earlier epoch", 1, ring.Gone, false},
	}
	for _, s := range steps {
		m := active
		m.Epoch, m.State = s.epoch, s.state
		if v.Set(m) != s.changes {
			t.Errorf("%s: changed is %v", s.why, !s.changes)
		}
	}
	if m, ok := v.Member("n"); !ok || m.State != ring.Joining || m.Epoch != 2 {
		t.Errorf("got %+v", m)
	}
}

func TestViewsOfDifferentClustersDoNotMerge(t *testing.T) {
	t.Parallel()
	v := ring.NewView(ring.Cluster{ID: "a"})
	for _, c := range []ring.Cluster{{ID: "b"}, {ID: "a", PartitionBits: 4}, {ID: "a", Copies: 5}} {
		other := ring.NewView(c)
		other.Set(ring.Member{Node: "n"})
		if changed, err := v.Merge(other); changed || !errors.Is(err, ring.ErrOtherCluster) {
			t.Errorf("%+v: changed %v, error %v", c, changed, err)
		}
	}
	if len(v.Members()) > 0 {
		t.Error("a refused merge left members")
	}
}

func TestAClusterTakesDefaultsAndBounds(t *testing.T) {
	t.Parallel()
	if c := ring.NewView(ring.Cluster{ID: "x"}).Cluster(); c != (ring.Cluster{ID: "x", PartitionBits: 8, Copies: 3}) {
		t.Errorf("got %+v", c)
	}
	if c := ring.NewView(ring.Cluster{PartitionBits: 99, Copies: 99}).Cluster(); c.PartitionBits != 16 || c.Copies != ring.MaxCopies {
		t.Errorf("got %+v", c)
	}
}

func TestEntriesOutOfBoundsAreRefused(t *testing.T) {
	t.Parallel()
	v := ring.NewView(ring.Cluster{})
	for _, m := range []ring.Member{
		{},
		{Node: p2p.NodeID(strings.Repeat("n", ring.MaxNode+1))},
		{Node: "n", Zone: strings.Repeat("z", ring.MaxZone+1)},
		{Node: "n", State: ring.Gone + 1},
	} {
		if v.Set(m) {
			t.Errorf("took %+v", m)
		}
	}
	for i := range ring.MaxMembers {
		v.Set(ring.Member{Node: node(i), Epoch: 1})
	}
	if v.Set(ring.Member{Node: "one more"}) {
		t.Error("took one member too many")
	}
	if !v.Set(ring.Member{Node: node(0), Epoch: 2}) {
		t.Error("a full view took no news of a member it has")
	}
}

func TestTheLargestViewFitsAMessage(t *testing.T) {
	t.Parallel()
	v := ring.NewView(ring.Cluster{ID: strings.Repeat("c", ring.MaxClusterID)})
	for i := range ring.MaxMembers {
		id := string(node(i))
		v.Set(ring.Member{
			Node: p2p.NodeID(id + strings.Repeat("n", ring.MaxNode-len(id))), Replica: 1<<64 - 1,
			State: ring.Gone, Weight: 1<<32 - 1, Zone: strings.Repeat("z", ring.MaxZone), Epoch: 1<<64 - 1,
		})
	}
	if size := len(v.Append(nil)); size > p2p.MaxMessage {
		t.Errorf("%d bytes", size)
	}
}

func TestViewSurvivesItsEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := viewOf(drawMembers(t))
		encoded := v.Append(nil)
		got, rest, err := ring.ConsumeView(append(encoded, "rest"...))
		if err != nil || string(rest) != "rest" || !equal(got, v) {
			t.Fatalf("rest %q, error %v", rest, err)
		}
		for n := range encoded {
			if _, _, err := ring.ConsumeView(encoded[:n]); !errors.Is(err, ring.ErrMalformed) {
				t.Fatalf("%d of %d bytes: got %v, want ErrMalformed", n, len(encoded), err)
			}
		}
	})
}

func TestStatesHaveNames(t *testing.T) {
	t.Parallel()
	for s, want := range map[ring.State]string{
		ring.Joining: "joining", ring.Active: "active", ring.Leaving: "leaving", ring.Gone: "gone", 9: "invalid",
	} {
		if s.String() != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}

// What is read is written again as a view that reads the same and makes a ring.
func FuzzConsumeView(f *testing.F) {
	f.Add(ring.NewView(ring.Cluster{ID: "empty"}).Append(nil))
	f.Add(cluster(3, nil).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, _, err := ring.ConsumeView(b)
		if err != nil {
			return
		}
		again, rest, err := ring.ConsumeView(v.Append(nil))
		if err != nil || len(rest) > 0 || !equal(v, again) {
			t.Fatalf("read again: rest %x, error %v", rest, err)
		}
	})
}
