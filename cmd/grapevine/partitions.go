package main

import (
	"fmt"
	"strings"
)

type partitionsVerb struct {
	Digest bool `help:"Sum up the rows of the node's own partitions, which reads them all."`
}

func (v *partitionsVerb) Run(c *console) error {
	parts, err := c.client.Partitions(c.ctx, v.Digest)
	if err != nil {
		return c.asked(err)
	}
	t := head("partition", "slots", "owners", "leader", "here", "caught up", "rows", "digest")
	for _, p := range parts {
		caughtUp, rows := "-", "-"
		if p.Local {
			caughtUp, rows = yes(p.CaughtUp), fmt.Sprint(p.Rows)
		}
		t.add(p.ID, fmt.Sprintf("%d-%d", p.FirstSlot, p.LastSlot), names(p.Owners), orDash(short(p.Leader)),
			localWord(p.Local), caughtUp, rows, orDash(p.Digest))
	}
	return c.show(parts, t)
}

func localWord(local bool) string {
	if local {
		return "yes"
	}
	return "-"
}

func names(ids []string) string {
	shorts := make([]string, len(ids))
	for i, id := range ids {
		shorts[i] = short(id)
	}
	return strings.Join(shorts, " ")
}
