package crdt

import (
	"slices"

	"grapevine/crdt/causal"
)

// Merge joins two states of one key. Each context says which writes its side
// has seen anywhere in the partition; a change that travels by itself has seen
// causal.Nothing beyond what its Removed says. Dots in mine need no mark of
// their removal any longer.
func Merge(local Row, mine causal.Context, remote Row, theirs causal.Context) Row {
	knowsLocal := func(d causal.Dot) bool { return mine.Contains(d) || local.hasRemoved(d) }
	knowsRemote := func(d causal.Dot) bool { return theirs.Contains(d) || remote.hasRemoved(d) }

	var out Row
	union(local.Births, remote.Births,
		func(a, b Birth) int { return a.Dot.Compare(b.Dot) },
		func(b Birth, inLocal, inRemote bool) {
			if (inLocal || !knowsLocal(b.Dot)) && (inRemote || !knowsRemote(b.Dot)) {
				out.Births = append(out.Births, b)
			}
		})
	lives := func(birth causal.Dot) bool {
		return out.hasBirth(birth) || (!knowsLocal(birth) && !knowsRemote(birth))
	}
	out.Fields = mergeRegisters(local.Fields, remote.Fields, lives)
	out.Cells = mergeRegisters(local.Cells, remote.Cells, lives)
	union(local.Removed, remote.Removed, causal.Dot.Compare,
		func(d causal.Dot, _, _ bool) {
			if !mine.Contains(d) {
				out.Removed = append(out.Removed, d)
			}
		})
	return out
}

// Settle drops from Removed what ctx, the context of the replica that stores the
// row, has since seen arrive.
func (r Row) Settle(ctx causal.Context) Row {
	if len(r.Removed) == 0 {
		return r
	}
	r.Removed = slices.DeleteFunc(slices.Clone(r.Removed), ctx.Contains)
	if len(r.Removed) == 0 {
		r.Removed = nil
	}
	return r
}

// register is a value under a birth, of which a row holds one for each slot.
type register[T any] interface {
	compareSlot(T) int
	under() causal.Dot
	wins(T) bool
}

// mergeRegisters gives the winner in each slot, of those whose birth lives.
func mergeRegisters[T register[T]](a, b []T, lives func(birth causal.Dot) bool) []T {
	var out []T
	union(a, b, T.compareSlot, func(v T, inA, inB bool) {
		if inA && inB {
			v = winner(a, b, v)
		}
		if lives(v.under()) {
			out = append(out, v)
		}
	})
	return out
}

// winner gives the one that stands of what both sides have in v's slot.
func winner[T register[T]](a, b []T, v T) T {
	i, _ := search(a, v)
	j, _ := search(b, v)
	if a[i].wins(b[j]) {
		return a[i]
	}
	return b[j]
}

// search finds v's slot.
func search[T register[T]](rs []T, v T) (int, bool) {
	return slices.BinarySearchFunc(rs, v, T.compareSlot)
}

// union visits the elements of two ascending slices in order, each once, saying
// which side held it.
func union[T any](a, b []T, compare func(T, T) int, visit func(v T, inA, inB bool)) {
	for len(a) > 0 || len(b) > 0 {
		var c int
		switch {
		case len(a) == 0:
			c = 1
		case len(b) == 0:
			c = -1
		default:
			c = compare(a[0], b[0])
		}
		switch {
		case c < 0:
			visit(a[0], true, false)
			a = a[1:]
		case c > 0:
			visit(b[0], false, true)
			b = b[1:]
		default:
			visit(a[0], true, true)
			a, b = a[1:], b[1:]
		}
	}
}
