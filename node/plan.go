package node

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/services/social"
	"grapevine/store"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// planRate is the rate at which a node takes copies, in bytes of rows per second:
// what a plan's time is estimated with. On two cores that three nodes share it was
// 6 MiB/s with rows of 200 bytes, and 20 MiB/s with rows of a kilobyte.
const planRate = 6 << 20

// Plan implements httpapi.Cluster.
func (c *cluster) Plan(_ context.Context, ch client.Changes) (client.Plan, error) {
	from := c.store.View()
	if from == nil {
		return client.Plan{}, store.ErrUnavailable
	}
	to, err := changed(from, ch)
	if err != nil {
		return client.Plan{}, err
	}
	sizes := sizesOf(c.store.Status())
	moves := ring.Plan(from, to)
	out := client.Plan{Notes: notesOn(to, len(ch.Add)), BytesPerSec: planRate}
	for _, m := range moves {
		if m.To != "" {
			out.Copies++
			out.Bytes += sizes.of(m.Partition)
			out.Estimated = out.Estimated || sizes.unknown(m.Partition)
		}
	}
	out.Nodes = planNodes(ring.New(from), ring.New(to), ring.Loads(moves, sizes.of))
	var most int64
	all := 0
	for _, n := range out.Nodes {
		most = max(most, n.TakesBytes)
		all += n.After
	}
	out.Share = float64(out.Copies) / float64(max(all, 1))
	out.Seconds = float64(most) / planRate
	return out, nil
}

// changed gives the view with changes, after the joins and leaves under way.
func changed(from *ring.View, ch client.Changes) (*ring.View, error) {
	to := from.Settled()
	for i, text := range ch.Add {
		weight, zone, _ := strings.Cut(text, ":")
		m := ring.Member{Node: p2p.NodeID(fmt.Sprintf("new-%d", i+1)), State: ring.Active, Zone: zone, Epoch: 1}
		if err := setWeight(&m, "add", weight); err != nil {
			return nil, err
		}
		if err := config.VerifyZone(zone); err != nil {
			return nil, social.InvalidField("add", "%v", err)
		}
		to.Set(m)
	}
	for _, name := range ch.Remove {
		m, err := resolve(to, "remove", name)
		if err != nil {
			return nil, err
		}
		m.State = ring.Gone
		to.Set(m)
	}
	for _, text := range ch.Weight {
		if err := change(to, "weight", text, setWeight); err != nil {
			return nil, err
		}
	}
	for _, text := range ch.Zone {
		if err := change(to, "zone", text, setZone); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// change gives the member that NODE:VALUE names a new value.
func change(to *ring.View, field, text string, set func(m *ring.Member, field, value string) error) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return social.InvalidField(field, "%q must be NODE:VALUE", text)
	}
	m, err := resolve(to, field, name)
	if err != nil {
		return err
	}
	if err := set(&m, field, value); err != nil {
		return err
	}
	m.Epoch++
	to.Set(m)
	return nil
}

func setWeight(m *ring.Member, field, value string) error {
	w, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return social.InvalidField(field, "%q must be a number; 100 is one ordinary node", value)
	}
	m.Weight = uint32(w)
	if err := config.VerifyWeight(m.Weight); err != nil {
		return social.InvalidField(field, "%v", err)
	}
	return nil
}

func setZone(m *ring.Member, field, value string) error {
	m.Zone = value
	if err := config.VerifyZone(value); err != nil {
		return social.InvalidField(field, "%v", err)
	}
	return nil
}

// sizes are the bytes of the partitions that a node stores, and their mean for
// those that it does not.
type sizes struct {
	known map[store.Partition]int64
	mean  int64
}

func sizesOf(status []replica.PartitionStatus) sizes {
	s := sizes{known: map[store.Partition]int64{}}
	var total int64
	for _, p := range status {
		if p.Stored && p.CaughtUp {
			s.known[p.ID] = p.Bytes
			total += p.Bytes
		}
	}
	if len(s.known) > 0 {
		s.mean = total / int64(len(s.known))
	}
	return s
}

func (s sizes) unknown(p store.Partition) bool {
	_, known := s.known[p]
	return !known
}

func (s sizes) of(p store.Partition) int64 {
	if size, known := s.known[p]; known {
		return size
	}
	return s.mean
}

// notesOn says what to think of before a change to a view.
func notesOn(to *ring.View, added int) []string {
	notes := []string{}
	owners, copies := 0, to.Cluster().Copies
	zones, zoned := map[string]bool{}, true
	for _, m := range to.Members() {
		if m.State == ring.Active && m.Weight > 0 {
			owners++
			zones[m.Zone] = true
			zoned = zoned && m.Zone != ""
		}
	}
	switch {
	case owners == 0:
		notes = append(notes, "no node would be left to hold the data")
	case owners < copies:
		notes = append(notes, fmt.Sprintf("only %d of %d copies can be kept by so few nodes", owners, copies))
	case zoned && len(zones) < copies:
		notes = append(notes, fmt.Sprintf("%d zones hold %d copies: some zones hold two of a partition", len(zones), copies))
	}
	if added > 1 {
		notes = append(notes, "nodes that join at once each prepare as if they joined alone: let them join one after another")
	}
	return notes
}

// planNodes are the nodes that a plan concerns: all that own something before or
// after.
func planNodes(before, after *ring.Ring, loads []ring.Load) []client.PlanNode {
	byNode := map[p2p.NodeID]ring.Load{}
	for _, l := range loads {
		byNode[l.Node] = l
	}
	owned, owning := ownedBy(before), ownedBy(after)
	out := []client.PlanNode{}
	for _, m := range after.View().Members() {
		if owned[m.Node]+owning[m.Node] == 0 {
			continue
		}
		l := byNode[m.Node]
		n := client.PlanNode{
			ID: string(m.Node), Zone: m.Zone, Before: owned[m.Node], After: owning[m.Node],
			Takes: l.Takes, Gives: l.Gives, TakesBytes: l.TakesBytes, GivesBytes: l.GivesBytes,
		}
		if m.State != ring.Gone {
			n.Weight = int(m.Weight)
		}
		out = append(out, n)
	}
	return out
}

// ownedBy counts the partitions of each owner.
func ownedBy(r *ring.Ring) map[p2p.NodeID]int {
	out := map[p2p.NodeID]int{}
	for i := range r.Partitions() {
		for _, o := range r.Owners(store.Partition(i)) {
			out[o]++
		}
	}
	return out
}
