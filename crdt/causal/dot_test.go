package causal_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt/causal"
)

func drawDot(t *rapid.T) causal.Dot {
	return causal.Dot{Replica: causal.Replica(rapid.Uint64().Draw(t, "replica")), Seq: rapid.Uint64Max(math.MaxUint64-1).Draw(t, "seq")}
}

func TestDotSurvivesTextAndBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDot(t)
		if got, err := causal.ParseDot(d.String()); err != nil || got != d {
			t.Fatalf("from text: %v, %v, want %v", got, err, d)
		}
		got, rest, err := causal.ConsumeDot(append(causal.AppendDot(nil, d), "rest"...))
		if err != nil || got != d || string(rest) != "rest" {
			t.Fatalf("from bytes: %v, %q, %v, want %v", got, rest, err, d)
		}
	})
}

func TestDotOrderIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawDot(t), drawDot(t), drawDot(t)
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%v and %v: %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("not transitive: %v %v %v", a, b, c)
		}
	})
}

func TestParseDotRefusesWhatIsNoDot(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", ":", "1", "1:", ":1", "g:1", "1:x", "1:-1", "1:2:3", "11112222333344445:1"} {
		if d, err := causal.ParseDot(s); !errors.Is(err, causal.ErrMalformed) {
			t.Errorf("%q: got %v, %v", s, d, err)
		}
	}
}

func TestNothingHasSeenNoDot(t *testing.T) {
	t.Parallel()
	if (causal.Nothing{}).Contains(causal.Dot{Replica: 1, Seq: 1}) {
		t.Error("Nothing contains a dot")
	}
}

func FuzzParseDot(f *testing.F) {
	f.Add("00000000000000ff:42")
	f.Add("1:1")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := causal.ParseDot(s)
		if err != nil {
			return
		}
		if again, err := causal.ParseDot(d.String()); err != nil || again != d {
			t.Fatalf("%q reads as %v, then as %v, %v", s, d, again, err)
		}
	})
}

func FuzzConsumeDot(f *testing.F) {
	f.Add(causal.AppendDot(nil, causal.Dot{Replica: 255, Seq: 300}))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, rest, err := causal.ConsumeDot(b)
		if err != nil {
			return
		}
		again, more, err := causal.ConsumeDot(append(causal.AppendDot(nil, d), rest...))
		if err != nil || again != d || !bytes.Equal(more, rest) {
			t.Fatalf("%v comes back as %v, rest %x, error %v", d, again, more, err)
		}
	})
}

func FuzzConsumeVector(f *testing.F) {
	v := causal.NewVector()
	f.Add(v.Append(nil))
	v.AddRange(1, causal.Range{First: 1, Last: 300})
	v.AddRange(1, causal.Range{First: 302, Last: 302})
	v.AddRange(7, causal.Range{First: 5, Last: 9})
	f.Add(v.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, _, err := causal.ConsumeVector(b)
		if err != nil {
			return
		}
		for _, replica := range v.Replicas() {
			if n := len(v.Ranges(replica)); n > len(b)/2 {
				t.Fatalf("%d bytes give %d ranges", len(b), n)
			}
		}
		encoded := v.Append(nil)
		again, rest, err := causal.ConsumeVector(encoded)
		if err != nil || len(rest) > 0 || !bytes.Equal(again.Append(nil), encoded) {
			t.Fatalf("read again: rest %x, error %v", rest, err)
		}
		if !again.Covers(v) || !v.Covers(again) {
			t.Fatal("a vector does not cover its equal")
		}
	})
}
