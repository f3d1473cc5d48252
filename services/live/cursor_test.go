package live

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"grapevine/crdt/causal"
)

func drawVector(t *rapid.T, replicas, ranges int) *causal.Vector {
	v := causal.NewVector()
	for range rapid.IntRange(0, replicas).Draw(t, "replicas") {
		r := causal.Replica(rapid.Uint64Min(1).Draw(t, "replica"))
		for range rapid.IntRange(1, ranges).Draw(t, "ranges") {
			first := rapid.Uint64Range(1, 1<<40).Draw(t, "first")
			v.AddRange(r, causal.Range{First: first, Last: first + rapid.Uint64Range(0, 1<<20).Draw(t, "length")})
		}
	}
	return v
}

func TestAnEventsIDSaysWhereTheStreamWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := cursor{}
		for key := range uint64(rapid.IntRange(0, MaxChannels).Draw(t, "channels")) {
			m := mark{}
			if rapid.Bool().Draw(t, "has a vector") {
				m.seen = drawVector(t, 3, 1)
			}
			if ms := rapid.Int64Range(0, maxMillis).Draw(t, "time"); ms > 0 {
				m.at = time.UnixMilli(ms)
			}
			c[key<<32] = m
		}
		got, err := parseCursor(c.String())
		if err != nil || len(got) != len(c) {
			t.Fatalf("%v, %v, want %v", got, err, c)
		}
		for key, m := range c {
			g := got[key]
			if !g.at.Equal(m.at) || (g.seen == nil) != (m.seen == nil) || m.seen != nil && (!g.seen.Covers(m.seen) || !m.seen.Covers(g.seen)) {
				t.Errorf("%v comes back as %v", m, g)
			}
		}
	})
}

func TestAnEventsIDIsBoundedAndWhatItLeavesOutComesAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := cursor{}
		for key := range uint64(MaxChannels) {
			c[key] = mark{seen: drawVector(t, 12, 12), at: time.UnixMilli(1)}
		}
		id := c.String()
		if len(id) > MaxEventID {
			t.Fatalf("%d bytes", len(id))
		}
		got, err := parseCursor(id)
		if err != nil {
			t.Fatal(err)
		}
		for key, m := range c {
			if !m.seen.Covers(got[key].seen) {
				t.Fatal("the id says that more was seen than was")
			}
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add(cursor{1: {at: time.UnixMilli(5)}}.String())
	f.Fuzz(func(t *testing.T, id string) {
		c, err := parseCursor(id)
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Error(err)
			}
			return
		}
		if again, err := parseCursor(c.String()); err != nil || len(again) != len(c) {
			t.Errorf("%v comes back as %v, %v", c, again, err)
		}
	})
}

func TestAnIDThatNoNodeGaveIsRefused(t *testing.T) {
	t.Parallel()
	v := causal.NewVector()
	v.AddRange(7, causal.Range{First: 1, Last: 9})
	id := cursor{1: {seen: v, at: time.UnixMilli(5)}}.String()
	for i := range id {
		b := []byte(id)
		if b[i]++; b[i] == 'z'+1 {
			b[i] = 'a'
		}
		if c, err := parseCursor(string(b)); err == nil {
			t.Errorf("with another byte %d it is taken for %v", i, c)
		}
	}
}
