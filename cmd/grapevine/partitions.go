package main

import (
	"fmt"
	"strings"

	"grapevine/node/client"
)

type partitionsVerb struct {
	watching `embed:""`
	Digest   bool `help:"Sum up the rows of the node's own partitions, which reads them all."`
}

// Help implements kong.HelpProvider.
func (partitionsVerb) Help() string {
	return `HERE says what the asked node has: "yes" for a copy that counts, "moved" for one kept until the new
owners have proved theirs, "hint" for writes kept for owners that could not be reached, and what is
on its way. LOG counts writes that some owner may still ask for, and WAITS FOR who that is.

  grapevine partitions --node http://10.0.0.7:7400`
}

func (v *partitionsVerb) Run(c *console) error { return v.run(c, v.once) }

func (v *partitionsVerb) once(c *console) error {
	parts, err := c.client.Partitions(c.ctx, v.Digest)
	if err != nil {
		return c.asked(err)
	}
	t := head("partition", "slots", "owners", "leader", "here", "caught up", "rows", "data", "log", "waits for", "digest")
	for _, p := range parts {
		caughtUp, rows, data := "-", "-", "-"
		if p.Local {
			caughtUp = yes(p.CaughtUp)
		}
		if p.Vector != "" {
			rows, data = fmt.Sprint(p.Rows), size(p.Bytes)
		}
		t.add(p.ID, fmt.Sprintf("%d-%d", p.FirstSlot, p.LastSlot), names(p.Owners), orDash(short(p.Leader)),
			here(p), caughtUp, rows, data, p.Log, orDash(names(p.WaitsFor)), orDash(p.Digest))
	}
	return c.show(parts, t)
}

// here says what the asked node has of a partition.
func here(p client.Partition) string {
	var words []string
	switch {
	case p.Hint:
		words = append(words, "hint")
	case p.Moved:
		words = append(words, "moved")
	case p.Local:
		words = append(words, "yes")
	}
	if p.Transfer != nil {
		words = append(words, fmt.Sprintf("from %s: %s", short(p.Transfer.From), size(p.Transfer.Bytes)))
	}
	return orDash(strings.Join(words, ", "))
}

func names(ids []string) string {
	shorts := make([]string, len(ids))
	for i, id := range ids {
		shorts[i] = short(id)
	}
	return strings.Join(shorts, " ")
}
