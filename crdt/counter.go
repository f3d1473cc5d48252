package crdt

import (
	"cmp"
	"math"

	"grapevine/crdt/causal"
)

// Cell is one replica's share of a counter of a row, under one of the row's
// births: the sum of all that this replica ever added there. The replica is its
// only writer, so of two states of a cell one contains the other, and the later
// stands. The cells of a counter make it a PN-counter (Shapiro et al. 2011) whose
// two directions share an integer.
type Cell struct {
	ID      uint8
	Birth   causal.Dot
	Replica causal.Replica
	Seq     uint64 // of the replica's latest write to the cell
	Value   int64  // never beyond the bounds of int64: it stops there
}

// compareSlot orders cells by whose share of what they are.
func (c Cell) compareSlot(o Cell) int {
	if d := cmp.Compare(c.ID, o.ID); d != 0 {
		return d
	}
	if d := c.Birth.Compare(o.Birth); d != 0 {
		return d
	}
	return cmp.Compare(c.Replica, o.Replica)
}

func (c Cell) under() causal.Dot { return c.Birth }

func (c Cell) wins(o Cell) bool { return c.Seq > o.Seq }

// Add is the change that adds n to a counter under r's latest birth. It is the
// zero Row when r does not exist or n is 0.
//
// The change carries d.Replica's whole share. It therefore counts once however
// often it is merged, and r must show all that d.Replica has added before: a
// replica that no longer has its share, because it lost or dropped its copy of
// the row, must get it back, or a new name, before it adds again.
func (r Row) Add(d causal.Dot, id uint8, n int64) Row {
	birth, ok := r.Last()
	if !ok || n == 0 {
		return Row{}
	}
	c := Cell{ID: id, Birth: birth.Dot, Replica: d.Replica, Seq: d.Seq, Value: n}
	if i, seen := search(r.Cells, c); seen {
		c.Value = saturatingAdd(r.Cells[i].Value, n)
	}
	return Row{Cells: []Cell{c}}
}

// Counter gives the sum of a counter under the living births, 0 where nothing was
// added. Equal rows give equal sums. One beyond the bounds of int64 stops there.
func (r Row) Counter(id uint8) int64 {
	var sum int64
	for _, c := range r.Cells {
		if c.ID == id && r.hasBirth(c.Birth) {
			sum = saturatingAdd(sum, c.Value)
		}
	}
	return sum
}

func saturatingAdd(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}
