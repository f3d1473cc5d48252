package main

import (
	"strconv"

	"grapevine/node/client"
)

type peersVerb struct{}

func (peersVerb) Run(c *console) error {
	members, err := c.client.Members(c.ctx)
	if err != nil {
		return c.asked(err)
	}
	t := head("node", "alive", "reachable", "ring", "zone", "http", "p2p", "gossip", "rtt ms", "id")
	for _, m := range members {
		t.add(nodeName(m), yes(m.Alive), yes(m.Reachable), orDash(m.RingState), orDash(m.Zone),
			orDash(m.HTTP), orDash(m.P2P), orDash(m.Gossip), rtt(m), m.ID)
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

func rtt(m client.Member) string {
	if m.RTTMillis == 0 {
		return "-"
	}
	return strconv.FormatFloat(m.RTTMillis, 'f', 1, 64)
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
