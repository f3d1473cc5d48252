package main

import (
	"fmt"

	"grapevine/node/client"
)

type peersVerb struct {
	operator `embed:""`
	watching `embed:""`
}

// Help implements kong.HelpProvider.
func (peersVerb) Help() string {
	return `RTT is the round trip from the asked node, marked *, over the streams that data goes over, and CLOCK how
far the other's clock is ahead of its own; both are shown to the operator alone. The times between all
nodes are shown by rtt.

  grapevine peers --node http://10.0.0.7:7400
  grapevine peers --secret-file secret
  grapevine peers -o json | jq -r '.[] | select(.alive | not) | .id'`
}

func (v *peersVerb) Run(c *console) error {
	within, measures, err := v.within(c)
	if err != nil {
		return err
	}
	return v.run(within, func(c *console) error { return listPeers(c, measures) })
}

func listPeers(c *console, measures bool) error {
	members, err := c.client.Members(c.ctx)
	if err != nil {
		return c.asked(err)
	}
	var measured client.Links
	if measures {
		if measured, err = c.client.Links(c.ctx); err != nil {
			return c.asked(err)
		}
	}
	links := map[string]client.Link{}
	for _, l := range measured.Links {
		links[l.To] = l
	}
	t := head("node", "alive", "reachable", "ring", "zone", "http", "p2p", "gossip", "rtt ms", "clock ms", "id")
	for i, m := range members {
		rtt, clock := "-", "-"
		if l := links[m.ID]; l.Answers {
			members[i].RTTMillis = l.RTTMillis
			rtt, clock = fmt.Sprintf("%.2f", l.RTTMillis), ahead(l.OffsetMillis)
		}
		t.add(nodeName(m), yes(m.Alive), yes(m.Reachable), orDash(m.RingState), orDash(m.Zone),
			orDash(m.HTTP), orDash(m.P2P), orDash(m.Gossip), rtt, clock, m.ID)
	}
	return c.show(members, t)
}

// nodeName marks the node that answers.
func nodeName(m client.Member) string {
	if m.Self {
		return m.Short + "*"
	}
	return m.Short
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// short gives the end of a node id that tells nodes apart.
func short(id string) string { return id[max(0, len(id)-8):] }
