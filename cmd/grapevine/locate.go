package main

import "fmt"

type locateVerb struct {
	Key string `arg:"" help:"An id, an @name or any other key."`
}

// Help implements kong.HelpProvider.
func (locateVerb) Help() string {
	return `Where something lives follows from its id or name alone, whether it exists or not. What its owners have
of it is shown by explain.

  grapevine locate @ada
  grapevine locate 01JCQ0M3E7ZK6V8B2N5Y4T9XWD -o json | jq -r '.owners[].http'`
}

func (v *locateVerb) Run(c *console) error {
	l, err := c.client.Locate(c.ctx, v.Key)
	if err != nil {
		return c.asked(err)
	}
	if c.json {
		return c.encode(l)
	}
	fmt.Fprintf(c.out, "%s is a key of kind %q on slot %d in partition %d, owned by\n\n", l.Key, l.Kind, l.Slot, l.Partition)
	t := head("node", "alive", "http", "id")
	for _, o := range l.Owners {
		t.add(short(o.ID), yes(o.Alive), orDash(o.HTTP), o.ID)
	}
	c.table(t)
	return nil
}
