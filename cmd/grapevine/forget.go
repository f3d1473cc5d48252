package main

import (
	"fmt"

	"grapevine/node/client"
)

type forgetVerb struct {
	operator `embed:""`
	Member   string `arg:"" name:"node" help:"Id or short id of the node, as grapevine peers shows it."`
}

// Help implements kong.HelpProvider.
func (forgetVerb) Help() string {
	return `For a node that will not return, since its disk is lost. The others take over its share and copy it
from one another, and no longer keep for it what it misses. A write that nobody but that node had
is lost, unless it returns nevertheless: then it joins anew, and what it had is merged.

  grapevine status
  grapevine forget 7Qx3fK2a --secret-file secret

A node that is alive is not forgotten: see leave.`
}

func (v *forgetVerb) Run(c *console) error {
	asked, err := v.client(c)
	if err != nil {
		return err
	}
	d, err := asked.Forget(c.ctx, v.Member)
	switch client.StatusOf(err) {
	case 404:
		return &hinted{err, "`grapevine ring` lists the members; give an id or a short id"}
	case 409:
		return &hinted{err, "a node that is alive leaves with `grapevine leave`; one that was just stopped is taken for dead within seconds"}
	}
	if err != nil {
		return c.asked(err)
	}
	if c.json {
		return c.encode(d)
	}
	fmt.Fprintf(c.out, "node %s is forgotten; `grapevine status` shows when its share is copied\n", short(d.Node))
	return nil
}
