package ring

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
	"grapevine/p2p"
)

// ErrOtherCluster is returned for a view of another cluster.
var ErrOtherCluster = errors.New("ring: view of another cluster")

// State is where a member stands. Within an epoch of the member it only moves
// forward.
type State uint8

// The states in their order.
const (
	Joining State = iota // copies what it will own, and receives its writes
	Active               // owns
	Leaving              // still owns, while others take over
	Gone                 // owns nothing; kept so that old views cannot bring it back
)

// String gives the state in lower case.
func (s State) String() string {
	switch s {
	case Joining:
		return "joining"
	case Active:
		return "active"
	case Leaving:
		return "leaving"
	case Gone:
		return "gone"
	}
	return "invalid"
}

// Member is the entry of one node. Who changes a member other than by moving its
// State forward raises its Epoch.
type Member struct {
	Node    p2p.NodeID     // 1 to MaxNode bytes
	Replica causal.Replica // the incarnation of the node's disk
	State   State
	Weight  uint32 // share of the data: 100 is one ordinary node, 0 owns nothing
	Zone    string // what fails together, "" for nothing known; at most MaxZone bytes
	Epoch   uint64
}

// supersedes says whether m replaces o, an entry of the same node: by epoch, then
// state. The rest is compared only to make the order total, and the merge thereby
// independent of order.
func (m Member) supersedes(o Member) bool {
	return cmp.Or(
		cmp.Compare(m.Epoch, o.Epoch),
		cmp.Compare(m.State, o.State),
		cmp.Compare(m.Replica, o.Replica),
		cmp.Compare(m.Weight, o.Weight),
		cmp.Compare(m.Zone, o.Zone),
	) > 0
}

// valid says whether m is within bounds.
func (m Member) valid() bool {
	return m.Node != "" && len(m.Node) <= MaxNode && len(m.Zone) <= MaxZone && m.State <= Gone
}

// Cluster is what is fixed when a cluster is founded.
type Cluster struct {
	ID            string // at most MaxClusterID bytes
	PartitionBits uint8  // 1 to 16: there are 2^PartitionBits partitions
	Copies        int    // 1 to MaxCopies owners of a partition
}

// Values of a Cluster that leaves them 0.
const (
	DefaultPartitionBits = 8
	DefaultCopies        = 3
)

// normal gives c with its defaults, and its numbers within bounds.
func (c Cluster) normal() Cluster {
	c.PartitionBits = min(cmp.Or(c.PartitionBits, DefaultPartitionBits), maxPartitionBits)
	c.Copies = min(max(cmp.Or(c.Copies, DefaultCopies), 1), MaxCopies)
	return c
}

// View is the membership of a cluster as one node knows it. It is a CRDT: views
// that have seen the same entries are equal, whatever the order. A View is not
// safe for concurrent use.
type View struct {
	cluster Cluster
	members map[p2p.NodeID]Member
}

// NewView returns a view without members. Zero fields of c take their defaults;
// numbers beyond their bounds take the bound.
func NewView(c Cluster) *View {
	return &View{cluster: c.normal(), members: map[p2p.NodeID]Member{}}
}

// Cluster gives what the view is a view of.
func (v *View) Cluster() Cluster { return v.cluster }

// Members gives all entries, those of members Gone included, ascending by Node.
func (v *View) Members() []Member {
	return slices.SortedFunc(maps.Values(v.members), func(a, b Member) int {
		return cmp.Compare(a.Node, b.Node)
	})
}

// Member gives the entry of a node.
func (v *View) Member(id p2p.NodeID) (Member, bool) {
	m, ok := v.members[id]
	return m, ok
}

// Set merges one entry and says whether it changed the view. An entry that is out
// of bounds, or a new one in a view of MaxMembers, changes nothing.
func (v *View) Set(m Member) (changed bool) {
	old, known := v.members[m.Node]
	if known && !m.supersedes(old) {
		return false
	}
	if !m.valid() || (!known && len(v.members) >= MaxMembers) {
		return false
	}
	v.members[m.Node] = m
	return true
}

// Merge sets all entries of o and says whether any changed v. It returns
// ErrOtherCluster, and changes nothing, when o's cluster is not v's.
func (v *View) Merge(o *View) (changed bool, err error) {
	if v.cluster != o.cluster {
		return false, ErrOtherCluster
	}
	for _, m := range o.members {
		if v.Set(m) {
			changed = true
		}
	}
	return changed, nil
}

// Digest is equal for equal views and, all but surely, differs for others.
func (v *View) Digest() uint64 { return xxh3.Hash(v.Append(nil)) }

// Clone returns an independent copy.
func (v *View) Clone() *View {
	return &View{cluster: v.cluster, members: maps.Clone(v.members)}
}
