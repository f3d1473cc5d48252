package ring

import (
	"slices"

	"grapevine/p2p"
	"grapevine/store"
)

// Ring is the placement of all partitions that follows from a view. It is
// immutable and safe for concurrent use.
type Ring struct {
	view   *View
	digest uint64
	owners [][]p2p.NodeID
	coming [][]p2p.NodeID
}

// New computes the placement of v, which it copies. Equal views give equal rings.
func New(v *View) *Ring {
	r := &Ring{view: v.Clone(), digest: v.Digest()}
	r.owners = make([][]p2p.NodeID, r.Partitions())
	r.coming = make([][]p2p.NodeID, r.Partitions())
	members := r.view.Members()
	scratch := make([]candidate, 0, len(members))
	for p := range r.owners {
		ranked := rank(scratch, members, store.Partition(p))
		r.owners[p] = place(ranked, r.Copies(), func(m *Member) bool {
			return m.State == Active || m.State == Leaving
		})
		r.coming[p] = coming(ranked, r.Copies(), r.owners[p])
	}
	return r
}

// coming gives the members beside owners that will own the partition in some
// order of the joins and leaves under way, best first. A further member only ever
// takes a place from others, so a member will own the partition at some time just
// if it would when nobody but it and those Active were left.
func coming(ranked []candidate, n int, owners []p2p.NodeID) []p2p.NodeID {
	lasting := place(ranked, n, isActive)
	var out []p2p.NodeID
	for _, c := range ranked {
		if c.State == Gone || slices.Contains(owners, c.Node) {
			continue
		}
		will := lasting
		if c.State != Active {
			will = place(ranked, n, func(m *Member) bool { return isActive(m) || m.Node == c.Node })
		}
		if slices.Contains(will, c.Node) {
			out = append(out, c.Node)
		}
	}
	return out
}

func isActive(m *Member) bool { return m.State == Active }

// View returns a copy of the view that the ring was computed from.
func (r *Ring) View() *View { return r.view.Clone() }

// Digest is the Digest of the view.
func (r *Ring) Digest() uint64 { return r.digest }

// Cluster is the cluster of the view.
func (r *Ring) Cluster() Cluster { return r.view.cluster }

// Copies gives how many owners a partition has when there are enough members.
func (r *Ring) Copies() int { return r.view.cluster.Copies }

// Partitions gives the number of partitions, a power of two.
func (r *Ring) Partitions() int { return 1 << r.view.cluster.PartitionBits }

// PartitionOf gives the partition that a slot lies in.
func (r *Ring) PartitionOf(s store.Slot) store.Partition {
	return store.Partition(s >> r.slotBits())
}

// Slots gives the first and the last slot of p, which must be below Partitions.
func (r *Ring) Slots(p store.Partition) (first, last store.Slot) {
	first = store.Slot(p) << r.slotBits()
	return first, first | (1<<r.slotBits() - 1)
}

func (r *Ring) slotBits() uint8 { return maxPartitionBits - r.view.cluster.PartitionBits }

// Owners gives the owners of p that count for reads and acknowledgements, in
// order of preference: Copies of the members Active or Leaving, fewer when there
// are fewer, none when all are Joining. The caller must not change it.
func (r *Ring) Owners(p store.Partition) []p2p.NodeID { return r.owners[p] }

// Coming gives the members beside the owners that are to own p once the joins
// and leaves under way have ended. They receive every write of p too. The caller
// must not change it.
func (r *Ring) Coming(p store.Partition) []p2p.NodeID { return r.coming[p] }

// Owns says whether id is among the owners of p.
func (r *Ring) Owns(id p2p.NodeID, p store.Partition) bool {
	return slices.Contains(r.owners[p], id)
}
