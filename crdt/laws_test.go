package crdt_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt"
	"grapevine/crdt/causal"
)

// state is a replica's state of one key: what merging joins.
type state struct {
	row crdt.Row
	ctx *causal.Vector
}

func join(a, b state) state {
	ctx := a.ctx.Clone()
	ctx.Merge(b.ctx)
	return state{crdt.Merge(a.row, a.ctx, b.row, b.ctx).Settle(ctx), ctx}
}

func (s state) bytes() []byte { return s.row.Append(s.ctx.Append(nil)) }

// reachable draws the states that three replicas come to hold of one key.
func reachable(t *rapid.T) (a, b, c state) {
	w := newWorld(3)
	t.Repeat(map[string]func(*rapid.T){
		"write":         w.write,
		"write more":    w.write,
		"deliver":       w.deliver,
		"deliver more":  w.deliver,
		"catch up":      func(t *rapid.T) { w.some(t).catchUp(w.some(t)) },
		"catch up part": func(t *rapid.T) { w.part(t) },
	})
	of := func(r *replica) state { return state{r.rows[keys[0]], r.ctx} }
	return of(w.replicas[0]), of(w.replicas[1]), of(w.replicas[2])
}

// part fetches one missing dot.
func (w *world) part(t *rapid.T) {
	to, from := w.some(t), w.some(t)
	if missing := to.missing(from); len(missing) > 0 {
		dot := rapid.SampledFrom(missing).Draw(t, "dot")
		from.page(to, from.ctx.Clone(), []causal.Dot{dot}).take()
	}
}

func TestMergeIsCommutative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, _ := reachable(t)
		same(t, "a∨b", join(a, b), "b∨a", join(b, a))
	})
}

func TestMergeIsAssociative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := reachable(t)
		same(t, "(a∨b)∨c", join(join(a, b), c), "a∨(b∨c)", join(a, join(b, c)))
	})
}

func TestMergeIsIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, _ := reachable(t)
		same(t, "a", a, "a∨a", join(a, a))
		same(t, "a∨b", join(a, b), "(a∨b)∨b", join(join(a, b), b))
	})
}

func TestMergeLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, _ := reachable(t)
		before := [][]byte{a.bytes(), b.bytes()}
		join(a, b)
		if !bytes.Equal(before[0], a.bytes()) || !bytes.Equal(before[1], b.bytes()) {
			t.Fatal("an argument changed")
		}
	})
}

func same(t *rapid.T, nameA string, a state, nameB string, b state) {
	if !bytes.Equal(a.bytes(), b.bytes()) {
		t.Fatalf("%s: %s\n%s: %s", nameA, show(a.row), nameB, show(b.row))
	}
}
