package main

import "fmt"

// ringVerbs are what is asked of the ring; to show it is what is meant without
// another word.
type ringVerbs struct {
	Show ringVerb `cmd:"" default:"1" help:"Show who is in the ring and how much each owns."`
	Plan planVerb `cmd:"" help:"Show what would move if nodes came, went or changed."`
}

type ringVerb struct {
	watching `embed:""`
}

// Help implements kong.HelpProvider.
func (ringVerb) Help() string {
	return `OWNED counts the partitions of which a node keeps a copy, PRIMARY those of which it is the first owner.
EPOCH counts the changes of its place in the ring.

  grapevine ring
  grapevine ring show --watch
  grapevine ring -o json | jq '.members[] | select(.state != "gone")'`
}

func (v *ringVerb) Run(c *console) error { return v.run(c, showRing) }

func showRing(c *console) error {
	r, err := c.client.Ring(c.ctx)
	if err != nil {
		return c.asked(err)
	}
	if c.json {
		return c.encode(r)
	}
	fmt.Fprintf(c.out, "cluster %s, %d partitions, %d copies, view %s\n\n", r.Cluster, r.Partitions, r.Copies, r.Digest)
	t := head("node", "state", "weight", "zone", "owned", "primary", "epoch", "id")
	for _, m := range r.Members {
		t.add(short(m.ID), m.State, m.Weight, orDash(m.Zone), m.Owned, m.Primary, m.Epoch, m.ID)
	}
	c.table(t)
	return nil
}
