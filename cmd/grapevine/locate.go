package main

import "fmt"

type locateVerb struct {
	Key string `arg:"" help:"An id, an @name or any other key."`
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
