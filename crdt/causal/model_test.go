package causal_test

import (
	"bytes"
	"maps"
	"math"
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt/causal"
)

// set is the naive model of a vector.
type set map[causal.Dot]bool

// pair is a vector with its model.
type pair struct {
	vector *causal.Vector
	model  set
}

// span bounds the sequence numbers that the models enumerate.
const span = 40

func drawRange(t *rapid.T) causal.Range {
	first := rapid.Uint64Range(1, span).Draw(t, "first")
	return causal.Range{First: first, Last: rapid.Uint64Range(first, min(span, first+6)).Draw(t, "last")}
}

func drawPair(t *rapid.T) pair {
	p := pair{causal.NewVector(), set{}}
	for range rapid.IntRange(0, 12).Draw(t, "ranges") {
		replica := causal.Replica(rapid.IntRange(1, 3).Draw(t, "replica"))
		r := drawRange(t)
		p.vector.AddRange(replica, r)
		for seq := r.First; seq <= r.Last; seq++ {
			p.model[causal.Dot{Replica: replica, Seq: seq}] = true
		}
	}
	return p
}

// check compares the vector with the model in all that it tells.
func (p pair) check(t *rapid.T) {
	if p.vector.Len() != uint64(len(p.model)) || p.vector.Empty() != (len(p.model) == 0) {
		t.Fatalf("%d dots, want %d", p.vector.Len(), len(p.model))
	}
	for replica := causal.Replica(1); replica <= 4; replica++ {
		var highest uint64
		for seq := uint64(0); seq <= span+1; seq++ {
			d := causal.Dot{Replica: replica, Seq: seq}
			if p.vector.Contains(d) != p.model[d] {
				t.Fatalf("Contains(%v) is %v", d, !p.model[d])
			}
			if p.model[d] {
				highest = seq
			}
		}
		if p.vector.Max(replica) != highest {
			t.Fatalf("Max(%v) is %d, want %d", replica, p.vector.Max(replica), highest)
		}
		checkNormal(t, p.vector.Ranges(replica))
	}
}

// checkNormal asserts that ranges are disjoint, apart and ascending: that equal
// sets are equal slices.
func checkNormal(t *rapid.T, rs causal.Ranges) {
	for i, r := range rs {
		if r.First > r.Last || i > 0 && rs[i-1].Last+1 >= r.First {
			t.Fatalf("not in normal form: %v", rs)
		}
	}
}

func TestVectorIsASetOfDots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { drawPair(t).check(t) })
}

func TestMergeIsUnion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPair(t), drawPair(t)
		before := b.vector.Append(nil)
		a.vector.Merge(b.vector)
		maps.Copy(a.model, b.model)
		a.check(t)
		a.vector.AddRange(1, causal.Range{First: 1, Last: span})
		if !bytes.Equal(before, b.vector.Append(nil)) {
			t.Fatal("the merged vector changed with the one it was merged into")
		}
	})
}

func TestMissingIsDifference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPair(t), drawPair(t)
		missing := pair{a.vector.Missing(b.vector), set{}}
		for d := range b.model {
			if !a.model[d] {
				missing.model[d] = true
			}
		}
		missing.check(t)
		if a.vector.Covers(b.vector) != (len(missing.model) == 0) {
			t.Fatal("Covers contradicts Missing")
		}
	})
}

func TestCloneIsIndependent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPair(t)
		c := p.vector.Clone()
		c.AddRange(2, causal.Range{First: 1, Last: span})
		c.AddRange(3, causal.Range{First: 5, Last: 5})
		p.check(t)
	})
}

func TestSubtractLeavesItsOperandsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPair(t), drawPair(t)
		a.vector.Ranges(1).Subtract(b.vector.Ranges(1))
		a.check(t)
		b.check(t)
	})
}

func TestEqualVectorsHaveEqualEncodings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPair(t)
		shuffled := causal.NewVector()
		for d := range p.model { // in whatever order the map gives
			shuffled.Add(d)
		}
		encoded := p.vector.Append(nil)
		if !bytes.Equal(encoded, shuffled.Append(nil)) {
			t.Fatal("the encoding depends on the order of additions")
		}
		read, rest, err := causal.ConsumeVector(append(encoded, "rest"...))
		if err != nil || string(rest) != "rest" {
			t.Fatalf("rest %q, error %v", rest, err)
		}
		pair{read, p.model}.check(t)
	})
}

func TestSequenceNumbersMayBeLarge(t *testing.T) {
	t.Parallel()
	v := causal.NewVector()
	const large = math.MaxUint64 - 1
	v.Add(causal.Dot{Replica: 1, Seq: large})
	v.Add(causal.Dot{Replica: 1, Seq: 1})
	v.Add(causal.Dot{Replica: 1, Seq: large - 1})
	read, _, err := causal.ConsumeVector(v.Append(nil))
	if err != nil || read.Len() != 3 || read.Max(1) != large {
		t.Errorf("got %v, %v", read, err)
	}
}
