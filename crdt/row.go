// Package crdt is the value that merges: a Row of births and fields whose
// merge is commutative, associative and idempotent, so that replicas which have
// seen the same writes hold the same bytes whatever the order, loss or
// duplication of messages.
//
// A row exists while one of its births does. A birth is made by a Put and ended
// by a Put or a Remove that had seen it, so a concurrent Put survives a Remove
// (add wins: the observed-remove set of Shapiro et al. 2011). A field belongs to
// the birth it was written under and goes with it, so a Remove wins over a
// concurrent Update. Within a birth a field is a last-writer-wins register. The
// same holds of counters, whose sum is spread over cells, one for each replica
// that added to it.
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

func (f Field) under() causal.Dot { return f.Birth }

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
	Cells   []Cell       // ascending by ID, then birth, then replica
	Removed []causal.Dot // ascending
}

// Exists says whether the row is visible to readers.
func (r Row) Exists() bool { return len(r.Births) > 0 }

// IsZero says whether nothing at all need be stored for the row.
func (r Row) IsZero() bool {
	return len(r.Births) == 0 && len(r.Fields) == 0 && len(r.Cells) == 0 && len(r.Removed) == 0
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

// EndingOnly is the change r with what it ends narrowed to the given births.
func (r Row) EndingOnly(births []causal.Dot) Row {
	r.Removed = slices.DeleteFunc(slices.Clone(r.Removed), func(d causal.Dot) bool { return !slices.Contains(births, d) })
	return r
}

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
	if i, seen := search(r.Fields, f); seen {
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
