package node

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/services/social"
	"grapevine/store"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// cluster is the node's view of itself and of the others, as httpapi wants it.
type cluster Node

// Members implements httpapi.Cluster.
func (c *cluster) Members(context.Context) []client.Member {
	view := c.store.View()
	known := map[p2p.NodeID]p2p.Member{}
	for _, m := range c.deps.Members.Members() {
		known[m.ID] = m
	}
	inRing := map[p2p.NodeID]ring.Member{}
	if view != nil {
		for _, m := range view.Members() {
			inRing[m.Node] = m
			if _, ok := known[m.Node]; !ok {
				known[m.Node] = p2p.Member{ID: m.Node}
			}
		}
	}
	self := c.deps.Transport.Self()
	var out []client.Member
	for id, m := range known {
		member := client.Member{
			ID: string(id), Short: id.Short(), HTTP: m.Addrs.HTTP, P2P: m.Addrs.P2P, Gossip: m.Addrs.Gossip,
			Alive: m.Alive, Self: id == self, Reachable: id == self || c.deps.Reachable(id),
		}
		if r, ok := inRing[id]; ok {
			member.RingState, member.Weight, member.Zone = r.State.String(), int(r.Weight), r.Zone
			member.Replica = r.Replica.String()
		}
		out = append(out, member)
	}
	slices.SortFunc(out, func(a, b client.Member) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Ring implements httpapi.Cluster.
func (c *cluster) Ring(context.Context) client.Ring {
	r := c.store.Ring()
	if r == nil {
		return client.Ring{Members: []client.RingMember{}}
	}
	owned, primary := map[p2p.NodeID]int{}, map[p2p.NodeID]int{}
	for i := range r.Partitions() {
		for n, o := range r.Owners(store.Partition(i)) {
			owned[o]++
			if n == 0 {
				primary[o]++
			}
		}
	}
	out := client.Ring{
		Cluster: r.Cluster().ID, Partitions: r.Partitions(), Copies: r.Copies(),
		Digest: sum(r.Digest()), Members: []client.RingMember{},
	}
	for _, m := range r.View().Members() {
		out.Members = append(out.Members, client.RingMember{
			ID: string(m.Node), State: m.State.String(), Weight: int(m.Weight), Zone: m.Zone,
			Epoch: m.Epoch, Owned: owned[m.Node], Primary: primary[m.Node],
		})
	}
	return out
}

// Partitions implements httpapi.Cluster.
func (c *cluster) Partitions(ctx context.Context, digest bool) ([]client.Partition, error) {
	out := []client.Partition{}
	for _, p := range c.store.Status() {
		item := c.partition(p)
		if p.Stored && digest {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			d, rows, err := c.store.Digest(p.ID)
			if err != nil {
				return nil, err
			}
			item.Digest, item.Rows = sum(d), rows
		}
		out = append(out, item)
	}
	return out, nil
}

func (c *cluster) partition(p replica.PartitionStatus) client.Partition {
	out := client.Partition{
		ID: int(p.ID), FirstSlot: int(p.First), LastSlot: int(p.Last), Owners: texts(p.Owners),
		Leader: string(p.Leader), Local: slices.Contains(p.Owners, c.deps.Transport.Self()),
		CaughtUp: p.CaughtUp, Rows: p.Rows, Bytes: p.Bytes,
		Hint: p.Hint, Moved: p.Moved, Log: p.Log, WaitsFor: texts(p.HeldBack),
	}
	if p.Stored {
		out.Vector = sum(p.VectorSum)
	}
	if p.Transfer != nil {
		t := transfer(p)
		out.Transfer = &t
	}
	return out
}

func transfer(p replica.PartitionStatus) client.Transfer {
	t := p.Transfer
	return client.Transfer{
		Partition: int(p.ID), From: string(t.From), Snapshot: t.Snapshot,
		Rows: t.Rows, Bytes: t.Bytes, StartedAt: t.Started.UTC(),
	}
}

// Locate implements httpapi.Cluster.
func (c *cluster) Locate(_ context.Context, key string) (client.Locate, error) {
	r := c.store.Ring()
	if r == nil {
		return client.Locate{}, store.ErrUnavailable
	}
	out := client.Locate{Key: key, Kind: "key", Owners: []client.Owner{}}
	var slot store.Slot
	if id, ok := social.SlotOf(strings.ToUpper(key)); ok {
		out.Kind, slot = "id", store.Slot(id)
	} else if name, ok := strings.CutPrefix(key, "@"); ok {
		out.Kind, slot = "name", store.Slot(social.NameSlot(name))
	} else {
		slot = store.Slot(xxh3.HashString(key))
	}
	p := r.PartitionOf(slot)
	out.Slot, out.Partition = int(slot), int(p)
	addrs := map[p2p.NodeID]string{}
	for _, m := range c.deps.Members.Members() {
		addrs[m.ID] = m.Addrs.HTTP
	}
	for _, o := range r.Owners(p) {
		out.Owners = append(out.Owners, client.Owner{ID: string(o), HTTP: addrs[o], Alive: c.deps.Members.Alive(o)})
	}
	return out, nil
}

// faults cuts the node off from peers on an operator's word.
type faults Node

// Block implements httpapi.Faults.
func (f *faults) Block(ids []string) {
	blocked := map[p2p.NodeID]bool{}
	for _, id := range ids {
		blocked[p2p.NodeID(id)] = true
	}
	f.deps.Block(func(id p2p.NodeID) bool { return blocked[id] })
}

func texts(ids []p2p.NodeID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

func sum(d uint64) string { return fmt.Sprintf("%016x", d) }
