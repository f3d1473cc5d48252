package node

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"grapevine/node/client"
	"grapevine/node/dns"
	"grapevine/p2p"
	"grapevine/store/ring"
)

// healthy lists the nodes that serve, for those who look for one: this one first,
// then those of its zone, then by round-trip time. A node that is known by a host
// name, not an address, is left out.
func (n *Node) healthy() []dns.Node {
	ctx := context.Background() // both questions bound their own time
	members := slices.DeleteFunc((*cluster)(n).Members(ctx), func(m client.Member) bool {
		return !m.Alive || m.RingState != ring.Active.String()
	})
	n.nearestFirst(ctx, members)
	serving := n.serving(members)
	var out []dns.Node
	for _, m := range members {
		node, ok := endpoint(m)
		if ok && serving[p2p.NodeID(m.ID)] {
			out = append(out, node)
		}
	}
	return out
}

// nearestFirst sorts members by how far they are.
func (n *Node) nearestFirst(ctx context.Context, members []client.Member) {
	zone, rtt := "", map[string]float64{}
	for _, m := range members {
		if m.Self {
			zone = m.Zone
		}
	}
	for _, link := range n.inspector.Links(ctx).Links {
		rtt[link.To] = link.RTTMillis
	}
	distance := func(m client.Member) int {
		switch {
		case m.Self:
			return 0
		case m.Zone == zone:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(members, func(a, b client.Member) int {
		return cmp.Or(cmp.Compare(distance(a), distance(b)), cmp.Compare(rtt[a.ID], rtt[b.ID]))
	})
}

// serving asks which members have something to serve. A node of weight 0 has
// nothing of its own, and serves what the others have.
func (n *Node) serving(members []client.Member) map[p2p.NodeID]bool {
	var peers []p2p.NodeID
	out := map[p2p.NodeID]bool{}
	for _, m := range members {
		if m.Self {
			out[p2p.NodeID(m.ID)], _ = (*cluster)(n).ready()
			continue
		}
		peers = append(peers, p2p.NodeID(m.ID))
	}
	answers := n.standings.of(peers)
	for _, m := range members {
		if answer := answers[p2p.NodeID(m.ID)]; answer != nil && (m.Weight == 0 || answer.any()) {
			out[p2p.NodeID(m.ID)] = true
		}
	}
	return out
}

func (s standing) any() bool {
	return slices.ContainsFunc(s, func(b byte) bool { return b != 0 })
}

// endpoint gives where a member's API is.
func endpoint(m client.Member) (dns.Node, bool) {
	scheme, hostPort, _ := strings.Cut(client.URL(m.HTTP), "://")
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return dns.Node{}, false
	}
	addr, err := netip.ParseAddr(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		return dns.Node{}, false
	}
	return dns.Node{Label: m.Short, Addr: addr.Unmap().WithZone(""), Port: uint16(number), HTTPS: scheme == "https"}, true
}
