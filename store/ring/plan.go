package ring

import (
	"cmp"
	"slices"

	"grapevine/p2p"
	"grapevine/store"
)

// Move is a copy of one partition that changes hands.
type Move struct {
	Partition store.Partition
	// From gives up its copy; "" when nobody does, since the partition had fewer
	// copies than it gets.
	From p2p.NodeID
	// To takes the copy over; "" when nobody does, since too few members are left.
	To p2p.NodeID
}

// Plan gives what moves when the view changes from one to another of the same
// cluster: per partition, ascending, who takes over from whom. It compares owners;
// what is coming counts once it has come (see Settled).
func Plan(from, to *View) []Move {
	before, after := New(from), New(to)
	var moves []Move
	for i := range before.owners {
		old, now := before.owners[i], after.owners[i]
		gives, takes := without(old, now), without(now, old)
		for n := range max(len(gives), len(takes)) {
			moves = append(moves, Move{store.Partition(i), at(gives, n), at(takes, n)})
		}
	}
	return moves
}

// Settled gives the view as it will be when the joins and leaves under way have
// ended.
func (v *View) Settled() *View {
	out := v.Clone()
	for _, m := range v.Members() {
		switch m.State {
		case Joining:
			m.State = Active
		case Leaving:
			m.State = Gone
		case Active, Gone:
		}
		out.Set(m)
	}
	return out
}

// Load is what a plan moves to and from one node.
type Load struct {
	Node       p2p.NodeID
	Takes      int   // partitions that it takes over
	Gives      int   // partitions that it gives up
	TakesBytes int64 // of rows, as far as size knows
	GivesBytes int64
}

// Loads sums up moves by node, ascending by Node. Size gives the bytes of one copy
// of a partition.
func Loads(moves []Move, size func(store.Partition) int64) []Load {
	sums := map[p2p.NodeID]*Load{}
	of := func(id p2p.NodeID) *Load {
		if sums[id] == nil {
			sums[id] = &Load{Node: id}
		}
		return sums[id]
	}
	for _, m := range moves {
		if m.To != "" {
			l := of(m.To)
			l.Takes++
			l.TakesBytes += size(m.Partition)
		}
		if m.From != "" {
			l := of(m.From)
			l.Gives++
			l.GivesBytes += size(m.Partition)
		}
	}
	out := make([]Load, 0, len(sums))
	for _, l := range sums {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Load) int { return cmp.Compare(a.Node, b.Node) })
	return out
}

// without gives the ids of a that are not in b, in the order of a.
func without(a, b []p2p.NodeID) (out []p2p.NodeID) {
	for _, id := range a {
		if !slices.Contains(b, id) {
			out = append(out, id)
		}
	}
	return out
}

// at gives ids[i], or "" beyond the end.
func at(ids []p2p.NodeID, i int) p2p.NodeID {
	if i < len(ids) {
		return ids[i]
	}
	return ""
}
