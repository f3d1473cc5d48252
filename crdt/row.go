// Package crdt is the value that merges: a Row of births and fields whose
// merge is commutative, associative and idempotent, so that replicas which have
// seen the same writes hold the same bytes whatever the order, loss or
// duplication of messages.
//
// A row exists while one of its births does. A birth is made by a Put and ended
// by a Put or a Remove that had seen it, so a concurrent Put survives a Remove
// (add wins: the observed-remove set of Shapiro et al. 2011). A field belongs to
// the birth it was written under and goes with it, so a Remove wins over a
// concurrent Update. Within a birth a field is a last-writer-wins register.
//
// Removal leaves nothing behind. Following Almeida et al. (2014) and DottedDB
// (2017), a birth that one side lacks although its causal context holds the
// birth's dot was removed there; one whose dot the context lacks has not arrived.
// Only a removal that overtakes the birth it ends is remembered, in Removed, and
// only until the birth's dot arrives.
package crdt

import (
	"cmp"
	"slices"

	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
)

// Birth is one Put of a row.
type Birth struct {
	Dot   causal.Dot
	Time  hlc.Timestamp
	Value []byte
}

// compare orders births by time, then dot: the order in which writers would
// agree they happened.
func (b Birth) compare(o Birth) int {
	if c := cmp.Compare(b.Time, o.Time); c != 0 {
		return c
	}
	return b.Dot.Compare(o.Dot)
}

// Field is one last-writer-wins register of a row, under one of its births.
type Field struct {
	ID    uint8
	Birth causal.Dot
	Dot   causal.Dot
	Time  hlc.Timestamp
	Value []byte
}

// compareSlot orders fields by what they are a register of.
func (f Field) compareSlot(o Field) int {
	if c := cmp.Compare(f.ID, o.ID); c != 0 {
		return c
	}
	return f.Birth.Compare(o.Birth)
}

// wins says whether f is the later write of the two.
func (f Field) wins(o Field) bool {
	if f.Time != o.Time {
		return f.Time > o.Time
	}
	return f.Dot.Compare(o.Dot) > 0
}

// Row is the state of one key, or a change to it: a change is a row that holds
// just what one write adds and, in Removed, what it ends. The zero Row is the
// state of a key that does not exist. Rows are values: no function of this
// package changes one that it was given.
type Row struct {
	Births  []Birth      // ascending by dot
	Fields  []Field      // ascending by ID, then birth
	Removed []causal.Dot // ascending
}

// Exists says whether the row is visible to readers.
func (r Row) Exists() bool { return len(r.Births) > 0 }

// IsZero says whether nothing at all need be stored for the row.
func (r Row) IsZero() bool {
	return len(r.Births) == 0 && len(r.Fields) == 0 && len(r.Removed) == 0
}

// First gives the earliest birth. Where several nodes claimed a unique name, it
// is the claim that holds.
func (r Row) First() (Birth, bool) {
	if !r.Exists() {
		return Birth{}, false
	}
	return slices.MinFunc(r.Births, Birth.compare), true
}

// Last gives the latest birth.
func (r Row) Last() (Birth, bool) {
	if !r.Exists() {
		return Birth{}, false
	}
	return slices.MaxFunc(r.Births, Birth.compare), true
}

// Field gives the latest write of the field under a living birth.
func (r Row) Field(id uint8) (Field, bool) {
	var found Field
	var ok bool
	for _, f := range r.Fields {
		if f.ID == id && r.hasBirth(f.Birth) && (!ok || f.wins(found)) {
			found, ok = f, true
		}
	}
	return found, ok
}

// Time gives the latest timestamp in the row, 0 for an absent one.
func (r Row) Time() hlc.Timestamp {
	var t hlc.Timestamp
	for _, b := range r.Births {
		t = max(t, b.Time)
	}
	for _, f := range r.Fields {
		t = max(t, f.Time)
	}
	return t
}

// Put is the change that makes the row exist anew: a birth of dot d in place of
// all that r shows.
func (r Row) Put(d causal.Dot, t hlc.Timestamp, value []byte) Row {
	return Row{Births: []Birth{{Dot: d, Time: t, Value: value}}, Removed: r.births()}
}

// Remove is the change that ends all births that r shows. It is the zero Row
// where there is nothing to end.
func (r Row) Remove() Row { return Row{Removed: r.births()} }

// Update is the change that writes a field under r's latest birth. It is the
// zero Row when r does not exist. The field's time exceeds that of what r shows
// there, whatever t is: a writer whose clock lags behind another's must not lose
// to what it has seen.
func (r Row) Update(d causal.Dot, t hlc.Timestamp, id uint8, value []byte) Row {
	birth, ok := r.Last()
	if !ok {
		return Row{}
	}
	f := Field{ID: id, Birth: birth.Dot, Dot: d, Time: t, Value: value}
	if i, seen := slices.BinarySearchFunc(r.Fields, f, Field.compareSlot); seen {
		f.Time = max(t, r.Fields[i].Time+1)
	}
	return Row{Fields: []Field{f}}
}

func (r Row) births() []causal.Dot {
	if len(r.Births) == 0 {
		return nil
	}
	dots := make([]causal.Dot, len(r.Births))
	for i, b := range r.Births {
		dots[i] = b.Dot
	}
	return dots
}

func (r Row) hasBirth(d causal.Dot) bool {
	_, found := slices.BinarySearchFunc(r.Births, d, func(b Birth, d causal.Dot) int { return b.Dot.Compare(d) })
	return found
}

func (r Row) hasRemoved(d causal.Dot) bool {
	_, found := slices.BinarySearchFunc(r.Removed, d, causal.Dot.Compare)
	return found
}

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
	keep := func(f Field) {
		if out.hasBirth(f.Birth) || (!knowsLocal(f.Birth) && !knowsRemote(f.Birth)) {
			out.Fields = append(out.Fields, f)
		}
	}
	union(local.Fields, remote.Fields, Field.compareSlot,
		func(f Field, inLocal, inRemote bool) {
			if inLocal && inRemote {
				f = later(local.Fields, remote.Fields, f)
			}
			keep(f)
		})
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

// later gives the winner among the two writes of f's register.
func later(a, b []Field, f Field) Field {
	i, _ := slices.BinarySearchFunc(a, f, Field.compareSlot)
	j, _ := slices.BinarySearchFunc(b, f, Field.compareSlot)
	if a[i].wins(b[j]) {
		return a[i]
	}
	return b[j]
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
